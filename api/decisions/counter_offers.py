"""Counter-offers: decisions on another loan than an earlier one, on the same applicant."""

from __future__ import annotations

import re
import zlib
from typing import Any

import orjson

from api.decisions.requests import DecisionRequest
from api.http.problems import FieldError, ProblemError
from scoring.data.requests import UNREADABLE, body_of
from scoring.serving.offers import LOAN
from scoring.store import Prediction, Store

COUNTER_OFFER_TO = "counter_offer_to"
ID_PATTERN = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_MOST_NAMES = 5


def take_origin(document: object) -> str | None:
    """Take the id of an earlier decision out of the JSON of a body, if it names one.

    Raises
    ------
    ProblemError
        422 if it cannot be an id.
    """
    if not isinstance(document, dict) or COUNTER_OFFER_TO not in document:
        return None
    number = document.pop(COUNTER_OFFER_TO)
    if not isinstance(number, str) or not re.fullmatch(ID_PATTERN, number):
        raise wrong("must be the id of a decision, as POST /predict answered it")
    return number


def checked(request: DecisionRequest, store: Store) -> DecisionRequest | ProblemError:
    """Return the request, or a problem if more than the loan differs from its origin's.

    Raises
    ------
    StoreUnavailableError
        If there is no store to ask for the rows of a decision by number.
    """
    applicant, origin = request.applicant, request.origin
    if origin is None:
        return request
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
    return request if different else wrong("is a decision on this very loan")


def wrong(detail: str) -> ProblemError:
    """Say what is wrong with the decision that is named."""
    error = FieldError(pointer=f"/{COUNTER_OFFER_TO}", detail=detail)
    return ProblemError(422, "One field is wrong; errors says which and why.", [error])


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
