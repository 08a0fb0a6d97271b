"""Fixtures shared by all tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

# LightGBM's threads would otherwise spin while they wait, which takes minutes where the cores
# are shared with others. OpenMP reads this when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# So would OpenBLAS's: beside a second worker a regression on a few hundred rows takes ten times the
# work with two threads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# As the API sets it: of so few rows a second thread only costs. A test of the features has more.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import polars as pl
import pytest
from hypothesis import settings

from scoring.data.dataset import Dataset
from scoring.data.ingest import ingest
from scoring.data.synthetic import write_sample
from scoring.features import build_features
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer, lineage, with_explanations
from scoring.modelling.validation import Validation, cross_validate
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer
from tests.helpers import serving
from tests.helpers.databases import (  # noqa: F401 - pytest finds fixtures by name
    database_url,
    lasting_store,
    own_postgres,
    postgres_server,
    postgres_url,
    store,
)

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# The same cases every time; HYPOTHESIS_PROFILE=default looks for others.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


# Whole files go to the workers in this order, the rest after them: one that takes a minute and
# comes last would leave the other worker without work.
LONGEST = (
    "tests/api/test_resilience.py",
    "tests/dashboard/test_journeys.py",
    "tests/api/models/test_sources.py",
    "tests/api/test_worker.py",
    "tests/api/test_fuzz.py",
    "tests/test_line.py",
    "tests/dashboard/test_page.py",
    "tests/scoring/registry/retraining/test_retraining.py",
    "tests/api/routes/test_metrics.py",
    "tests/scoring/registry/test_half_done.py",
    "tests/scoring/registry/test_approval.py",
    "tests/test_pythons.py",
    "tests/scoring/serving/test_bundle.py",
    "tests/scoring/data/synthetic/test_synthetic.py",
    "tests/studies/test_simulation.py",
    "tests/studies/test_power.py",
    "tests/scoring/store/test_engine.py",
    "tests/api/http/test_logs.py",
    "tests/test_workflows.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    places = {ROOT / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With FORBID_SKIPS set, as in CI, a test that was skipped fails the run.

    Except for those of what not every machine has.
    """
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    skipped = [one for one in skipped if "where_installed" not in one.keywords]
    if skipped and os.environ.get("FORBID_SKIPS"):
        reporter.write_line(f"{len(skipped)} skipped, and FORBID_SKIPS is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _folder(default: Path) -> Path:
    if not default.is_dir():
        pytest.skip(f"real rows are not available: no folder {default.name!r} beside the project")
    return default


@pytest.fixture(scope="session")
def home_credit_folder() -> Path:
    """The folder of real Kaggle CSV files: HOME_CREDIT_DATA, else ../shared/home-credit."""
    return _folder(Path(os.environ.get("HOME_CREDIT_DATA", SHARED / "home-credit")))


@pytest.fixture(scope="session")
def real_applications_folder() -> Path:
    """The folder of 16,992 real applications without histories."""
    return _folder(SHARED / "home-credit-applications")


@pytest.fixture(scope="session")
def real_dataset(home_credit_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The real rows as a dataset outside the project."""
    return ingest(home_credit_folder, tmp_path_factory.mktemp("real") / "dataset")


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """800 sample applicants with an outcome and 200 without."""
    return write_sample(tmp_path_factory.mktemp("sample") / "dataset", 800, seed=3, processes=1)


@pytest.fixture(scope="session")
def sample_features(sample: Dataset) -> pl.DataFrame:
    """The features of the sample applicants, training ones first."""
    return build_features(sample.frames()).collect()


@pytest.fixture(scope="session")
def sample_examples(sample: Dataset, sample_features: pl.DataFrame) -> Examples:
    outcomes = sample.frames("train")["application"].select("SK_ID_CURR", "TARGET").collect()
    return Examples.of(sample_features, outcomes)


@pytest.fixture(scope="session")
def sample_validation(sample_examples: Examples) -> Validation:
    return cross_validate(
        Candidate.of("trees", n_estimators=60), sample_examples, Costs(), folds=3, seed=1
    )


@pytest.fixture(scope="session")
def scorer(sample_validation: Validation, sample_examples: Examples) -> Scorer:
    """A model trained on the sample applicants, not registered."""
    # It stands for a model of real applicants, whose answers are no demonstration.
    trained = {"source": "home-credit", "applicants": sample_examples.target.size}
    record = lineage(sample_validation, {"digest": "0" * 64, **trained})
    return fit_scorer(sample_validation, sample_examples, "credit-scoring", record, seed=1)


@pytest.fixture(scope="session")
def banded_scorer(scorer: Scorer) -> Scorer:
    """The model under another name, with a wide refer band."""
    return replace(scorer, name="banded", version="7", refer_band=(0.06, 0.12))


@pytest.fixture(scope="session")
def small_model(scorer: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model trained on the sample applicants."""
    folder = tmp_path_factory.mktemp("model") / "champion"
    scorer.save(folder)
    return folder


@pytest.fixture(scope="session")
def api_url(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running API that serves the small model."""
    with serving.running_api(small_model, tmp_path_factory.mktemp("api") / "log") as url:
        yield url


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """Leave the log as it was: commands show it on the terminal."""
    log = logging.getLogger("scoring")
    handlers, level = log.handlers, log.level
    yield
    log.handlers = handlers
    log.setLevel(level)


@pytest.fixture(scope="module")
def service(
    scorer: Scorer,
    sample: Dataset,
    sample_examples: Examples,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[serving.Service]:
    """A running API whose model tells importance and distributions, as the page shows them."""
    explained = with_explanations(scorer, sample_examples.frame.head(100))
    with serving.running_service(explained, sample, tmp_path_factory.mktemp("page")) as found:
        yield found
