"""The whole line: tables, notebooks, registered model, API, and the same PD at both ends."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import mlflow
import nbformat
import polars as pl
import polars.selectors as cs
import pytest
import requests
from typer.testing import CliRunner

from presentation.__main__ import build
from presentation.figures import Figures, MissingFigureError
from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.data.synthetic import write_sample
from scoring.features import build_features
from scoring.formats import number
from scoring.registry import mlflow_registry
from scoring.reports.notebooks import execute, keep
from scoring.serving.batch import example_requests, score
from scoring.serving.scorer import Scorer
from tests.helpers import serving, slides

NOTEBOOKS = serving.ROOT / "notebooks"


@pytest.fixture(scope="module")
def line(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the three notebooks ran on the small dataset."""
    folder = tmp_path_factory.mktemp("line")
    data = folder / "data"
    data.mkdir()
    (data / "tables").symlink_to(sample.folder)
    features = {"FEATURES": str(data / "features.parquet")}
    pds = {"UNSEEN_PDS": str(data / "unseen_pds.parquet")}
    parameters: dict[str, dict[str, Any]] = {
        "01_preprocessing": features,
        "02_modelling": {
            "MLRUNS": str(folder / "mlruns"), "EXPORT": str(folder / "champion"),
            "REPORTS": str(folder / "reports"), "TRIALS": 2, **pds,
        },
        "03_drift": {
            "MLRUNS": str(folder / "mlruns"), "MODEL": str(folder / "champion"),
            "REPORT": str(folder / "reports" / "drift.html"), "TOP": 3, **pds, **features,
        },
    }  # fmt: skip
    for name, own in parameters.items():
        given = {"DATASET": str(sample.folder)} | own
        execute(NOTEBOOKS / f"{name}.ipynb", folder / f"{name}.ipynb", given)
    return folder


def outputs(notebook: Path) -> list[Any]:
    cells = nbformat.read(notebook, as_version=4).cells
    return [output for cell in cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.parametrize("name", ["01_preprocessing", "02_modelling", "03_drift"])
def test_notebooks_run_without_warnings_and_stay_small(line: Path, name: str) -> None:
    executed = line / f"{name}.ipynb"
    assert [o.text for o in outputs(executed) if o.get("name") == "stderr"] == []
    assert executed.stat().st_size < 1_500_000


def test_everything_tried_is_tracked_under_the_training(line: Path, sample: Dataset) -> None:
    registry = mlflow_registry.Registry(line / "mlruns")
    runs = mlflow.search_runs(output_format="list")
    (training,) = [run for run in runs if run.info.run_name.startswith("training: ")]
    assert training.data.params["dataset"] == sample.digest
    plots = {item.path for item in registry.client.list_artifacts(training.info.run_id)}
    assert {"families.png", "imbalance.png", "trials.png", "calibration.png"} <= plots
    assert {"roc.png", "confusion.png", "beeswarm.png", "cost_curve.png"} <= plots
    nested = [
        run for run in runs if run.data.tags.get("mlflow.parentRunId") == training.info.run_id
    ]
    names = {run.info.run_name for run in nested}
    assert {"family: dummy", "family: linear", "family: random forest", "family: trees"} <= names
    assert {"family: sum", "imbalance: SMOTE", "trial 0", "trial 1"} <= names
    assert all({"auc", "business_cost"} <= run.data.metrics.keys() for run in nested)
    for run in nested:
        kept = {item.path for item in registry.client.list_artifacts(run.info.run_id)}
        assert ("reliability.png" in kept) != run.info.run_name.startswith("trial ")


def test_the_runs_have_the_times_of_what_was_done_in_them(line: Path) -> None:
    registry = mlflow_registry.Registry(line / "mlruns")
    runs = mlflow.search_runs(output_format="list")
    (training,) = [run for run in runs if run.info.run_name.startswith("training: ")]
    parent = training.info.run_id
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    nested.sort(key=lambda run: run.info.start_time)
    assert len(nested) == 10
    for run in nested:
        assert run.info.status == "FINISHED"
        fitted = sum(run.data.metrics.get(name, 0) for name in ("fit_seconds", "predict_seconds"))
        assert run.info.end_time - run.info.start_time > 1000 * fitted
        assert training.info.start_time <= run.info.start_time
        assert run.info.end_time <= training.info.end_time
    for before, after in itertools.pairwise(nested):
        assert before.info.end_time <= after.info.start_time
    used = {tag.value for item in training.inputs.dataset_inputs for tag in item.tags}
    assert used == {"training", "evaluation"}
    assert [item.name for item in registry.client.search_experiments()] == ["credit-scoring"]


def test_the_notebook_makes_the_model_of_the_automatic_training(
    line: Path, sample: Dataset, tmp_path: Path
) -> None:
    command = ["train", "--data", str(sample.folder), "--trials", "2", "--mlruns", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    notebook, automatic = line / "champion", tmp_path / "challenger"
    names = sorted(path.name for path in notebook.iterdir())
    assert "manifest.json" in names
    assert sorted(path.name for path in automatic.iterdir()) == names
    for name in names:
        assert (automatic / name).read_bytes() == (notebook / name).read_bytes(), name


def test_the_champion_is_served_with_the_pds_of_the_batch(line: Path, sample: Dataset) -> None:
    scorer = Scorer.load(line / "champion")
    assert scorer.version == mlflow_registry.Registry(line / "mlruns").version_of("champion")
    batch = score(sample, scorer)
    with serving.running_api(line / "champion", line / "api.log") as url:
        chosen = batch.gather_every(batch.height // 25)
        assert answered(url, sample, chosen) == chosen["probability_of_default"].to_list()


def test_mlflow_loads_the_champion_by_its_alias(line: Path, sample: Dataset) -> None:
    scorer = Scorer.load(line / "champion")
    features = build_features({name: rows.collect() for name, rows in sample.frames().items()})
    columns = features.select(f.name for f in scorer.features)
    mlflow_registry.Registry(line / "mlruns")
    loaded = mlflow.pyfunc.load_model("models:/credit-scoring@champion")
    answer = loaded.predict(columns.with_columns(cs.enum().cast(pl.String)).to_pandas())
    assert answer["probability_of_default"].tolist() == scorer.predict(features).tolist()
    assert answer["decision"].tolist() == scorer.decide(scorer.predict(features))


def test_the_drift_report_loads_nothing_from_elsewhere(line: Path) -> None:
    html = (line / "reports" / "drift.html").read_text()
    assert len(html) < 6_000_000
    assert '<script src="http' not in html
    assert '<link href="http' not in html
    assert (line / "reports" / "drift.json").is_file()


def test_the_talk_is_made_of_what_the_line_left(line: Path, tmp_path: Path) -> None:
    figures = Figures.of(line)
    assert figures.synthetic
    assert figures.families[0].name == "dummy"
    assert {model.name for model in figures.families} == {
        family.name for family in figures.card.method.families
    }
    assert {model.name for model in figures.remedies} >= {"none", "SMOTE"}
    assert len(figures.trials) == 2
    assert figures.target.sum() > 0
    deck = build(figures, slides.evidence(), slides.PICTURE, "Jean Dupont", "today")
    deck.save(tmp_path / "talk.pptx")
    assert 20 <= len(deck) <= 24
    assert deck.seconds <= 20 * 60
    slides.check(tmp_path / "talk.pptx")
    words = "\n".join(slides.words(tmp_path / "talk.pptx"))
    cost = next(item for item in figures.card.holdout if item.name == "business_cost").value
    assert number(cost, "fr", 3) in words
    # What accepting them all costs is told of the same applicants.
    held_out = figures.target.filter(figures.held_out)
    assert held_out.len() == figures.card.data.held_out
    assert f"{number(10 * held_out.mean(), 'fr', 3)} par demandeur" in words
    assert "Capture d'écran de l'auteur." in words
    assert "Jean Dupont" in words


def test_a_talk_about_one_model_and_other_tables_is_refused(line: Path, tmp_path: Path) -> None:
    for name in ("mlruns", "reports"):
        (tmp_path / name).symlink_to(line / name)
    write_sample(tmp_path / "data" / "tables", 40, seed=4, processes=1)
    with pytest.raises(MissingFigureError, match="version 1 has not learnt from the tables in"):
        Figures.of(tmp_path)


def test_kept_notebooks_do_not_change_when_run_again(line: Path, tmp_path: Path) -> None:
    executed = line / "01_preprocessing.ipynb"
    for copy in ("first.ipynb", "second.ipynb"):
        keep(executed, tmp_path / copy)
    kept = nbformat.read(tmp_path / "first.ipynb", as_version=4)
    assert (tmp_path / "first.ipynb").read_bytes() == (tmp_path / "second.ipynb").read_bytes()
    assert "papermill" not in kept.metadata
    assert outputs(tmp_path / "first.ipynb")


def answered(url: str, dataset: Dataset, applicants: pl.DataFrame) -> list[float]:
    pds = []
    for body in example_requests(dataset, applicants["SK_ID_CURR"].to_list()):
        response = requests.post(f"{url}/predict", json=body, timeout=30)
        assert response.status_code == 200, response.text
        pds.append(response.json()["probability_of_default"])
    return pds
