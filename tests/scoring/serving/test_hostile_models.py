"""Models that would decide wrongly, or harm who loads them: refused, with the reason in words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import requests
from polars.exceptions import PanicException

from scoring.features.vectors import Vectors
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import cross_validate
from scoring.serving import model_files, proving
from scoring.serving.booster import Booster, BoosterError
from scoring.serving.costs import Costs
from scoring.serving.proving import prove
from scoring.serving.scorer import Scored, Scorer, ScorerError
from scoring.serving.strict_json import read_json
from scoring.store import Policy, Store
from tests.helpers import hostile, serving
from tests.helpers.serving import body_of, workers_of
from tests.helpers.waiting import eventually


@pytest.fixture
def copy(small_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_model, tmp_path / "model"))


@pytest.mark.parametrize("what", hostile.DESCRIPTIONS)
def test_a_description_that_cannot_be_is_refused(copy: Path, what: str) -> None:
    damage, told = hostile.DESCRIPTIONS[what]
    hostile.damaged(copy, damage)
    with pytest.raises(ScorerError, match=f"(?s){copy}: not a usable model: .*{told}"):
        Scorer.load(copy)


@pytest.mark.parametrize("what", hostile.TREES)
def test_trees_that_cannot_be_never_reach_lightgbm(scorer: Scorer, what: str) -> None:
    pattern, other, told = hostile.TREES[what]
    with pytest.raises(BoosterError, match=told):
        Booster(hostile.altered_text(scorer.model.text, pattern, other))  # type: ignore[attr-defined]


def test_a_text_that_ends_the_process_is_refused_by_one_of_its_own(copy: Path) -> None:
    hostile.damaged(copy, hostile.ABORTING)
    for _ in range(2):
        with pytest.raises(ScorerError, match="LightGBM ended the process that tried the model"):
            Scorer.load(copy)


def test_a_model_is_tried_with_bounds_of_memory_and_time(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = (
        "import resource; from scoring.serving import proving\n"
        "proving._BOUNDS[resource.RLIMIT_AS] = 200_000_000; proving.main()"
    )
    sound, asked = scorer.model.text, list[bytes]()  # type: ignore[attr-defined]
    monkeypatch.setattr(
        proving, "_asked", lambda content: (asked.append(content), (b"proved", 0))[1]
    )
    for text in (sound + "\n", sound + "x" * 30_000_000):
        prove("trees", scorer.features, {"model.txt": text.encode()})
    monkeypatch.undo()
    for content, words in zip(asked, (b"proved", b""), strict=True):
        done = subprocess.run(
            [sys.executable, "-c", program], input=content, capture_output=True,
            env={**os.environ, **proving._ONE_THREAD}, check=True,
        )  # fmt: skip
        assert done.stdout.endswith(words)
        assert (done.stdout == b"proved") == (words == b"proved")
    # An overrun machine says nothing about a model.
    monkeypatch.setattr(proving, "_SECONDS", 0.001)
    with pytest.raises(TimeoutError, match="could not be tried"):
        prove("trees", scorer.features, {"model.txt": f"{sound}\n\n".encode()})


@pytest.fixture(scope="module")
def summed(sample_examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that is the sum of two."""
    quick = Candidate.of("sum", **{"trees.n_estimators": 20})
    validation = cross_validate(quick, sample_examples, Costs(), folds=2)
    folder = tmp_path_factory.mktemp("sum") / "model"
    fit_scorer(validation, sample_examples, "credit-scoring", lineage={}).save(folder)
    return folder


@pytest.mark.parametrize("what", hostile.SUMS)
def test_files_of_other_families_are_checked_alike(summed: Path, tmp_path: Path, what: str) -> None:
    copy = Path(shutil.copytree(summed, tmp_path / "model"))
    assert Scorer.load(copy) == Scorer.load(summed)
    damage, words = hostile.SUMS[what]
    hostile.damaged(copy, damage)
    with pytest.raises(ScorerError, match=f"(?s){copy}: not a usable model: .*{words}"):
        Scorer.load(copy)


@pytest.mark.parametrize("name", ["sum.json", "linear.json", "model.txt"])
def test_each_file_of_a_sum_is_needed_as_it_was_saved(
    summed: Path, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(summed, tmp_path / "model"))
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1])
    with pytest.raises(ScorerError, match=f"{name} is not the file that was saved"):
        Scorer.load(copy)
    (copy / name).unlink()
    with pytest.raises(ScorerError, match=f"{name} is missing"):
        Scorer.load(copy)
    hostile.forgotten(copy, name)
    with pytest.raises(ScorerError, match=f"not a usable model: .*{name}"):
        Scorer.load(copy)


def test_a_file_of_another_family_does_not_pass_as_the_models(
    small_model: Path, summed: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(small_model, tmp_path / "model"))
    shutil.copy(summed / "linear.json", copy)
    hostile.remembered(copy, "linear.json")
    with pytest.raises(ScorerError, match=r"'linear\.json' is no file of such a model"):
        Scorer.load(copy)


def test_what_was_proved_is_not_tried_again(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scorer.load(small_model)

    def run(*_: object, **__: object) -> None:
        raise AssertionError("it was tried again")

    monkeypatch.setattr(subprocess, "run", run)
    assert Scorer.load(small_model)


@pytest.mark.parametrize("what", hostile.FOLDERS)
def test_a_folder_of_anything_else_is_refused_at_once(copy: Path, what: str) -> None:
    damage, told = hostile.FOLDERS[what]
    damage(copy)
    with pytest.raises(ScorerError, match=told):
        Scorer.load(copy)


def test_a_model_is_no_larger_than_it_may_be(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "LARGEST_MODEL", 10_000)
    with pytest.raises(ScorerError, match="the model is larger than 10,000 bytes"):
        Scorer.load(copy)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e999", '{"a": 1, "a": 1}', '"\\ud800"', ""])
def test_json_says_one_thing_only(text: str) -> None:
    with pytest.raises(ValueError, match=r"no number|twice|surrogates|Expecting"):
        read_json(text.encode())


@pytest.mark.parametrize("pd", [float("nan"), -0.1, 1.1, float("inf")])
def test_nobody_is_accepted_on_a_pd_that_is_none(scorer: Scorer, pd: float) -> None:
    with pytest.raises(ScorerError, match="a PD of"):
        scorer.decide([0.01, pd])


# In service.


@contextmanager
def failing(version: str, scores: Callable[[], Scored]) -> Iterator[None]:
    """Have one version's scores made otherwise."""
    usual = Scorer.score

    def score(scorer: Scorer, vectors: Vectors) -> Scored:
        return scores() if scorer.version == version else usual(scorer, vectors)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scorer, "score", score)
        yield


def raising(error: BaseException) -> Callable[[], Scored]:
    def scores() -> Scored:
        raise error

    return scores


FAILURES: Mapping[str, Callable[[], Scored]] = {
    "an error of its own": raising(ScorerError("features are missing")),
    "a bug": raising(ZeroDivisionError()),
    "no memory": raising(MemoryError()),
    "a panic": raising(PanicException("index out of bounds")),
    "no number": lambda: Scored(np.zeros((1, 1)), np.array([np.nan]), np.zeros((1, 1)), 0.0),
    "nothing": lambda: None,  # type: ignore[dict-item, return-value]
}


def test_a_shadow_that_fails_in_any_way_touches_no_answer(
    small_model: Path, scorer: Scorer, tmp_path: Path
) -> None:
    replace(scorer, version="8").save(tmp_path / "challenger")
    settings = serving.settings(small_model, tmp_path, challenger_dir=tmp_path / "challenger")
    with serving.running_app(settings) as app:
        service, client = app.extensions["service"], app.test_client()
        usual = client.post("/predict", json=body_of(1)).json
        service.store.models.set_policy(Policy("shadow"), "ana", "a test")
        service.models.refresh_policy()
        for number, scores in enumerate(FAILURES.values(), start=1):
            with failing("8", scores):
                answer = client.post("/predict", json=body_of(1)).json
            for name in ("probability_of_default", "decision", "reasons"):
                assert answer[name] == usual[name]
            assert service.store.decisions.find(answer["id"]).shadows == ()
            figures = client.get("/metrics").text
            assert f"scoring_shadow_failures_total {number}.0" in figures
        answer = client.post("/predict", json=body_of(1)).json
        assert len(service.store.decisions.find(answer["id"]).shadows) == 1
        # Of the model that answers it is a failure, and no decision.
        before = sum(1 for _ in service.store.decisions.search())
        with failing(scorer.version, FAILURES["no number"]):
            assert client.post("/predict", json=body_of(1)).status_code == 500
        assert sum(1 for _ in service.store.decisions.search()) == before


@pytest.mark.system
def test_a_server_outlives_every_hostile_model_and_says_why(
    small_model: Path, scorer: Scorer, tmp_path: Path
) -> None:
    """One after the other, over the champion that serves; the last one is sound again."""
    champion = Path(shutil.copytree(small_model, tmp_path / "champion"))
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    attacks: list[tuple[hostile.Damage, str, bool]] = [
        (*hostile.DESCRIPTIONS[name], True) for name in ("cut-off nan", "slope -1", "deep", "a NUL")
    ]
    attacks += [
        (hostile.retreed(*hostile.TREES[name][:2]), hostile.TREES[name][2], True)
        for name in ("leaves without end", "a circle", "no number in a leaf")
    ]
    attacks += [(hostile.ABORTING, "LightGBM ended the process", True)]
    attacks += [
        (*hostile.FOLDERS[name], False) for name in ("a pipe for the manifest", "a huge model")
    ]
    with serving.started_api(champion, tmp_path / "log", {}) as (url, server):
        before = requests.post(f"{url}/predict", json=body_of(1), timeout=30).json()
        workers = workers_of(server)
        for number, (damage, told, resigned) in enumerate(attacks, start=1):
            replace(scorer, version="9").save(tmp_path / "next")
            damage(tmp_path / "next")
            if resigned:
                hostile.signed(tmp_path / "next")
            champion.rename(tmp_path / f"before-{number}")
            (tmp_path / "next").rename(champion)
            eventually(lambda number=number: refusals(store) == number)  # type: ignore[misc]
            assert told.partition(": .*")[0] in store.models.events()[0].detail
            after = requests.post(f"{url}/predict", json=body_of(1), timeout=30).json()
            assert after["model"] == before["model"]
            assert after["probability_of_default"] == before["probability_of_default"]
        store.models.set_policy(Policy(refer_all=True), "ana", "a test")
        eventually(lambda: decision(url) == "refer")
        shutil.rmtree(champion)
        replace(scorer, version="10").save(champion)
        eventually(lambda: version(url) == "10")
        assert workers_of(server) == workers
    store.close()
    assert "Traceback" not in (tmp_path / "log").read_text()


def refusals(store: Store) -> int:
    return sum(event.kind == "refused" for event in store.models.events(1_000))


def decision(url: str) -> str:
    return str(requests.post(f"{url}/predict", json=body_of(1), timeout=30).json()["decision"])


def version(url: str) -> str:
    return str(requests.get(f"{url}/ready", timeout=30).json()["model"]["version"])


def test_words_of_a_model_do_not_keep_events_from_the_store(tmp_path: Path) -> None:
    from api.models.archive import ModelArchive

    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    archive = ModelArchive(store)
    archive.note("refused", "champion", f"a\x00b\ud800c\n{'x' * 10_000}")
    archive.flush()
    (event,) = store.models.events()
    assert event.detail.startswith("a b c xxx")
    assert len(event.detail) == 1_000
    store.close()
