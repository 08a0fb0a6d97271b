"""The decisions of one model in a window: a sample, its counts, the state of its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from scoring.data.requests import rows_of
from scoring.features.vectors import Layouts, VectorError, Vectors, from_bytes, layout
from scoring.monitoring.findings import Quality
from scoring.monitoring.replay import recomputed
from scoring.serving.profiles import PD, Profile
from scoring.serving.scorer import Floats, Scorer
from scoring.store import Detail, Headlines, Store

# Shares of so many applicants are exact to half a percent; a larger sample finds nothing that is
# worth an alarm and is not found in this one.
SAMPLE = 20_000
_RECOMPUTED = 200
# Among so many of a sample rows are looked for: decisions by number have none.
_LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of a model's decisions, with what they were taken on.

    `vectors` are in the layout of `scoring.features.vectors`, and `matrix` is what the model read
    of them; `reasons` are the causes that each applicant was told. Of how many applicants a
    column held what was not understood is `misunderstood`; columns of the credit history come with
    their table.
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
        reasons=tuple(_reasons(detail.reasons) for detail in details),
        misunderstood=Counter(
            name for detail in details for name in _columns_of(detail.misunderstood)
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


def _columns_of(misunderstood: str | None) -> set[str]:
    parts = [item["pointer"].split("/") for item in orjson.loads(misunderstood or "[]")]
    return {
        column if table == "application" else f"{table}.{column}" for _, table, *_, column in parts
    }


def _reasons(reasons: str) -> tuple[str, ...]:
    return tuple(reason["cause"] for reason in orjson.loads(reasons))


def quality(store: Store, scorer: Scorer, some: Sample, counted: Profile) -> Quality:
    """Check the data of a window: unknown categories, numbers out of range, features recomputed.

    `counted` is the sample by the bins of the model's own profile.
    """
    number, skewed = _skew(store, some)
    return Quality(
        sampled=len(some.ids),
        unknown_categories=_unknown_categories(scorer, some),
        outside={
            name: column.outside / column.applicants
            for name, column in counted.columns.items()
            if column.outside and name != PD
        },
        recomputed=number,
        skewed=skewed,
    )


def _unknown_categories(scorer: Scorer, some: Sample) -> dict[str, float]:
    """Categories that nobody knows, or that the features have and the model has not.

    Either way the model takes them for missing.
    """
    places = {name: place for place, name in enumerate(layout().names)}
    shares = {name: count / len(some.ids) for name, count in some.misunderstood.items()}
    for i, feature in enumerate(scorer.features):
        if feature.levels and len(some.ids):
            known = ~np.isnan(some.vectors[:, places[feature.name]])
            share = float(np.mean(known & np.isnan(some.matrix[:, i])))
            if share:
                shares[feature.name] = shares.get(feature.name, 0.0) + share
    return shares


def _skew(store: Store, some: Sample) -> tuple[int, dict[str, int]]:
    """Return how many decisions' features were recomputed, and how often each differed."""
    place = {number: i for i, number in enumerate(some.ids)}
    kept = store.windows.rows(some.ids[:_LOOKED_AT])
    chosen = sorted(kept)[:_RECOMPUTED]
    if not chosen:
        return 0, {}
    again = recomputed([rows_of(kept[number], i) for i, number in enumerate(chosen, start=1)])
    names, differing = layout().names, Counter[str]()
    for number, vector in zip(chosen, again, strict=True):
        # Bits, not numbers: NaN is like NaN here.
        other = some.vectors[place[number]].view(np.uint32) != vector.view(np.uint32)
        differing.update(names[i] for i in np.flatnonzero(other))
    return len(chosen), dict(differing)
