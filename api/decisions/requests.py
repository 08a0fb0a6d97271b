"""What is asked: an applicant to decide on, and who asks."""

from dataclasses import dataclass

from scoring.data.requests import Rows
from scoring.store import Prediction


@dataclass(frozen=True, slots=True)
class Applicant:
    """One applicant, with checked rows or known to the store by number.

    Every row has its SK_ID_CURR where its table has the column. `misunderstood` is JSON, the values
    of the rows that were taken for missing. The history that the rows have is "sent", "stored" or
    "none"; None where the request says nothing of any: the store is asked for it.
    """

    id: int
    rows: Rows
    misunderstood: str | None = None
    history: str | None = "sent"

    @property
    def by_number(self) -> bool:
        """Whether no rows were sent: the store has the features."""
        return not self.rows


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, an API key's id or "loopback", and what makes a repeated request known.

    `arrived` is when the request came, by `time.perf_counter`; of a batch, when those that are
    decided on `together` were begun.
    """

    id: str
    request_id: str
    idempotency_key: str | None
    request_sha256: str
    arrived: float
    together: int = 1


@dataclass(frozen=True, slots=True)
class CounterOffer:
    """The decision in the place of whose loan another is taken, and who takes it."""

    origin: Prediction
    actor: str


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """An applicant to decide on, who asks, and what it is a counter-offer to, if it is one."""

    applicant: Applicant
    caller: Caller
    counter_offer: CounterOffer | None = None


def has_history(rows: Rows) -> bool:
    """Tell whether there is any row besides the application's."""
    return any(own for name, own in rows.items() if name != "application")
