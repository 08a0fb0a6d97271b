"""What the store holds, as the rest of the code sees it."""

import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

Strategy = Literal["champion", "shadow", "split", "bandit"]
Exploration = Literal["drawn", "not drawn", "budget spent"]
Scope = Literal["score", "outcome", "admin", "read"]
Severity = Literal["warning", "critical"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True, slots=True)
class ShadowScore:
    """What a model that was scored along, and never answered, made of an applicant."""

    model_digest: str
    model_version: str
    pd: float
    decision: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """A decision, with all that it takes to compute it again.

    Attributes
    ----------
    id
        A UUID that grows with time (`new_id`).
    applicant
        As `Pseudonyms.applicant` gives it.
    source
        "rows" if they came with the request, "id" if the store had the applicant's features.
    rows, rows_sha256
        The request's checked rows (`scoring.data.requests.body_of`), compressed with zlib, and
        their SHA-256: None and empty where the applicant was named by number.
    features, feature_set_version
        As `scoring.features.vectors.to_bytes` gives them, and the version of their definitions.
    role, why
        Whether the model was "champion" or "challenger", and why it was the one that answered.
    model_decision, decision
        What the PD means, and what was answered: "refer" where an officer decides.
    reasons, misunderstood
        JSON: the reasons as answered, and what was taken for missing because nobody knows what it
        says.
    caller
        The API key's id, or "loopback".
    milliseconds
        From the request's arrival to the end of scoring; in a batch, an applicant's share of it.
    known
        The share of what the model leans on that was known, from 0 to 1.
    history
        Whose credit history was used: "sent" with the request, "stored" with the applicant, or
        "none".
    refer_reasons
        Why an officer decides, parted by blanks; None where the decision is not "refer".
    counter_offer_to
        The decision on the same applicant in the place of whose loan this one was offered.
    actor
        Who took the loan that was offered; None where this is no counter-offer.
    terms
        JSON: who lends, and for how long the decision can be contested, as it was that day.
    propensity
        How likely the policy was to decide so on this applicant, from 0 to 1; None where it is not
        on record. Officers' overrides do not change it.
    exploration
        Of a refusal within the band that is explored: "drawn", and so accepted; "not drawn"; or
        "budget spent", where nobody is drawn any more. None for all others.
    policy
        The number of the policy under which there was exploration; None where there was none.
    """

    id: str
    at: datetime
    applicant: str
    source: str
    rows: bytes | None
    rows_sha256: str
    features: bytes
    feature_set_version: str
    model_name: str
    model_version: str
    model_digest: str
    role: str
    why: str
    pd: float
    cutoff: float
    refer_low: float
    refer_high: float
    model_decision: str
    decision: str
    reasons: str
    caller: str
    request_id: str
    idempotency_key: str | None
    request_sha256: str
    milliseconds: float
    misunderstood: str | None = None
    known: float | None = None
    history: str | None = None
    refer_reasons: str | None = None
    counter_offer_to: str | None = None
    terms: str | None = None
    actor: str | None = None
    propensity: float | None = None
    exploration: Exploration | None = None
    policy: int | None = None
    shadows: tuple[ShadowScore, ...] = ()


class Decided(NamedTuple):
    """A decision as far as an outcome has to fit it."""

    applicant: str
    at: datetime
    caller: str


class Labelled(NamedTuple):
    """A decision whose outcome is known; who asked for it, and who reported the outcome.

    `chance` is how likely exploration was to give the loan, of whom it has drawn; 1 of all others.
    """

    id: str
    at: datetime
    applicant: str
    source: str
    pd: float
    asked: str
    defaulted: bool
    reported: str
    chance: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened later to an applicant who was decided on."""

    applicant: str
    prediction_id: str
    defaulted: bool
    observed_at: datetime
    recorded_at: datetime
    caller: str


@dataclass(frozen=True, slots=True)
class Override:
    """An officer's own decision in the place of the model's."""

    prediction_id: str
    decision: str
    actor: str
    motive: str
    at: datetime
    caller: str


@dataclass(frozen=True, slots=True)
class Review:
    """A person's look at a decision, for which the applicant has asked.

    Attributes
    ----------
    id : str
        A UUID that grows with time.
    prediction_id : str
        The decision that is contested.
    received_at, due_at : datetime
        When the applicant asked, and until when a person decides.
    words : str
        What the applicant wrote or said.
    caller : str
        Who recorded it.
    assignee : str or None
        Who is to decide.
    decision : str or None
        What was decided; this and what follows is None as long as nobody has.
    overturned : bool or None
        Whether that is another decision than the one that was in force.
    actor, motive : str or None
        Who decided, and why.
    decided_at : datetime or None
        When.
    decided_by : str or None
        The caller through whom.
    """

    id: str
    prediction_id: str
    received_at: datetime
    due_at: datetime
    words: str
    caller: str
    assignee: str | None = None
    decision: str | None = None
    overturned: bool | None = None
    actor: str | None = None
    motive: str | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """How reviews went in a window.

    Attributes
    ----------
    received, decided : int
        How many came in, and how many were decided.
    overturned_share : float or None
        The share of the decided ones that changed the decision; None where none was decided.
    open, overdue : int
        How many were not decided at its end, and how many of them were due before.
    """

    received: int = 0
    decided: int = 0
    overturned_share: float | None = None
    open: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """Something that happened to a model or to the policy in a running service."""

    at: datetime
    kind: str
    model_digest: str | None
    model_version: str | None
    role: str | None
    detail: str
    worker: str


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """The decisions of one model that are on record, and the applicants that it scored along."""

    decided: int
    first: datetime | None
    last: datetime | None
    by_role: Mapping[str, int]
    settled: int
    scored_along: int


@dataclass(frozen=True, slots=True)
class Policy:
    """How models are used; the number says which change it is, 0 before the first.

    Attributes
    ----------
    strategy
        champion: it alone; shadow: the challenger is scored along; split: it answers a share, from
        0 to 1; bandit: whoever has turned out to cost less.
    refer_all
        Whether every application goes to an officer.
    explore_share, explore_bound
        The share, from 0 to 1, of those refused with a PD up to the bound who are accepted at
        random, so that outcomes tell what refusals are worth.
    explore_budget
        What they may be expected to lose in a month of the calendar (UTC): the sum of PD x cost of
        an accepted default, in units of one refused good applicant.
    explore_salt
        The secret of the store by which chance draws, from the first exploration on; never told.
        None under an exploration from before there was one.
    """

    strategy: Strategy = "champion"
    challenger_share: float = 0.1
    refer_all: bool = False
    explore_share: float = 0.0
    explore_bound: float = 0.0
    explore_budget: float = 0.0
    explore_salt: str | None = field(default=None, compare=False, repr=False)
    number: int = field(default=0, compare=False)

    def __str__(self) -> str:
        explored = (
            f", {self.explore_share:g} of the refused up to a PD of {self.explore_bound:g} "
            f"explored within {self.explore_budget:g} a month"
        )
        everything = ", everything referred" if self.refer_all else ""
        said = f"{self.strategy}, challenger's share {self.challenger_share:g}"
        return said + (explored if self.explore_share else "") + everything


@dataclass(frozen=True, slots=True)
class Alert:
    """What a rule has to say of one model in one window, from `since` until `until`.

    Attributes
    ----------
    severity
        "warning": look at it within days; "critical": now.
    model_version, model_digest
        The model, as decisions name it; empty where the service as a whole is meant.
    figure, threshold
        What was measured, and the size from which on it is reported with this severity.
    message, advice
        What was found and what to do about it, in English.
    subjects
        The features that it is about, the worst first; none where it is about the whole.
    facts
        The figures of the sentence by name, so that it can be told in any language; None for an
        alert of before they were kept.
    """

    rule: str
    severity: Severity
    model_version: str
    model_digest: str
    since: datetime
    until: datetime
    figure: float
    threshold: float
    message: str
    advice: str
    subjects: tuple[str, ...] = ()
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert as it was found last, in how many looks it was found, and when it was sent last."""

    number: int
    alert: Alert
    first_at: datetime
    last_at: datetime
    times: int
    told_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A report of a kind ("monitoring"): its figures as JSON, and the page for people as HTML."""

    kind: str
    at: datetime
    values: bytes
    page: bytes


@dataclass(frozen=True, slots=True)
class OnlineApplicant:
    """An applicant whom the service can decide on by SK_ID_CURR.

    Attributes
    ----------
    feature_set_version, features, misunderstood
        As in `Prediction`.
    rows
        zlib of the body that POST /predict takes; empty where they were not asked for.
    dataset
        The digest of the dataset that it was made of, at `materialized_at`.
    """

    applicant: int
    feature_set_version: str
    features: bytes
    rows: bytes
    dataset: str
    materialized_at: datetime
    misunderstood: str | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Who may ask what; the key itself is not kept."""

    id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CostSummary:
    """What the decisions of one model turned out to cost, where the outcome is known."""

    applicants: int
    total: float
    total_of_squares: float


@dataclass(frozen=True, slots=True)
class RefusalSummary:
    """Whom one model refused, and what became of those who were accepted all the same.

    Attributes
    ----------
    decided
        All applicants that it decided on.
    refused
        Those of them whom it refused, the explored too; by the weights of those who asked.
    explored
        Those of the refused who were drawn and accepted, and whose outcome is known.
    weights, good
        The sum over the explored of 1 / propensity, and over those who did not default.
    weights_of_squares, good_of_squares
        The same of (1 / propensity) squared.
    in_force, by_chance
        Of `refused`, those since the policy was last changed, and of them those open to chance.
    """

    decided: int
    refused: float
    explored: int = 0
    weights: float = 0.0
    good: float = 0.0
    weights_of_squares: float = 0.0
    good_of_squares: float = 0.0
    in_force: float = 0.0
    by_chance: float = 0.0


class Experience(NamedTuple):
    """What a model's decisions have cost, in units of one refused good applicant."""

    known: CostSummary
    refusals: RefusalSummary


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): later ones sort behind earlier ones."""
    milliseconds = time.time_ns() // 1_000_000
    bits = (milliseconds << 80) | secrets.randbits(80)
    # The version and the variant have places of their own among the random bits.
    bits &= ~(0xF << 76) & ~(0x3 << 62)
    return str(uuid.UUID(int=bits | (0x7 << 76) | (0x2 << 62)))
