"""The features of applicants: computed from their rows, or looked up by their number."""

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from api.decisions.requests import Applicant, DecisionRequest, has_history
from api.http.problems import ProblemError
from scoring.data.requests import UNREADABLE, Rows, apart, body_of, frames_of, rows_of
from scoring.features.vectors import VectorError, Vectors, compute, from_bytes, layout, to_bytes
from scoring.store import OnlineApplicant, Store

logger = logging.getLogger(__name__)


class Featured(NamedTuple):
    """A request with the applicant's features: as models read them, and as they are stored."""

    request: DecisionRequest
    vector: Vectors
    packed: bytes


def add_histories(
    requests: Sequence[DecisionRequest], store: Store
) -> list[DecisionRequest | ProblemError]:
    """Add the stored credit history where a request says nothing of any, or all stored rows.

    Raises StoreUnavailableError if the store cannot be asked.
    """
    numbers = [request.applicant.id for request in requests if request.applicant.history is None]
    stored = store.applicants.of(numbers, rows=True) if numbers else {}
    return [
        _with_history(request, stored.get(request.applicant.id))
        if request.applicant.history is None
        else request
        for request in requests
    ]


def compute_features(applicants: list[Rows]) -> list[Vectors]:
    """Compute the features of applicants from their rows; equal rows are computed once."""
    if len(applicants) == 1:
        return [compute(frames_of(applicants))[0]]
    bodies = [body_of(rows) for rows in applicants]
    by_body = dict(zip(bodies, applicants, strict=True))
    different = list(by_body)
    vectors: dict[bytes, Vectors] = {}
    for group in apart(list(by_body.values())):
        computed = compute(frames_of(by_body[different[place]] for place in group))
        vectors |= {different[place]: computed[row] for row, place in enumerate(group)}
    return [vectors[body] for body in bodies]


def add_features(
    requests: Sequence[tuple[DecisionRequest, Vectors | None]], store: Store
) -> list[Featured | ProblemError]:
    """Look up the features that were not computed from rows.

    Raises StoreUnavailableError if the store cannot be asked.
    """
    numbers = [request.applicant.id for request, vector in requests if vector is None]
    stored = _stored(numbers, store) if numbers else {}
    return [
        _looked_up(request, stored.get(request.applicant.id))
        if vector is None
        else Featured(request, vector, to_bytes(vector))
        for request, vector in requests
    ]


def _looked_up(request: DecisionRequest, stored: OnlineApplicant | None) -> Featured | ProblemError:
    number = request.applicant.id
    if stored is None:
        return _unknown(number)
    try:
        vector, packed = _features_of(stored, number)
    except (VectorError, *UNREADABLE) as error:
        return _damaged(number, error)
    applicant = Applicant(number, {}, stored.misunderstood, request.applicant.history)
    return Featured(replace(request, applicant=applicant), vector, packed)


def _stored(numbers: list[int], store: Store) -> dict[int, OnlineApplicant]:
    """Look applicants up, with rows only where their features are in another layout."""
    stored = store.applicants.of(numbers, rows=False)
    stale = [
        number
        for number, applicant in stored.items()
        if applicant.feature_set_version != layout().digest
    ]
    return {**stored, **store.applicants.of(stale, rows=True)} if stale else stored


def _features_of(stored: OnlineApplicant, number: int) -> tuple[Vectors, bytes]:
    """Read the stored features, or compute them anew where they are in another layout."""
    if stored.feature_set_version == layout().digest:
        return from_bytes(stored.features), stored.features
    vector = compute(frames_of([rows_of(stored.rows, number)]))[0]
    return vector, to_bytes(vector)


def _with_history(
    request: DecisionRequest, stored: OnlineApplicant | None
) -> DecisionRequest | ProblemError:
    applicant = request.applicant
    if stored is None and applicant.by_number:
        return _unknown(applicant.id)
    if stored is None:
        return replace(request, applicant=replace(applicant, history="none"))
    try:
        stored_rows = rows_of(stored.rows, applicant.id)
        frames_of([stored_rows])
    except UNREADABLE as error:
        return _damaged(applicant.id, error)
    if applicant.by_number:
        known = Applicant(applicant.id, stored_rows, stored.misunderstood, "stored")
        return replace(request, applicant=known)
    rows = {**stored_rows, "application": applicant.rows["application"]}
    completed = Applicant(
        applicant.id,
        rows,
        _misunderstood_of_both(applicant.misunderstood, stored.misunderstood),
        "stored" if has_history(rows) else "none",
    )
    return replace(request, applicant=completed)


def _misunderstood_of_both(sent: str | None, stored: str | None) -> str | None:
    """Join what was not understood of an application as sent and of a stored history."""
    if stored is None:
        return sent
    of_history = [
        warning
        for warning in json.loads(stored)
        if not warning["pointer"].startswith("/application/")
    ]
    warnings = json.loads(sent or "[]") + of_history
    return json.dumps(warnings) if warnings else None


def _unknown(number: int) -> ProblemError:
    return ProblemError(
        404,
        f"No applicant {number} is known. Send the rows, or have them materialised: "
        "`python -m scoring materialize`.",
    )


def _damaged(number: int, error: Exception) -> ProblemError:
    logger.error("what is stored of an applicant is damaged: %s", type(error).__name__)
    return ProblemError(
        409,
        f"What is stored of applicant {number} is damaged. Materialise it again, or send the rows.",
    )
