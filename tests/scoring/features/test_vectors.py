"""Features as vectors: nothing is lost, and the model reads them as it reads frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from scoring.data.dataset import Dataset
from scoring.features import build_features
from scoring.features.vectors import (
    VectorError,
    compute,
    from_bytes,
    layout,
    pack,
    to_bytes,
)
from scoring.serving.scorer import Scorer, encode


def test_layout_is_that_of_the_features(sample_features: pl.DataFrame) -> None:
    assert ("SK_ID_CURR", *layout().names) == tuple(sample_features.columns)
    kinds = {n: k for n, k in sample_features.schema.items() if isinstance(k, pl.Enum)}
    assert layout().levels == {name: tuple(kind.categories) for name, kind in kinds.items()}
    assert len(kinds) > 5


def test_vectors_hold_every_value(sample_features: pl.DataFrame) -> None:
    vectors = pack(sample_features)
    assert vectors.dtype == np.float32
    for place, name in enumerate(layout().names):
        values = sample_features[name]
        numbers = values.to_physical() if name in layout().levels else values
        expected = numbers.cast(pl.Float32).to_numpy()
        assert np.array_equal(vectors[:, place], expected, equal_nan=True)


def test_few_and_many_applicants_have_the_vectors_of_their_features(sample: Dataset) -> None:
    frames = {name: frame.collect() for name, frame in sample.frames().items()}
    many = pack(build_features(frames))
    assert np.array_equal(compute(frames), many, equal_nan=True)
    for place in (0, 17, 512):
        number = frames["application"]["SK_ID_CURR"][place]
        own = {
            name: frame.filter(SK_ID_CURR=number)
            for name, frame in frames.items()
            if name != "bureau_balance"
        }
        credits_ = own["bureau"].select("SK_ID_BUREAU")
        own["bureau_balance"] = frames["bureau_balance"].join(
            credits_, on="SK_ID_BUREAU", how="semi"
        )
        assert np.array_equal(compute(own)[0], many[place], equal_nan=True)


def test_bytes_give_back_the_vector(sample_features: pl.DataFrame) -> None:
    for vector in pack(sample_features.head(20)):
        assert np.array_equal(from_bytes(to_bytes(vector)), vector, equal_nan=True)


def test_damaged_or_foreign_bytes_are_refused(sample_features: pl.DataFrame) -> None:
    vector = pack(sample_features.head(1))[0]
    with pytest.raises(VectorError, match="cannot be read"):
        from_bytes(to_bytes(vector)[:-9])
    with pytest.raises(VectorError, match="materialize"):
        from_bytes(to_bytes(vector[:-1]))


def test_vectors_are_scored_as_frames_are(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    scored = scorer.score(pack(sample_features))
    explained = scorer.explain(sample_features)
    assert np.array_equal(scored.pds, scorer.predict(sample_features))
    assert np.array_equal(scored.contributions, explained.contributions)
    assert scored.base == explained.base
    assert scorer.reasons_of(scored) == scorer.reasons(sample_features)


def test_steps_add_up_to_the_logit(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    scored = scorer.score(pack(sample_features.head(10)))
    for row in range(10):
        steps = scorer.causes.steps(scored, row)
        total = scored.base + sum(step.contribution for step in steps)
        assert total == pytest.approx(np.log(scored.pds[row] / (1 - scored.pds[row])), abs=1e-9)
        sizes = [abs(step.contribution) for step in steps]
        assert sizes == sorted(sizes, reverse=True)


def test_a_model_may_number_categories_in_its_own_way(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    place, feature = next((i, f) for i, f in enumerate(scorer.features) if len(f.levels) > 2)
    # The last level is unknown to this model, and the others stand in another order.
    other = replace(feature, levels=tuple(reversed(feature.levels[:-1])))
    features = (*scorer.features[:place], other, *scorer.features[place + 1 :])
    changed = replace(scorer, model=replace(scorer.model, features=features))
    scored, usual = changed.score(pack(sample_features)), scorer.score(pack(sample_features))
    assert np.array_equal(scored.values, encode(sample_features, features), equal_nan=True)
    assert np.array_equal(scored.pds, changed.predict(sample_features))
    assert not np.array_equal(scored.values, usual.values, equal_nan=True)
