"""The state of the data that came in, and whether serving computes what training computed."""

from __future__ import annotations

from collections import Counter

import numpy as np

from scoring.data.requests import rows_of
from scoring.features.vectors import layout
from scoring.monitoring.findings import Quality
from scoring.monitoring.replay import recomputed
from scoring.monitoring.window import Sample
from scoring.serving.profiles import PD, Profile
from scoring.serving.scorer import Scorer
from scoring.store import Store

_RECOMPUTED = 200
# Among so many of a sample rows are looked for: decisions by number have none.
_LOOKED_AT = 2_000


def quality(store: Store, scorer: Scorer, some: Sample, counted: Profile) -> Quality:
    """Check the data of a window: unknown categories, numbers out of range, features recomputed.

    Parameters
    ----------
    store : Store
        Where the rows are.
    scorer : Scorer
        The model.
    some : Sample
        Of its decisions.
    counted : Profile
        The sample by the bins of the model's own profile.
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
