"""Which features a model leans on."""

from __future__ import annotations

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from scoring import plots
from scoring.dataset import Dataset
from scoring.explain import global_importance
from scoring.scorer import Scorer
from scoring.training import Validation


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


def shown(figure: Figure) -> list[str]:
    """Check that a figure can be drawn and is not kept by pyplot; returns its axes' labels."""
    figure.canvas.draw()
    assert plt.get_fignums() == []
    return [label for axis in figure.axes for label in (axis.get_xlabel(), axis.get_ylabel())]


def test_plots_are_drawn_with_units(
    sample_validation: Validation, scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    compared = pl.DataFrame({"candidate": ["a", "b"], "business_cost": [0.8, 0.5]})
    drifted = pl.DataFrame(
        {
            "column": ["a", "b"],
            "psi": [0.3, None],
            "missing_reference": [0.0, 0.2],
            "missing_current": [0.0, 1.0],
        }
    )
    pds = scorer.predict(sample_features)
    assert "business cost per applicant" in shown(plots.costs(compared, 0.8, 0.9))[0]
    assert "cut-off" in shown(plots.cost_curve(sample_validation))[0]
    assert "probability of default" in shown(plots.calibration(sample_validation))[0]
    important = global_importance(scorer, sample_features).head(5)
    assert "log-odds" in shown(plots.importance(important))[0]
    assert "stability index" in shown(plots.drift(drifted, 0.2))[0]
    assert "applicants (%)" in shown(plots.pd_distributions({"a": pds, "b": pds}, 0.09))[1]


def test_plots_of_applicants_are_drawn_with_units(
    sample: Dataset, sample_features: pl.DataFrame
) -> None:
    applications = sample.frames("train")["application"].collect()
    assert "without a value (%)" in shown(plots.missing(applications))[0]
    columns = ["EXT_SOURCE_1", "EXT_SOURCE_2"]
    assert shown(plots.densities(applications, columns))[:2] == [
        "EXT_SOURCE_1 (no unit)",
        "density",
    ]
    examples = sample_features.join(
        applications.select("SK_ID_CURR", "TARGET"), on="SK_ID_CURR", how="inner"
    )
    titles = {"application__EXT_SOURCES_MEAN": "score", "bureau__DAYS_CREDIT__all__max": "days"}
    assert shown(plots.default_rates(examples, titles))[:2] == ["score", "default rate (%)"]
