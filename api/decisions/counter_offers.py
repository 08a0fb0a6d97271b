"""Counter-offers: decisions on loans that are offered in the place of an earlier one's."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from api.decisions.requests import Applicant, DecisionRequest
from api.http.bodies import wrong_fields
from api.http.problems import FieldError, ProblemError
from scoring.data.requests import UNREADABLE, body_of
from scoring.free_text import readable
from scoring.serving.offers import LOAN, Offered
from scoring.store import ERASED, Prediction, Store

COUNTER_OFFER_TO, ACTOR = "counter_offer_to", "actor"
ID_PATTERN = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
TAKEN = (
    "A loan is in force already after that application, by the decision {id}: nothing is recorded. "
    "To replace it, refuse that one first (POST /predictions/{{id}}/override)."
)
_MOST_NAMES = 5


def take_origin(document: object) -> tuple[str, str] | None:
    """Take out of the JSON of a body the id of an earlier decision and who takes another loan.

    Returns
    -------
    (str, str) or None
        None where no earlier decision is named.

    Raises
    ------
    ProblemError
        422 if it cannot be an id, or nobody is named.
    """
    if not isinstance(document, dict) or COUNTER_OFFER_TO not in document:
        return None
    number, actor = document.pop(COUNTER_OFFER_TO), document.pop(ACTOR, None)
    if not isinstance(number, str) or not re.fullmatch(ID_PATTERN, number):
        raise wrong("must be the id of a decision, as POST /predict answered it")
    if not isinstance(actor, str):
        raise wrong("must name who takes the loan that was offered", ACTOR)
    try:
        return number, readable(actor)
    except ValueError as error:
        raise wrong(str(error), ACTOR) from None


def checked(
    request: DecisionRequest, store: Store, offered_to: Callable[[Applicant], Iterable[Offered]]
) -> DecisionRequest | ProblemError:
    """Return the request, or a problem if it is for no loan that is offered after its origin.

    `offered_to` looks for what is offered now to an applicant, by each model that may answer.

    Raises
    ------
    StoreUnavailableError
        If there is no store to ask for the rows of a decision by number.
    """
    if request.counter_offer is None:
        return request
    applicant, origin = request.applicant, request.counter_offer.origin
    if origin.applicant == ERASED:
        return wrong("what that decision was taken on has been erased")
    if origin.applicant != store.pseudonyms.applicant(applicant.id):
        return wrong("is a decision on another applicant")
    if applicant.by_number:
        return wrong("send the application with the other loan, not the number alone")
    before = _rows_of(origin, applicant.id, store)
    if before is None:
        return wrong("was decided on with rows that are not kept, or have changed since")
    after = _comparable(body_of(store.pseudonyms.rows(applicant.rows, applicant.id)))
    different = [name for name in before | after if before.get(name) != after.get(name)]
    others = [name for name in different if name not in LOAN][:_MOST_NAMES]
    if others:
        return wrong(f"only {', '.join(LOAN)} may differ, not {', '.join(others)}")
    if not different:
        return wrong("is a decision on this very loan")
    (application,) = applicant.rows["application"]
    asked = {**application, **{name: before.get(name) for name in LOAN}}
    rows = {**applicant.rows, "application": [asked]}
    offered = offered_to(Applicant(applicant.id, rows, origin.misunderstood, applicant.history))
    return _not_offered(application, offered) or request


def _not_offered(application: Mapping[str, Any], offered: Iterable[Offered]) -> ProblemError | None:
    """Say in what a loan differs from the one most like it that is offered; None if it is one."""
    loans = [candidate.loan.columns for own in offered for candidate, _ in own.offers]
    differing = [
        [name for name, value in loan.items() if value != application.get(name)] for loan in loans
    ]
    if not differing:
        return wrong("no loan is offered now in the place of that one's: POST /offers says why")
    if fewest := min(differing, key=len):
        names = ", ".join(fewest)
        return wrong(f"no loan with this {names} is offered now: take `columns` from POST /offers")
    return None


def wrong(detail: str, field: str = COUNTER_OFFER_TO) -> ProblemError:
    """Say what is wrong with the decision that is named, or with who takes the loan."""
    return wrong_fields([FieldError(pointer=f"/{field}", detail=detail)])


def unless_taken(asked: Prediction, kept: Prediction) -> Prediction | ProblemError:
    """Return what the store kept of a decision, or a problem if that is an earlier loan in force.

    What was recorded under the same idempotency key is the answer to it.
    """
    key = asked.idempotency_key
    if kept.id == asked.id or (key is not None and kept.idempotency_key == key):
        return kept
    return ProblemError(409, TAKEN.format(id=kept.id))


def _rows_of(origin: Prediction, number: int, store: Store) -> dict[str, Any] | None:
    """What an earlier decision was taken on, None where it cannot be read any more."""
    rows = origin.rows
    if rows is None:
        stored = store.applicants.find(number)
        rows = stored.rows if stored and stored.features == origin.features else b""
    try:
        return _comparable(zlib.decompress(rows))
    except UNREADABLE:
        return None


def _comparable(body: bytes) -> dict[str, Any]:
    """Rows without nulls, without keys that stand for the whole, in no particular order."""
    document = orjson.loads(body)
    application = _known(document.pop("application"))
    histories = {
        name: sorted(orjson.dumps(_known(row), option=orjson.OPT_SORT_KEYS) for row in rows)
        for name, rows in document.items()
        if rows
    }
    return {**application, **histories}


def _known(row: dict[str, Any]) -> dict[str, Any]:
    # Under pseudonyms, and where rows leave it out, the applicant's number is not there.
    return {
        name: value for name, value in row.items() if value is not None and name != "SK_ID_CURR"
    }
