"""The plots of the notebooks can be drawn, in words, with units, and small."""

from __future__ import annotations

import io

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow

from scoring.evaluation import explain
from scoring.evaluation.fairness import by_group
from scoring.evaluation.money import Money
from scoring.evaluation.segments import segments
from scoring.features.wording import Language, describe
from scoring.modelling.examples import Examples
from scoring.modelling.validation import Validation
from scoring.reports import plots
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer

COSTS = Costs()


def shown(figure: Figure) -> list[str]:
    """Check that a figure is drawn, small and not kept by pyplot; returns its axes' labels."""
    picture = io.BytesIO()
    figure.savefig(picture)
    assert picture.tell() < 250_000
    assert plt.get_fignums() == []
    return [label for axis in figure.axes for label in (axis.get_xlabel(), axis.get_ylabel())]


def ticks(axis: Axes) -> list[str]:
    return [label.get_text().replace("\n", " ") for label in axis.get_yticklabels()]


def legend(figure: Figure) -> str:
    legends = [*figure.legends, *(axis.get_legend() for axis in figure.axes)]
    return " | ".join(text.get_text() for found in legends if found for text in found.get_texts())


def test_segments_are_named_in_words_and_small_ones_left_out(
    sample_examples: Examples, sample_validation: Validation
) -> None:
    table = segments(
        sample_examples.frame, sample_examples.target, sample_validation.pds, 1 / 11, COSTS,
        ["NAME_CONTRACT_TYPE", "NAME_EDUCATION_TYPE"], resamples=20,
    )  # fmt: skip
    figure = plots.segments(table)
    assert "share of the segment (%)" in shown(figure)
    names = ticks(figure.axes[0])
    assert len(names) == table.filter(~pl.col("small")).height < table.height
    assert names[0].startswith("Type of loan asked for:")


def test_fairness_shows_four_fifths_of_the_most_accepted_group() -> None:
    target = np.tile([0, 0, 0, 1], 500)
    pds = np.linspace(0.01, 0.2, target.size)
    groups = pl.DataFrame(
        {
            "sex": np.where(np.arange(target.size) < 1200, "F", "M"),
            "age": np.where(np.arange(target.size) < 1990, "30 to 39", "under 30"),
        }
    )
    table = by_group(groups, target, pds, 0.15, resamples=20)
    figure = plots.fairness(table)
    assert shown(figure)[0] == "applicants accepted (%)"
    (limits,) = (c for c in figure.axes[0].collections if "80%" in str(c.get_label()))
    rates = dict(table.select("group", "acceptance_rate").iter_rows())
    expected = [80 * rates["F"], 80 * rates["F"], 80 * rates["30 to 39"]]
    assert np.asarray(limits.get_offsets())[:, 0] == pytest.approx(expected)
    assert ticks(figure.axes[0]) == [
        "sex: female (1,200)", "sex: male (800)", "age: 30 to 39 (1,990)",
    ]  # fmt: skip


def test_plots_of_candidates() -> None:
    compared = pl.DataFrame(
        {
            "candidate": ["a", "b"],
            "business_cost": [0.8, 0.5],
            "auc": [0.5, 0.75],
            "auc_low": [0.5, 0.73],
            "auc_high": [0.5, 0.77],
            "auc_train": [0.5, 0.9],
        }
    )
    figure = plots.families(compared)
    assert "ROC" in shown(figure)[0]
    assert ticks(figure.axes[0]) == ["a", "b"]
    assert "seen in training" in legend(figure)
    remedies = pl.DataFrame(
        {"resampling": ["none", "SMOTE"], "auc": [0.75, 0.74], "ece": [0.01, 0.2]}
    ).with_columns(business_cost=pl.Series([0.5, 0.6]))
    figure = plots.imbalance(remedies)
    assert "points of %" in " ".join(shown(figure))
    assert "not calibrated" not in legend(figure)
    raw = remedies.with_columns(ece_before_calibration=pl.col("ece") + 0.3)
    assert "not calibrated" in legend(plots.imbalance(raw))


@pytest.mark.parametrize("pruned", [[False, True, False], [False, False, False]])
def test_the_search_shows_the_best_so_far(pruned: list[bool]) -> None:
    table = pl.DataFrame({"trial": [0, 1, 2], "objective": [0.6, 0.7, 0.5], "pruned": pruned})
    figure = plots.trials(table)
    assert shown(figure) == ["trial", "smoothed cost per applicant"]
    (best,) = (line for line in figure.axes[0].lines if line.get_label() == "best so far")
    assert list(np.asarray(best.get_ydata())) == sorted(np.asarray(best.get_ydata()), reverse=True)


def test_plots_of_decisions(sample_validation: Validation) -> None:
    target, pds = sample_validation.target, sample_validation.pds
    assert "cut-off" in shown(plots.cutoff_choice(target, pds, COSTS))[0]
    assert "probability of default" in shown(plots.reliability(target, {"pds": pds}))[0]
    both = plots.reliability(target, {"raw": pds**2, "calibrated": pds})
    assert "(%" in shown(both)[1]
    assert "raw" in legend(both)
    banded = plots.cutoff_choice(target, pds, COSTS, (0.08, 0.06, 0.11), (0.085, 0.1))
    assert "cut-off" in shown(banded)[0]
    for words in ("8.5 to 10.0%", "8.0% (6.0 to 11.0%)", "from the costs: 9.1%"):
        assert words in legend(banded)
    assert "referred" not in legend(plots.cutoff_choice(target, pds, COSTS, None, (0.09, 0.09)))
    ranked = plots.ranking(target, {"a": pds, "b": pds**2}, COSTS.cutoff)
    labels = shown(ranked)
    assert labels[:2] == ["good applicants refused (share)", "defaults refused (share)"]
    for words in ("a (AUC = ", "b (AUC = ", "b (AP = ", "Chance level", "cut-off 9.1%"):
        assert words in legend(ranked)


def test_the_confusion_counts_applicants_and_money(
    sample_examples: Examples, sample_validation: Validation
) -> None:
    target, money = sample_examples.target, Money()
    figure = plots.confusion(
        target, sample_validation.pds, COSTS.cutoff, sample_examples.frame, money
    )
    assert shown(figure)[:2] == ["decision", "outcome"]
    counts, amounts = (
        [float(text.get_text().replace(",", "")) for text in axis.texts] for axis in figure.axes
    )
    assert sum(counts) == target.size
    assert counts[1] + counts[3] == (sample_validation.pds > COSTS.cutoff).sum()
    assert counts[2] + counts[3] == target.sum()
    lost = money.losses(sample_examples.frame)[target == 1].sum() / 1e6
    assert amounts[2] + amounts[3] == pytest.approx(lost, abs=0.11)


def test_constant_pds_can_be_drawn(sample_validation: Validation) -> None:
    target = sample_validation.target
    pds = np.full(target.size, float(target.mean()))
    for figure in (
        plots.reliability(target, {"dummy": pds}),
        plots.cutoff_choice(target, pds, COSTS),
        plots.ranking(target, {"dummy": pds}, COSTS.cutoff),
    ):
        assert shown(figure)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_plots_of_importance_speak_in_words(
    scorer: Scorer, sample_examples: Examples, language: Language
) -> None:
    found = explain.summary(scorer, sample_examples.frame)
    figure = plots.beeswarm(found, top=4, language=language, points=200)
    assert {"en": "log-odds", "fr": "log-cote"}[language] in shown(figure)[0]
    said = [describe(name, language) for name in found.features[:4]]
    # shap draws from below.
    assert ticks(figure.axes[0])[::-1] == said
    leading = explain.global_importance(scorer, sample_examples.frame).head(4)
    lost = {name: pl.lit(0.1) for name in ("cost_increase", "cost_std", "auc_drop", "auc_std")}
    table = leading.rename({"importance": "contribution"}).with_columns(**lost)
    gain = explain.gain(scorer)
    figure = plots.importances(table.join(gain, on="feature", maintain_order="left"), language)
    assert "AUC" in " ".join(shown(figure))
    assert ticks(figure.axes[0]) == said


@pytest.mark.parametrize(
    ("language", "title"), [("en", "cut-off: 9.1%"), ("fr", "seuil : 9,1\u00a0%")]
)
def test_a_waterfall_leads_from_the_average_to_the_pd(
    scorer: Scorer, sample_features: pl.DataFrame, language: Language, title: str
) -> None:
    found = explain.local(scorer, sample_features[3], top=5)
    figure = plots.waterfall(found, 1 / 11, language)
    shown(figure)
    axis = figure.axes[0]
    arrows = [bar.get_xy() for bar in axis.patches if isinstance(bar, FancyArrow)]
    assert len(arrows) == len(ticks(axis)) == 6
    assert all(ticks(axis))
    lowest, *_, highest = sorted(arrows, key=lambda corners: corners[:, 1].mean())
    assert min(abs(lowest[:, 0] - found.base)) == pytest.approx(0, abs=1e-9)
    assert min(abs(highest[:, 0] - found.logit)) == pytest.approx(0, abs=1e-9)
    moves = [text.get_text().replace("−", "-").replace(",", ".") for text in axis.texts]
    assert sum(map(float, moves)) == pytest.approx(found.logit - found.base, abs=0.03)
    assert title in legend(figure)


def test_plots_of_drift(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    drifted = pl.DataFrame(
        {
            "column": ["a", "b"],
            "psi": [0.3, None],
            "missing_reference": [0.0, 0.2],
            "missing_current": [0.0, 1.0],
        }
    )
    assert "stability index" in shown(plots.drift(drifted, 0.2))[0]
    moved = pl.DataFrame(
        {
            "column": ["AMT_CREDIT", "EXT_SOURCE_2", "calm"],
            "psi": [0.1, 0.3, 0.001],
            "missing_reference": [0.0, 0.2, 0.0],
            "missing_current": [0.3, 0.1, 0.0],
        }
    )
    values, missing = plots.drift(moved, 0.2).axes
    assert ticks(values) == [describe("EXT_SOURCE_2"), describe("AMT_CREDIT")]
    assert ticks(missing) == [describe("AMT_CREDIT"), describe("EXT_SOURCE_2")]
    pds = scorer.predict(sample_features)
    assert "applicants (%)" in shown(plots.pd_distributions({"a": pds, "b": pds}, 0.09))[1]
