"""The decisions of one model in a window, counted as its training applicants were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from scoring.features.vectors import Layouts, VectorError, Vectors, from_bytes, layout
from scoring.serving.profiles import Profile
from scoring.serving.scorer import Floats, Scorer
from scoring.store import Detail, Headlines, Store

# Shares of so many applicants are exact to half a percent; a larger sample finds nothing that is
# worth an alarm and is not found in this one.
SAMPLE = 20_000


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
        The causes that each applicant was told.
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
    """Draw some of a model's decisions at random; the same ones each time.

    Those on features of another version than this code's are left out.

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
    layouts = Layouts(store.models.layout)
    details = [
        detail
        for some in store.windows.details(_drawn(own, size, seed))
        for detail in some
        if _is_readable(detail, scorer, layouts)
    ]
    details.sort(key=lambda detail: detail.id)
    vectors = _vectors(details, layouts)
    return Sample(
        ids=tuple(detail.id for detail in details),
        vectors=vectors,
        matrix=scorer.matrix(vectors),
        reasons=tuple(_told(detail.reasons) for detail in details),
        misunderstood=Counter(
            name
            for detail in details
            if detail.misunderstood
            for name in _columns_of(detail.misunderstood)
        ),
    )


def profile(reference: Profile, own: Headlines, some: Sample) -> Profile:
    """Count a window by the reference's bins: PDs and decisions of all, features of the sample."""
    return reference.counted(
        some.matrix, own.pds, (decision.decode() for decision in own.decisions), some.reasons
    )


def _drawn(own: Headlines, size: int, seed: int) -> list[str]:
    places = np.arange(own.ids.size)
    if places.size > size:
        drawn = np.random.default_rng(seed).choice(places.size, size, replace=False)
        places = np.sort(drawn)
    return [number.decode() for number in own.ids[places]]


def _is_readable(detail: Detail, scorer: Scorer, layouts: Layouts) -> bool:
    """Tell whether all that the model reads can be read of a decision."""
    try:
        return scorer.reads(layouts.of(detail.feature_set_version).lacking) is None
    except VectorError:
        return False


def _vectors(details: Sequence[Detail], layouts: Layouts) -> Vectors:
    if not details:
        return np.empty((0, len(layout().names)), dtype=np.float32)
    return np.stack(
        [from_bytes(detail.features, layouts.of(detail.feature_set_version)) for detail in details]
    )


def _columns_of(misunderstood: str) -> set[str]:
    parts = [item["pointer"].split("/") for item in orjson.loads(misunderstood)]
    return {
        column if table == "application" else f"{table}.{column}" for _, table, *_, column in parts
    }


def _told(reasons: str) -> tuple[str, ...]:
    return tuple(reason["cause"] for reason in orjson.loads(reasons))
