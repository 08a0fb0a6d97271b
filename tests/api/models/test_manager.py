"""Models in service: watched, checked, swapped under load, refused, archived."""

from __future__ import annotations

import json
import logging
import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from prometheus_client import REGISTRY

from api.http.problems import ProblemError
from api.models.manager import Lineup
from api.models.sources import Alias, FolderSource, Found, SourceError
from scoring.features.vectors import Vectors, pack
from scoring.serving.scorer import Calibration, Scorer
from scoring.store import Outcome, Policy, Store
from tests.helpers import hostile
from tests.helpers.databases import prediction
from tests.helpers.waiting import eventually

DEADLINE_SECONDS = 60.0
Scoring = Callable[[Scorer], None]


@pytest.fixture(scope="module")
def vector(sample_features: pl.DataFrame) -> Vectors:
    return pack(sample_features.head(1))


@pytest.fixture(scope="module")
def warm(vector: Vectors) -> Scoring:
    def score(scorer: Scorer) -> None:
        scorer.reasons_of(scorer.score(vector))

    return score


@pytest.fixture
def models(scorer: Scorer, tmp_path: Path) -> list[Path]:
    """The folders of two models that differ in every PD."""
    folders = [tmp_path / "first", tmp_path / "second"]
    for number, folder in enumerate(folders, start=1):
        calibration = Calibration(slope=1.0, intercept=-float(number))
        replace(scorer, version=str(number), calibration=calibration).save(folder)
    return folders


@pytest.fixture
def served(tmp_path: Path) -> dict[Alias, Path]:
    return {"champion": tmp_path / "champion", "challenger": tmp_path / "challenger"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path / 'store' / 'scoring.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def lineup(served: dict[Alias, Path], store: Store, warm: Scoring) -> Lineup:
    return Lineup(FolderSource(served), store, warm, poll_seconds=0.005)


def export(model: Path, folder: Path) -> None:
    """As `python -m scoring export` does it."""
    Scorer.load(model).save(folder)


def versions(lineup: Lineup) -> list[tuple[str, str]]:
    return [(live.role, live.scorer.version) for live in lineup.live()]


def kinds(store: Store) -> list[tuple[str, str | None]]:
    """What happened, the oldest first."""
    return [(event.kind, event.role) for event in reversed(store.models.events())]


def loads(result: str) -> float:
    return REGISTRY.get_sample_value("scoring_model_loads_total", {"result": result}) or 0.0


def test_without_a_champion_nobody_answers_and_it_is_told_once(
    lineup: Lineup, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        lineup.refresh()
    for ask in (lineup.champion, lambda: lineup.route(1)):
        with pytest.raises(ProblemError) as refused:
            ask()
        assert refused.value.status == 503
    assert lineup.live() == ()
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "there is no champion: nothing to serve yet"
    ]


def test_a_model_is_served_archived_and_on_record(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path], tmp_path: Path
) -> None:
    before = loads("loaded")
    export(models[0], served["champion"])
    export(models[1], served["challenger"])
    for _ in range(2):
        lineup.refresh()
    assert versions(lineup) == [("champion", "1"), ("challenger", "2")]
    assert lineup.champion().scorer == Scorer.load(models[0])
    assert loads("loaded") == before + 2
    assert kinds(store) == [("loaded", "champion"), ("loaded", "challenger")]
    event = store.models.events()[1]
    assert event.model_digest == lineup.champion().digest
    assert event.model_version == "1"
    for live in lineup.live():
        kept = store.models.restore(live.digest, tmp_path / "kept" / live.role)
        assert kept is not None
        assert Scorer.load(kept) == live.scorer


def test_a_swap_leaves_those_who_are_scoring_the_model_they_have(
    lineup: Lineup, models: list[Path], served: dict[Alias, Path], vector: Vectors
) -> None:
    export(models[0], served["champion"])
    lineup.refresh()
    route = lineup.route(1)
    before = route.live.scorer.score(vector).pds
    export(models[1], served["champion"])
    lineup.refresh()
    assert lineup.route(1).live.scorer.version == "2"
    assert route.live.scorer.score(vector).pds == before
    assert lineup.route(1).live.scorer.score(vector).pds != before


def tampered(folder: Path) -> None:
    path = folder / "scorer.json"
    path.write_text(path.read_text().replace('"cutoff": 0', '"cutoff": 1'))


def truncated(folder: Path) -> None:
    path = folder / "model.txt"
    path.write_bytes(path.read_bytes()[:-100])


def of_a_newer_format(folder: Path) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "format": manifest["format"] + 1}))


def without_a_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("alias", ["champion", "challenger"])
@pytest.mark.parametrize("damage", [tampered, truncated, of_a_newer_format, without_a_manifest])
def test_a_broken_model_is_refused_once_and_the_one_before_serves_on(
    lineup: Lineup,
    store: Store,
    models: list[Path],
    served: dict[Alias, Path],
    caplog: pytest.LogCaptureFixture,
    alias: Alias,
    damage: Callable[[Path], None],
) -> None:
    for folder in served.values():
        export(models[0], folder)
    lineup.refresh()
    export(models[1], served[alias])
    damage(served[alias])
    before = loads("refused")
    for _ in range(3):
        lineup.refresh()
    assert versions(lineup) == [("champion", "1"), ("challenger", "1")]
    assert loads("refused") == before + 1
    assert kinds(store)[2:] == [("refused", alias)]
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.message.startswith(f"refused a {alias}: ")
    assert "serves on" in told.message
    assert str(served[alias]) in store.models.events()[0].detail
    assert store.models.events()[0].detail in told.message
    shutil.rmtree(served[alias])
    export(models[1], served[alias])
    lineup.refresh()
    assert (alias, "2") in versions(lineup)


def test_damage_to_the_folder_of_the_model_in_service_is_noticed(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path]
) -> None:
    export(models[0], served["champion"])
    lineup.refresh()
    serving = lineup.champion()
    truncated(served["champion"])
    lineup.refresh()
    assert lineup.champion() is serving
    assert kinds(store) == [("loaded", "champion"), ("refused", "champion")]


@pytest.mark.parametrize("error", [KeyError("a level"), IndexError(), ZeroDivisionError()])
def test_a_model_that_cannot_score_is_refused_whatever_it_breaks(
    models: list[Path], served: dict[Alias, Path], store: Store, error: Exception
) -> None:
    def warm(scorer: Scorer) -> None:
        if scorer.version == "2":
            raise error

    lineup = Lineup(FolderSource(served), store, warm, poll_seconds=1.0)
    export(models[0], served["champion"])
    export(models[1], served["challenger"])
    for _ in range(2):
        lineup.refresh()
    assert versions(lineup) == [("champion", "1")]
    assert kinds(store) == [("loaded", "champion"), ("refused", "challenger")]
    assert store.models.events()[0].detail == repr(error)


def test_a_challenger_that_went_is_dropped_and_a_champion_stays(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path]
) -> None:
    for folder in served.values():
        export(models[0], folder)
    lineup.refresh()
    for folder in served.values():
        shutil.rmtree(folder)
    for _ in range(2):
        lineup.refresh()
    assert versions(lineup) == [("champion", "1")]
    assert kinds(store)[2:] == [("dropped", "challenger")]
    export(models[0], served["challenger"])
    lineup.refresh()
    assert versions(lineup) == [("champion", "1"), ("challenger", "1")]


def test_models_load_while_the_store_is_away_and_are_archived_when_it_is_back(
    models: list[Path],
    served: dict[Alias, Path],
    warm: Scoring,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also one that is no longer in service by then: it may have answered."""
    store = Store(f"sqlite:///{tmp_path / 'later' / 'scoring.db'}")
    lineup = Lineup(FolderSource(served), store, warm, poll_seconds=1.0)
    digests = []
    for model in models:
        export(model, served["champion"])
        for _ in range(2):
            lineup.refresh()
        assert lineup.champion().scorer == Scorer.load(model)
        digests.append(lineup.champion().digest)
    waiting = [record.message for record in caplog.records if "wait" in record.message]
    assert len(waiting) == 1
    store.migrate()
    lineup.refresh()
    for digest, model in zip(digests, models, strict=True):
        kept = store.models.restore(digest, tmp_path / "kept" / digest)
        assert kept is not None
        assert Scorer.load(kept) == Scorer.load(model)
    assert [event.model_version for event in reversed(store.models.events())] == ["1", "2"]
    store.close()


def test_the_policy_is_followed_and_outlives_the_stores_absence(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path], tmp_path: Path
) -> None:
    for model, folder in zip(models, served.values(), strict=True):
        export(model, folder)
    lineup.refresh()
    assert lineup.policy == Policy()
    changed = Policy("split", challenger_share=1.0, refer_all=True)
    store.models.set_policy(changed, "ana", "a test")
    lineup.refresh_policy()
    assert lineup.policy == changed
    store.close()
    (tmp_path / "store").rename(tmp_path / "away")
    lineup.refresh()
    assert lineup.policy == changed
    route = lineup.route(7)
    assert (route.live.role, route.live.scorer.version, route.why) == ("challenger", "2", "split")


def test_nobody_waits_while_a_model_is_loaded(
    models: list[Path], served: dict[Alias, Path], store: Store
) -> None:
    arrived, free = threading.Event(), threading.Event()

    def warm(scorer: Scorer) -> None:
        if scorer.version == "2":
            arrived.set()
            assert free.wait(DEADLINE_SECONDS)

    lineup = Lineup(FolderSource(served), store, warm, poll_seconds=1.0)
    export(models[0], served["champion"])
    lineup.refresh()
    export(models[1], served["champion"])
    with ThreadPoolExecutor(2) as pool:
        try:
            loading = pool.submit(lineup.refresh)
            assert arrived.wait(DEADLINE_SECONDS)
            store.models.set_policy(Policy(refer_all=True), "ana", "a test")
            pool.submit(lineup.refresh_policy).result(timeout=DEADLINE_SECONDS)
            assert lineup.policy.refer_all
            assert lineup.route(1).live.scorer.version == "1"
        finally:
            free.set()
        loading.result(timeout=DEADLINE_SECONDS)
    assert lineup.route(1).live.scorer.version == "2"
    assert lineup.policy.refer_all


class AwaySource(FolderSource):
    """A source that cannot tell who has an alias, and remembers who had it."""

    def __init__(self, folders: dict[Alias, Path]) -> None:
        super().__init__(folders)
        self.away: Exception | None = SourceError("nobody answers")

    def find(self, alias: Alias) -> Found | None:
        if self.away is not None:
            raise self.away
        return super().find(alias)

    def remembered(self, alias: Alias) -> Found | None:
        return super().find(alias)


def test_a_start_without_the_registry_serves_the_champion_of_last_time(
    models: list[Path], served: dict[Alias, Path], store: Store, warm: Scoring
) -> None:
    """The challenger waits: who tried a model may have ended the trial meanwhile."""
    source = AwaySource(served)
    lineup = Lineup(source, store, warm, poll_seconds=1.0)
    for folder in served.values():
        export(models[0], folder)
    lineup.refresh()
    assert versions(lineup) == [("champion", "1")]
    export(models[1], served["champion"])
    lineup.refresh()
    assert versions(lineup) == [("champion", "1")]
    source.away = None
    lineup.refresh()
    assert versions(lineup) == [("champion", "2"), ("challenger", "1")]


@pytest.mark.parametrize("error", [SourceError("nobody answers"), RuntimeError("a surprise")])
def test_the_watch_outlives_what_goes_wrong_and_tells_it_once(
    models: list[Path],
    served: dict[Alias, Path],
    store: Store,
    warm: Scoring,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    source = AwaySource(served)
    lineup = Lineup(source, store, warm, poll_seconds=0.005)
    asked = 0

    def failing(alias: Alias) -> Found | None:
        nonlocal asked
        asked += 1
        if source.away is not None:
            raise source.away
        return FolderSource.find(source, alias)

    source.find = failing  # type: ignore[method-assign]
    source.away = error
    export(models[0], served["challenger"])
    with caplog.at_level(logging.INFO):
        lineup.start()
        try:
            eventually(lambda: asked > 20)
            source.away = None
            export(models[0], served["champion"])
            eventually(lambda: versions(lineup) == [("champion", "1"), ("challenger", "1")])
            eventually(lambda: any("back to normal" in line for line in caplog.messages))
        finally:
            lineup.stop()
    told = [line for line in caplog.messages if str(error) in line]
    assert len(told) == len(set(told)) <= 2


class HangingSource(FolderSource):
    """A source that does not come back when it is asked for some aliases."""

    def __init__(self, folders: dict[Alias, Path], hangs: set[Alias]) -> None:
        super().__init__(folders)
        self.hangs, self.free = hangs, threading.Event()

    def find(self, alias: Alias) -> Found | None:
        if alias in self.hangs:
            assert self.free.wait(DEADLINE_SECONDS)
        return super().find(alias)


@pytest.mark.parametrize("hangs", [{"challenger"}, {"champion"}, {"champion", "challenger"}])
def test_what_hangs_keeps_nothing_else_from_being_done(
    models: list[Path],
    served: dict[Alias, Path],
    store: Store,
    warm: Scoring,
    hangs: set[Alias],
) -> None:
    source = HangingSource(served, hangs)
    lineup = Lineup(source, store, warm, poll_seconds=0.005)
    # Until the policy is known, an officer decides.
    assert lineup.policy.refer_all
    for folder in served.values():
        export(models[0], folder)
    lineup.start()
    try:
        expected = {alias for alias in served if alias not in hangs}
        eventually(lambda: {live.role for live in lineup.live()} == expected)
        eventually(lambda: not lineup.policy.refer_all)
        store.models.set_policy(Policy(refer_all=True), "ana", "a test")
        eventually(lambda: lineup.policy.refer_all)
        store.models.set_policy(Policy(), "ana", "a test")
        lineup.refresh_policy()
        assert not lineup.policy.refer_all
        assert not lineup.wait(0.0)
    finally:
        source.free.set()
        eventually(lambda: lineup.wait(0.0))
        lineup.stop()
    assert len(versions(lineup)) == 2


@pytest.mark.parametrize("what", [name for name in hostile.FOLDERS if "link" not in name])
def test_what_lies_in_a_folder_never_ends_the_watch(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path], what: str
) -> None:
    export(models[0], served["champion"])
    lineup.refresh()
    export(models[1], served["champion"])
    hostile.FOLDERS[what][0](served["champion"])
    for _ in range(3):
        lineup.refresh()
    assert versions(lineup) == [("champion", "1")]
    assert kinds(store) == [("loaded", "champion"), ("refused", "champion")]
    assert str(served["champion"]) in store.models.events()[0].detail


def test_a_folder_that_leads_in_a_circle_is_complained_of(
    lineup: Lineup, models: list[Path], served: dict[Alias, Path], caplog: pytest.LogCaptureFixture
) -> None:
    served["challenger"].symlink_to(served["challenger"].name)
    export(models[0], served["champion"])
    for _ in range(2):
        lineup.refresh()
    assert versions(lineup) == [("champion", "1")]
    assert len([line for line in caplog.messages if "the challenger cannot be" in line]) == 1


@pytest.mark.parametrize("swaps", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_swap_under_load_never_mixes_two_models(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path], vector: Vectors,
    swaps: int,
) -> None:  # fmt: skip
    """Swaps while threads score: every PD is the one of the model that it is told to be of."""
    scorers = [Scorer.load(model) for model in models]
    expected = {one.version: float(one.score(vector).pds[0]) for one in scorers}
    assert len(set(expected.values())) == 2
    for model, folder in zip(models, served.values(), strict=True):
        export(model, folder)
    store.models.set_policy(Policy("split", challenger_share=0.5), "ana", "a test")
    lineup.refresh()
    digests = {lineup.champion().digest: "1"}
    done, answered = threading.Event(), []

    def ask(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311 - dice, not secrets
        while not done.is_set():
            live = lineup.route(rng.randrange(10**6)).live
            pd = float(live.scorer.score(vector).pds[0])
            answered.append((live.role, live.digest, live.scorer.version, pd))

    lineup.start()
    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, seed) for seed in range(3)]
        try:
            for swap in range(1, swaps + 1):
                now, before = str(1 + swap % 2), str(2 - swap % 2)
                scorers[swap % 2].save(served["champion"])
                scorers[swap % 2 - 1].save(served["challenger"])
                wanted = [("champion", now), ("challenger", before)]
                eventually(lambda wanted=wanted: versions(lineup) == wanted)
                digests[lineup.champion().digest] = now
        finally:
            done.set()
            lineup.stop()
        for one in asking:
            one.result()
    assert len(digests) == 2
    assert {role for role, *_ in answered} == {"champion", "challenger"}
    assert {version for _, _, version, _ in answered} == {"1", "2"}
    for _, digest, version, pd in answered:
        assert (digests[digest], pd) == (version, expected[version])
    # Two to begin with, then two a swap: nothing was refused, or missing for a moment.
    assert Counter(event.kind for event in store.models.events(1_000)) == {
        "policy": 1,
        "loaded": 2 + 2 * swaps,
    }


def accepted(store: Store, digest: str, number: int) -> list[str]:
    """Record decisions of a model; their ids."""
    made = [
        prediction(model_digest=digest, applicant=str(place), decision="accept")
        for place in range(number)
    ]
    store.decisions.record(made)
    return [one.id for one in made]


def turned_out(store: Store, ids: list[str], *, defaulted: bool) -> None:
    now = datetime.now(UTC)
    store.outcomes.record([Outcome("1", one, defaulted, now, now, "x") for one in ids])


def test_the_bandit_follows_what_the_store_knows(
    lineup: Lineup, store: Store, models: list[Path], served: dict[Alias, Path]
) -> None:
    """The challenger's loans all pay back; half of the champion's do not."""
    for model, folder in zip(models, served.values(), strict=True):
        export(model, folder)
    store.models.set_policy(Policy("bandit", challenger_share=0.0), "ana", "a test")
    lineup.refresh()
    champion, challenger = lineup.live()
    first = [lineup.route(number) for number in range(50)]
    assert {(one.live.role, one.why) for one in first} == {("champion", "bandit: first trials")}
    for digest, defaults in ((champion.digest, 100), (challenger.digest, 0)):
        ids = accepted(store, digest, 200)
        turned_out(store, ids[:defaults], defaulted=True)
        turned_out(store, ids[defaults:], defaulted=False)
    lineup = Lineup(FolderSource(served), store, lambda _: None, poll_seconds=1.0)
    lineup.refresh()
    later = [lineup.route(number) for number in range(50)]
    assert {(one.live.role, one.why) for one in later} == {("challenger", "bandit")}
