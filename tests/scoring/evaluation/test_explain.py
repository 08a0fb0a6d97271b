"""Which features a model leans on, over all applicants and for one."""

from __future__ import annotations

from dataclasses import replace

import lightgbm
import numpy as np
import polars as pl
import pytest

from scoring.evaluation.explain import (
    ExplainError,
    exemplars,
    gain,
    global_importance,
    local,
    summary,
)
from scoring.serving.scorer import Scorer


def test_importance_is_the_mean_absolute_contribution(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    table = global_importance(scorer, sample_features)
    assert table.columns == ["feature", "importance"]
    assert set(table["feature"]) == {feature.name for feature in scorer.features}
    assert table["importance"].is_sorted(descending=True)
    assert table["importance"][0] > 0
    contributions = scorer.explain(sample_features).contributions
    place = [feature.name for feature in scorer.features].index(table["feature"][0])
    assert table["importance"][0] == pytest.approx(np.abs(contributions[:, place]).mean())


def test_features_that_the_trees_never_use_have_no_importance(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    table = global_importance(scorer, sample_features)
    idle = table.filter(pl.col("importance") == 0)["feature"].head(20).to_list()
    changed = sample_features.with_columns(
        pl.lit(None, sample_features.schema[name]).alias(name) for name in idle
    )
    assert idle
    assert np.array_equal(scorer.predict(changed), scorer.predict(sample_features))
    gains = gain(scorer).filter(pl.col("feature").is_in(idle))["gain"]
    assert gains.to_list() == [0.0] * len(idle)


def test_gain_is_what_lightgbm_reports(scorer: Scorer) -> None:
    table = gain(scorer)
    names = [feature.name for feature in scorer.features]
    ours = dict(table.iter_rows())
    reported = lightgbm.Booster(model_str=scorer.model.text).feature_importance("gain")
    assert [ours[name] for name in names] == pytest.approx(reported / reported.sum(), rel=1e-4)
    assert table["gain"].sum() == pytest.approx(1.0)


def test_a_summary_orders_features_and_keeps_rows(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    found = summary(scorer, sample_features)
    assert found.contributions.shape == found.values.shape
    assert found.contributions.shape == (sample_features.height, len(scorer.features))
    strength = np.abs(found.contributions).mean(axis=0)
    assert np.all(np.diff(strength) <= 0)
    name = next(n for n in found.features if sample_features[n].dtype.is_numeric())
    expected = sample_features[name].cast(pl.Float64).to_numpy()
    assert np.array_equal(found.values[:, found.features.index(name)], expected, equal_nan=True)


@pytest.mark.parametrize("top", [0, 3, 10_000])
@pytest.mark.parametrize("row", [0, 7])
def test_one_applicants_parts_add_up_to_the_logit_of_the_pd(
    scorer: Scorer, sample_features: pl.DataFrame, row: int, top: int
) -> None:
    found = local(scorer, sample_features[row], top)
    parts = sum(step.contribution for step in found.steps) + found.rest
    assert found.base + parts == pytest.approx(found.logit)
    assert found.logit == pytest.approx(np.log(found.pd / (1 - found.pd)))
    assert found.pd == scorer.predict(sample_features)[row]
    assert len(found.steps) == min(top, len(found.steps) + found.others)
    strength = [abs(step.contribution) for step in found.steps]
    assert strength == sorted(strength, reverse=True)
    told = {reason.cause: reason for reason in scorer.reasons(sample_features[row])[0]}
    assert all(step.reason == told.get(step.cause) for step in found.steps)


def test_each_decision_has_its_most_typical_applicant(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    pds = scorer.predict(sample_features)
    banded = replace(scorer, refer_band=(scorer.cutoff * 0.8, scorer.cutoff * 1.2))
    chosen = exemplars(banded, sample_features)
    assert list(chosen) == ["accept", "refer", "refuse"]
    assert pds[chosen["accept"]] < pds[chosen["refer"]] < pds[chosen["refuse"]]
    for decision, row in chosen.items():
        assert banded.decide(pds[[row]]) == [decision]
    unbanded = replace(scorer, refer_band=(scorer.cutoff, scorer.cutoff))
    assert list(exemplars(unbanded, sample_features)) == ["accept", "refuse"]
    lowest = sample_features[int(pds.argmin())]
    assert exemplars(banded, lowest) == {"accept": 0}


def test_what_cannot_be_explained_is_named(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    with pytest.raises(ExplainError, match="not 2"):
        local(scorer, sample_features.head(2))
