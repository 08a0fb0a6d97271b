"""The database: what was asked, what was decided, and what happened later."""

from scoring.store.alerts import Alerts, Reports
from scoring.store.alerts import Reminders as Reminders
from scoring.store.applicants import Applicants
from scoring.store.database import Database
from scoring.store.decisions import Decisions
from scoring.store.errors import StoreChangedError as StoreChangedError
from scoring.store.errors import StoreError as StoreError
from scoring.store.errors import StoreUnavailableError as StoreUnavailableError
from scoring.store.keys import Keys
from scoring.store.models import Models
from scoring.store.outcomes import Outcomes
from scoring.store.privacy import Privacy
from scoring.store.pseudonyms import ERASED as ERASED
from scoring.store.pseudonyms import Pseudonyms as Pseudonyms
from scoring.store.records import SCOPES as SCOPES
from scoring.store.records import Alert as Alert
from scoring.store.records import AlertRecord as AlertRecord
from scoring.store.records import ApiKey as ApiKey
from scoring.store.records import CostSummary as CostSummary
from scoring.store.records import Decided as Decided
from scoring.store.records import Experience as Experience
from scoring.store.records import Exploration as Exploration
from scoring.store.records import Labelled as Labelled
from scoring.store.records import ModelEvent as ModelEvent
from scoring.store.records import ModelUsage as ModelUsage
from scoring.store.records import OnlineApplicant as OnlineApplicant
from scoring.store.records import Outcome as Outcome
from scoring.store.records import Override as Override
from scoring.store.records import Policy as Policy
from scoring.store.records import Prediction as Prediction
from scoring.store.records import RefusalSummary as RefusalSummary
from scoring.store.records import Report as Report
from scoring.store.records import Review as Review
from scoring.store.records import ReviewCounts as ReviewCounts
from scoring.store.records import Scope as Scope
from scoring.store.records import ShadowScore as ShadowScore
from scoring.store.records import Strategy as Strategy
from scoring.store.records import new_id as new_id
from scoring.store.retention import Retention
from scoring.store.reviews import Reviews
from scoring.store.reviews import ReviewState as ReviewState
from scoring.store.windows import Chances as Chances
from scoring.store.windows import Detail as Detail
from scoring.store.windows import Headlines as Headlines
from scoring.store.windows import Settled as Settled
from scoring.store.windows import Windows


class Store(Database):
    """The database of a service: its tables are reached by subject, an attribute each.

    Every method that reaches the database raises `StoreUnavailableError` where it cannot be used
    at the moment, and `StoreError` where its tables are not those of this code. `url` and
    `pseudonym_key` are as for `Database`.
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
