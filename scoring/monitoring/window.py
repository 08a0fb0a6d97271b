"""The decisions of one model in a window, counted as its training applicants were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from scoring.features import FEATURE_SET_VERSION
from scoring.features.vectors import Vectors, from_bytes
from scoring.profiles import Profile
from scoring.requests import apart, frames_of, rows_of
from scoring.scorer import Floats, Scorer
from scoring.store import Detail, Headlines, Store

# Shares of so many applicants are exact to half a percent; a larger sample finds nothing that is
# worth an alarm and is not found in this one.
SAMPLE = 20_000
# Features that were learnt from data are made from rows, which takes a millisecond or more each.
_SAMPLE_WITH_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of a model's decisions, with what they were taken on.

    Attributes
    ----------
    ids : tuple of str
        The decisions.
    vectors : numpy.ndarray of shape (decisions, columns)
        In the layout of `scoring.features.vectors`.
    matrix : numpy.ndarray of shape (decisions, features)
        What the model read.
    reasons : tuple of tuple of str
        The features that each applicant was told.
    misunderstood : mapping of str to int
        Of how many applicants a column held what was not understood; columns of the credit
        history are told with their table.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    matrix: Floats
    reasons: tuple[tuple[str, ...], ...]
    misunderstood: Mapping[str, int] = field(default_factory=dict)


def sample(
    store: Store, own: Headlines, scorer: Scorer, size: int = SAMPLE, seed: int = 0
) -> Sample:
    """Some of a model's decisions, drawn at random; the same ones each time.

    Those on features of another version than this code's are left out, and for a model with
    features that were learnt from data those without rows.

    Parameters
    ----------
    store : Store
        Where they are.
    own : Headlines
        All decisions of the model in the window.
    scorer : Scorer
        The model.
    size : int
        How many at most.
    seed : int
        Of the draw.
    """
    rows: dict[str, bytes] = {}
    if scorer.learned:
        size = min(size, _SAMPLE_WITH_ROWS)
    chosen = _drawn(own, size, seed)
    found = [
        one
        for some in store.details(chosen)
        for one in some
        if one.feature_set_version == FEATURE_SET_VERSION
    ]
    if scorer.learned:
        rows = store.kept_rows(chosen)
        found = [one for one in found if one.id in rows]
    found.sort(key=lambda one: one.id)
    vectors = _vectors(found)
    return Sample(
        ids=tuple(one.id for one in found),
        vectors=vectors,
        matrix=_matrix(scorer, vectors, [rows[one.id] for one in found] if rows else None),
        reasons=tuple(_told(one.reasons) for one in found),
        misunderstood=Counter(
            name for one in found if one.misunderstood for name in _columns_of(one.misunderstood)
        ),
    )


def profile(reference: Profile, own: Headlines, some: Sample) -> Profile:
    """The window by the bins of the reference: PDs and decisions of all, features of the sample."""
    return reference.counted(
        some.matrix, own.pds, (one.decode() for one in own.decisions), some.reasons
    )


def _drawn(own: Headlines, size: int, seed: int) -> list[str]:
    places = np.arange(own.ids.size)
    if places.size > size:
        drawn = np.random.default_rng(seed).choice(places.size, size, replace=False)
        places = np.sort(drawn)
    return [one.decode() for one in own.ids[places]]


def _vectors(found: Sequence[Detail]) -> Vectors:
    if not found:
        return np.empty((0, 0), dtype=np.float32)
    return np.stack([from_bytes(one.features) for one in found])


def _matrix(scorer: Scorer, vectors: Vectors, rows: Sequence[bytes] | None) -> Floats:
    if not len(vectors):
        return np.empty((0, len(scorer.features)))
    if rows is None:
        return scorer.matrix(vectors)
    applicants = [rows_of(one, place) for place, one in enumerate(rows, start=1)]
    result: npt.NDArray[Any] = np.empty((len(vectors), len(scorer.features)))
    for group in apart(applicants):
        places = list(group)
        frames = frames_of(applicants[place] for place in places)
        result[places] = scorer.matrix(vectors[places], frames)
    return result


def _columns_of(misunderstood: str) -> set[str]:
    parts = [one["pointer"].split("/") for one in orjson.loads(misunderstood)]
    return {
        column if table == "application" else f"{table}.{column}" for _, table, *_, column in parts
    }


def _told(reasons: str) -> tuple[str, ...]:
    return tuple(one["feature"] for one in orjson.loads(reasons))
