"""The database: what was asked, what was decided, and what happened later."""

from __future__ import annotations

from scoring.store.alerts import Alerts, Reminders
from scoring.store.applicants import Applicants
from scoring.store.database import Database
from scoring.store.decisions import Decisions
from scoring.store.errors import StoreChangedError, StoreError, StoreUnavailableError
from scoring.store.keys import Keys
from scoring.store.models import Models
from scoring.store.outcomes import Outcomes
from scoring.store.privacy import Privacy
from scoring.store.pseudonyms import ERASED, Pseudonyms
from scoring.store.records import (
    SCOPES,
    Alert,
    AlertRecord,
    ApiKey,
    CostSummary,
    Decided,
    Labelled,
    ModelEvent,
    ModelUsage,
    OnlineApplicant,
    Outcome,
    Override,
    Policy,
    Prediction,
    RefusalSummary,
    Report,
    Review,
    ReviewCounts,
    Scope,
    Severity,
    ShadowScore,
    Strategy,
    new_id,
)
from scoring.store.reports import Reports
from scoring.store.retention import Retention
from scoring.store.reviews import Reviews, ReviewState
from scoring.store.windows import Detail, Headlines, Settled, Windows

__all__ = [
    "ERASED",
    "SCOPES",
    "Alert",
    "AlertRecord",
    "ApiKey",
    "CostSummary",
    "Decided",
    "Detail",
    "Headlines",
    "Labelled",
    "ModelEvent",
    "ModelUsage",
    "OnlineApplicant",
    "Outcome",
    "Override",
    "Policy",
    "Prediction",
    "Pseudonyms",
    "RefusalSummary",
    "Reminders",
    "Report",
    "Review",
    "ReviewCounts",
    "ReviewState",
    "Scope",
    "Settled",
    "Severity",
    "ShadowScore",
    "Store",
    "StoreChangedError",
    "StoreError",
    "StoreUnavailableError",
    "Strategy",
    "new_id",
]


class Store(Database):
    """The database of a service: its tables are reached by subject.

    Every method that reaches the database raises `StoreUnavailableError` where it cannot be used
    at the moment, and `StoreError` where its tables are not those of this code.

    Parameters
    ----------
    url, pseudonym_key : str
        As for `Database`.

    Attributes
    ----------
    decisions : Decisions
        Decisions recorded and read back, and who looked at them.
    windows : Windows
        Many decisions at a time, for monitoring and retraining.
    outcomes : Outcomes
        What happened after decisions, officers' overrides, and what decisions cost.
    reviews : Reviews
        Reviews by persons, for which applicants asked.
    applicants : Applicants
        Applicants who can be decided on by number.
    models : Models
        Models kept whole, what happened to them, and the policy by which they are used.
    alerts, reports : Alerts, Reports
        What monitoring found.
    keys : Keys
        The callers' API keys.
    privacy : Privacy
        All about one person: told, erased, put under a pseudonym.
    retention : Retention
        What is deleted once it is old.
    """

    def __init__(self, url: str, pseudonym_key: str | None = None) -> None:
        super().__init__(url, pseudonym_key)
        self.decisions = Decisions(self)
        self.windows = Windows(self)
        self.outcomes = Outcomes(self)
        self.reviews = Reviews(self)
        self.applicants = Applicants(self)
        self.models = Models(self)
        self.alerts = Alerts(self)
        self.reports = Reports(self)
        self.keys = Keys(self)
        self.privacy = Privacy(self)
        self.retention = Retention(self)
