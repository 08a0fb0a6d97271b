"""Recorded decisions computed again: the same to the last bit, and every change is found."""

from __future__ import annotations

import copy
import hashlib
import json
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from api import Settings
from api.decisions.example import REQUEST
from scoring.__main__ import app as command_line
from scoring.data.dataset import Dataset
from scoring.data.requests import nameless
from scoring.features.vectors import Layout, from_bytes, layout, to_bytes
from scoring.monitoring.replay import Difference, Report, replay
from scoring.serving.batch import row_batches
from scoring.serving.materialize import online_applicants
from scoring.serving.scorer import Calibration, Scorer
from scoring.store import Policy, Prediction, ShadowScore, Store, new_id
from tests.helpers import serving
from tests.helpers.databases import KEY


@dataclass(frozen=True)
class Recorded:
    """Decisions of a real service, and the folders of the models that took them, by digest."""

    decisions: tuple[Prediction, ...] = field(repr=False)
    models: Mapping[str, Path] = field(repr=False)

    def put(self, store: Store, decisions: Sequence[Prediction] | None = None) -> Store:
        """Put decisions, all or some others, and all models into a store."""
        for digest, folder in self.models.items():
            store.models.archive(digest, "credit-scoring", "x", folder)
        store.decisions.record(self.decisions if decisions is None else decisions)
        return store


def digest_of(model: Path) -> str:
    return hashlib.sha256((model / "manifest.json").read_bytes()).hexdigest()


def known(sample: Dataset, store: Store) -> list[int]:
    """Let a store know some applicants; their numbers."""
    rows = next(row_batches(sample, "test", size=40))
    (some,) = online_applicants(rows, sample.digest, datetime.now(UTC))
    store.applicants.put(some)
    return [one.applicant for one in some]


def decide(found: Settings, sample: Dataset, policies: Sequence[Policy]) -> list[Prediction]:
    """Decisions by rows and by number, one by one and in batches, under each policy."""
    bodies = [serving.request_of(sample, number) for number in serving.applicants(sample, 12)]
    # The same person again, with another income: nothing of the two may be mixed up.
    richer = copy.deepcopy(bodies[0])
    richer["application"]["AMT_INCOME_TOTAL"] *= 2  # type: ignore[index]
    with serving.running_app(found) as app:
        client, service = app.test_client(), app.extensions["service"]
        numbers = [{"SK_ID_CURR": number} for number in known(sample, service.store)]
        for policy in policies:
            service.store.models.set_policy(policy, "a test", "to see all")
            service.models.refresh_policy()
            for body in (REQUEST, richer, numbers[0], numbers[0]):
                assert client.post("/predict", json=body).status_code == 200
            answered = client.post("/predict/batch", json=[*bodies, *numbers, richer]).json
            assert all("prediction" in one for one in answered["results"])
        return list(service.store.decisions.search())


@pytest.fixture(scope="module")
def recorded(
    small_model: Path, scorer: Scorer, sample: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Recorded:
    """Decisions of a champion and of its rival, alone, side by side and with all referred."""
    folder = tmp_path_factory.mktemp("recorded")
    other = Calibration(scorer.calibration.slope, scorer.calibration.intercept + 1)
    rival = folder / "challenger"
    replace(scorer, version="8", calibration=other, refer_band=(0.05, 0.2)).save(rival)
    found = serving.settings(small_model, folder, challenger_dir=rival)
    policies = [Policy(), Policy("shadow"), Policy("split", 0.5), Policy(refer_all=True)]
    decisions = decide(found, sample, policies)
    return Recorded(tuple(decisions), {digest_of(one): one for one in (small_model, rival)})


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[Store]:
    """An empty store in the folder of the test, as `scoring.db`."""
    found = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    found.migrate()
    yield found
    found.close()


def test_decisions_are_the_same_to_the_last_bit(recorded: Recorded, store: Store) -> None:
    decisions = recorded.decisions
    assert Counter(one.source for one in decisions)["id"] > 150
    assert Counter(one.source for one in decisions)["rows"] > 50
    assert {one.role for one in decisions} == {"champion", "challenger"}
    assert sum(bool(one.shadows) for one in decisions) > 50
    assert any(one.decision != one.model_decision for one in decisions)
    assert {one.model_decision for one in decisions} == {"accept", "refer", "refuse"}
    told: list[int] = []
    report = replay(recorded.put(store), progress=told.append)
    assert report == Report(decisions=len(decisions))
    assert report.equal == len(decisions) == told[-1]
    assert len(told) > 1


def test_pseudonymised_decisions_are_computed_without_the_numbers(
    small_model: Path, sample: Dataset, tmp_path: Path
) -> None:
    found = serving.settings(small_model, tmp_path / "own", pseudonym_key=KEY)
    decisions = decide(found, sample, [Policy()])
    with_rows = [one for one in decisions if one.rows is not None]
    assert len(with_rows) > 10
    assert not any(b"SK_ID_CURR" in zlib.decompress(one.rows or b"") for one in with_rows)
    assert not any(one.applicant.isdigit() for one in decisions)
    # It takes no key to compute them again.
    store = Store(found.database_url)
    report = replay(store)
    store.close()
    assert report == Report(decisions=len(decisions))


def test_decisions_of_real_applicants_are_the_same(
    small_model: Path, real_dataset: Dataset, tmp_path: Path
) -> None:
    bodies = [
        serving.request_of(real_dataset, number)
        for number in serving.applicants(real_dataset, 2000)[::50]
    ]
    found = serving.settings(small_model, tmp_path / "own")
    with serving.running_app(found) as app:
        answered = app.test_client().post("/predict/batch", json=bodies).json
        assert all("prediction" in one for one in answered["results"])
        assert replay(app.extensions["service"].store) == Report(decisions=40)


def by_rows(recorded: Recorded) -> Prediction:
    """A decision by rows that has reasons, and a model scored along."""
    return next(
        one
        for one in recorded.decisions
        if one.rows is not None and one.shadows and len(json.loads(one.reasons)) == 4
    )


def packed_rows(one: Prediction, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Changed rows of a decision, with a digest that goes with them."""
    assert one.rows is not None
    document = orjson.loads(zlib.decompress(one.rows))
    change(document)
    body = orjson.dumps(document)
    return {"rows": zlib.compress(body), "rows_sha256": hashlib.sha256(body).hexdigest()}


def changed_vector(one: Prediction, name: str, value: float) -> dict[str, Any]:
    vector = from_bytes(one.features).copy()
    vector[layout().names.index(name)] = value
    return {"features": to_bytes(vector)}


def next_to(value: float) -> float:
    return float(np.nextafter(value, 1.0))


def last_digit(reasons: str) -> str:
    """Reasons of which one contribution is another number in its last bit."""
    found = json.loads(reasons)
    found[-1]["contribution"] = next_to(found[-1]["contribution"])
    return orjson.dumps(found).decode()


def with_shadow(one: Prediction, **changes: Any) -> dict[str, Any]:
    return {"shadows": (replace(one.shadows[0], **changes),)}


Change = Callable[[Prediction], dict[str, Any]]
CHANGES: dict[str, tuple[str, Change]] = {
    "pd": ("pd", lambda one: {"pd": next_to(one.pd)}),
    "cut-off": ("cutoff", lambda one: {"cutoff": next_to(one.cutoff)}),
    "band from": ("refer_low", lambda one: {"refer_low": next_to(one.refer_low)}),
    "band to": ("refer_high", lambda one: {"refer_high": next_to(one.refer_high)}),
    "what the PD means": ("model_decision", lambda one: {
        "model_decision": "accept" if one.model_decision == "refuse" else "refuse"}),
    "answer": ("decision", lambda one: {
        "decision": "accept" if one.decision == "refuse" else "refuse"}),
    "a reason's number": ("reasons", lambda one: {"reasons": last_digit(one.reasons)}),
    "no reasons": ("reasons", lambda _: {"reasons": "[]"}),
    "model's name": ("model_name", lambda _: {"model_name": "other"}),
    "model's version": ("model_version", lambda _: {"model_version": "9"}),
    "applicant": ("applicant", lambda _: {"applicant": "100"}),
    "no rows": ("rows", lambda _: {"rows": None, "rows_sha256": ""}),
    "rows cut short": ("rows", lambda one: {"rows": (one.rows or b"")[:-9]}),
    "rows of another digest": ("rows_sha256", lambda _: {"rows_sha256": "0" * 64}),
    "no JSON": ("rows", lambda _: {
        "rows": zlib.compress(b"{"), "rows_sha256": hashlib.sha256(b"{").hexdigest()}),
    "rows of no table": ("rows", lambda one: packed_rows(one, lambda d: d.update(other=[{}]))),
    "rows without a key": ("rows", lambda one: packed_rows(
        one, lambda d: d.update(bureau=[{"AMT_CREDIT_SUM": 1.0}]))),
    "a text for a number": ("rows", lambda one: packed_rows(
        one, lambda d: d["application"].update(AMT_CREDIT="much"))),
    "another amount": ("features", lambda one: packed_rows(
        one, lambda d: d["application"].update(AMT_CREDIT=1.0))),
    "another feature": ("features", lambda one: changed_vector(
        one, "application__EXT_SOURCES_MEAN", 0.123)),
    "no such category": ("features", lambda one: changed_vector(
        one, next(iter(layout().levels)), 999.0)),
    "features cut short": ("features", lambda one: {"features": one.features[:-9]}),
    "fewer features": ("features", lambda one: {
        "features": to_bytes(from_bytes(one.features)[:-1])}),
    "what was scored along": ("shadow", lambda one: with_shadow(
        one, pd=next_to(one.shadows[0].pd))),
    "its decision": ("shadow", lambda one: with_shadow(one, decision="none")),
    "its version": ("shadow", lambda one: with_shadow(one, model_version="7")),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_found(name: str, recorded: Recorded, lite: Store) -> None:
    what, change = CHANGES[name]
    chosen = by_rows(recorded)
    others = [one for one in recorded.decisions if one.id != chosen.id][:6]
    report = replay(recorded.put(lite, [replace(chosen, **change(chosen)), *others]))
    assert (report.decisions, report.differing, report.equal) == (7, 1, 6)
    assert {found.prediction_id for found in report.differences} == {chosen.id}
    assert any(kind.startswith(what) for kind in report.kinds), report.kinds


FLIPS = st.tuples(st.integers(0, len(layout().names) - 1), st.integers(0, 31))
CATEGORIES = [layout().names.index(name) for name in layout().levels]


@given(flips=st.lists(FLIPS, min_size=10, max_size=30))
# Codes below zero and far above, NaN of another sign, and infinity: of 1 in bit 30, of NaN in 22.
@example(flips=[(place, bit) for place in CATEGORIES for bit in (22, 29, 30, 31)])
# Every bit of one number.
@example(flips=[(layout().names.index("application__EXT_SOURCES_MEAN"), b) for b in range(32)])
@settings(max_examples=4, deadline=None)
def test_no_bit_of_the_features_changes_unseen(
    recorded: Recorded, tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    chosen = by_rows(recorded)
    changed = []
    for place, bit in flips:
        vector = from_bytes(chosen.features).copy()
        vector.view(np.uint32)[place] ^= np.uint32(1 << bit)
        changed.append(replace(chosen, id=new_id(), features=to_bytes(vector)))
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('bits') / 'scoring.db'}")
    store.migrate()
    report = replay(recorded.put(store, [chosen, *changed]))
    store.close()
    assert report.kinds["features"] == report.differing == len(flips)
    assert report.equal == 1


def used(recorded: Recorded, one: Prediction) -> set[str]:
    """The features of all models that had a say in a decision."""
    models = (one.model_digest, *(shadow.model_digest for shadow in one.shadows))
    scorers = [Scorer.load(recorded.models[digest]) for digest in models]
    return {feature.name for scorer in scorers for feature in scorer.features}


def test_a_difference_is_told_where_it_is(recorded: Recorded, lite: Store) -> None:
    one = by_rows(recorded)
    other = next_to(one.pd)
    taken = used(recorded, one) | layout().levels.keys()
    unused = next(name for name in layout().names if name not in taken)
    changed = replace(
        one, pd=other, reasons=last_digit(one.reasons), **changed_vector(one, unused, 12345.5)
    )
    report = replay(recorded.put(lite, [changed]))
    feature, pd, reasons = report.differences
    assert pd == Difference(one.id, "pd", repr(other), repr(one.pd))
    assert (feature.what, feature.stored) == (f"features {unused}", "12345.5")
    assert reasons.what == "reasons"
    assert reasons.stored != reasons.recomputed
    assert reasons.stored[:20] == reasons.recomputed[:20]
    assert max(map(len, reasons)) < 80


def test_many_differences_are_counted_and_the_first_told(recorded: Recorded, lite: Store) -> None:
    changed = [replace(one, pd=next_to(one.pd)) for one in recorded.decisions[:30]]
    report = replay(recorded.put(lite, [*changed, *recorded.decisions[30:]]))
    assert report.differing == report.kinds["pd"] == 30
    assert len(report.differences) == 20
    assert {one.what for one in report.differences} == {"pd"}
    assert report.equal == len(recorded.decisions) - 30


def test_a_model_that_is_not_kept_is_named(recorded: Recorded, lite: Store) -> None:
    answered = by_rows(recorded)
    kept, lost = (answered.model_digest, answered.shadows[0].model_digest)
    own = [one for one in recorded.decisions if one.model_digest == kept]
    Recorded(tuple(own), {kept: recorded.models[kept]}).put(lite)
    report = replay(lite)
    lacking = sum(bool(one.shadows) for one in own)
    assert report.missing == {f"model version 8 ({lost[:12]})": lacking}
    assert (report.incomplete, report.differing) == (lacking, 0)
    assert report.equal == len(own) - lacking


def test_what_can_be_computed_of_a_decision_is(recorded: Recorded, lite: Store) -> None:
    answered = by_rows(recorded)
    changed = replace(answered, pd=next_to(answered.pd))
    kept = answered.model_digest
    report = replay(Recorded((changed,), {kept: recorded.models[kept]}).put(lite))
    assert (report.differing, report.incomplete) == (1, 0)
    assert report.missing.total() == 1
    assert report.kinds == {"pd": 1}


def test_decisions_on_other_features_are_counted_apart(recorded: Recorded, lite: Store) -> None:
    old = [replace(one, feature_set_version="1") for one in recorded.decisions[:5]]
    report = replay(recorded.put(lite, [*old, *recorded.decisions[5:20]]))
    assert report.missing == {"code of version 1 of the features": 5}
    assert (report.equal, report.incomplete, report.differing) == (15, 5, 0)


def test_decisions_on_another_layout_are_computed_again_by_name(
    recorded: Recorded, lite: Store
) -> None:
    own = layout()
    turned = Layout(own.names[::-1], own.levels, own.definitions)
    read = used(recorded, recorded.decisions[0])
    changed = Layout(own.names, own.levels, {**own.definitions, min(read): "0"})
    unread = next(name for name in own.names if name not in read and name not in own.levels)
    gone = Layout(own.names, own.levels, {**own.definitions, unread: "0"})
    moved = [
        replace(
            one,
            feature_set_version=turned.digest,
            features=to_bytes(from_bytes(one.features)[::-1]),
        )
        for one in recorded.decisions[:5]
    ]
    without = [replace(one, feature_set_version=gone.digest) for one in recorded.decisions[5:8]]
    other = [replace(one, feature_set_version=changed.digest) for one in recorded.decisions[8:10]]
    store = recorded.put(lite, [*moved, *without, *other])
    for each in (turned, changed, gone):
        store.models.keep_layout(each.digest, each.text)
    report = replay(store)
    assert report.differing == 0
    assert report.missing == {f"the feature {min(read)} as it was computed": 2}
    assert report.equal == 8


def test_a_kept_model_that_was_changed_is_a_difference(
    recorded: Recorded, lite: Store, tmp_path: Path
) -> None:
    recorded.put(lite)
    digest = recorded.decisions[0].model_digest
    with sqlite3.connect(tmp_path / "scoring.db") as connection:
        update = "UPDATE archives SET content = substr(content, 1, 2000) WHERE digest = ?"
        assert connection.execute(update, [digest]).rowcount == 1
    connection.close()
    report = replay(lite)
    along = [
        one
        for one in recorded.decisions
        if digest in (one.model_digest, *(shadow.model_digest for shadow in one.shadows))
    ]
    assert report.kinds == {"model": len(along)}
    assert report.differing == len(along)


def test_a_kept_model_of_another_format_is_named(
    recorded: Recorded, small_model: Path, lite: Store, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    newer = tmp_path / "newer"
    newer.mkdir()
    for path in small_model.iterdir():
        (newer / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((newer / "manifest.json").read_text())
    (newer / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    one = replace(by_rows(recorded), model_digest=digest_of(newer), shadows=())
    report = replay(Recorded((one,), {digest_of(newer): newer}).put(lite))
    assert (report.incomplete, report.differing) == (1, 0)
    assert "format" in caplog.text


def test_decisions_from_a_time_on(recorded: Recorded, lite: Store) -> None:
    """Those that are recorded while it runs are left to the next time."""
    now = datetime.now(UTC)
    times = [now - timedelta(days=3), now - timedelta(days=1), now + timedelta(days=1)]
    some = [replace(one, at=at) for one, at in zip(recorded.decisions[:3], times, strict=True)]
    recorded.put(lite, some)
    assert replay(lite).decisions == 2
    assert replay(lite, since=now - timedelta(days=2)).decisions == 1
    assert replay(lite, since=now).decisions == 0


def test_the_same_rows_under_many_names(recorded: Recorded, lite: Store) -> None:
    """Pseudonyms and numbers beside each other, as after the key was set."""
    one = replace(by_rows(recorded), shadows=())
    hidden_rows = packed_rows(
        one, lambda d: d.update(_nameless(d)),
    )  # fmt: skip
    hidden = replace(one, id=new_id(), applicant="p-1", **hidden_rows)
    again = replace(one, id=new_id(), applicant="1", **packed_rows(one, _renumbered))
    report = replay(recorded.put(lite, [one, hidden, again]))
    assert report == Report(decisions=3)


def _nameless(document: dict[str, Any]) -> dict[str, Any]:
    found = nameless({**document, "application": [document["application"]]})
    return {**found, "application": found["application"][0]}


def _renumbered(document: dict[str, Any]) -> None:
    """The number that stands in for a pseudonym in the place before."""
    for rows in ([document["application"]], *list(document.values())[1:]):
        for row in rows:
            if "SK_ID_CURR" in row:
                row["SK_ID_CURR"] = 1


def command(*words: str) -> Result:
    return CliRunner().invoke(command_line, ["replay", *words])


def address(folder: Path) -> str:
    return f"sqlite:///{folder / 'scoring.db'}"


def test_the_command_passes_where_all_is_the_same(
    recorded: Recorded, lite: Store, tmp_path: Path
) -> None:
    recorded.put(lite, recorded.decisions[:5])
    done = command("--database", address(tmp_path))
    assert done.exit_code == 0, done.output
    told = "5 decisions: 5 the same to the last bit, 0 different, 0 not to be computed\n"
    assert done.stdout == told
    none = command("--database", address(tmp_path), "--since", "2300-01-01")
    assert none.stdout.startswith("0 decisions")
    assert none.exit_code == 0


def test_the_command_fails_where_anything_differs(
    recorded: Recorded, lite: Store, tmp_path: Path
) -> None:
    changed = [replace(one, pd=next_to(one.pd)) for one in recorded.decisions[:25]]
    recorded.put(lite, changed)
    done = command("--database", address(tmp_path), "--allow-missing")
    assert done.exit_code == 1
    assert "25 different" in done.stdout
    assert changed[0].id in done.stdout
    assert repr(changed[0].pd) in done.stdout
    assert "5 more differences" in done.stdout


def test_the_command_fails_where_a_model_is_not_kept_unless_it_may_be(
    recorded: Recorded, lite: Store, tmp_path: Path
) -> None:
    lite.decisions.record(recorded.decisions[:2])
    done = command("--database", address(tmp_path))
    assert done.exit_code == 1
    assert f"({recorded.decisions[0].model_digest[:12]})" in done.stdout
    assert command("--database", address(tmp_path), "--allow-missing").exit_code == 0


@pytest.mark.parametrize(
    ("since", "count"),
    [("2026-03-01", 2), ("2026-03-01T12:00", 1), ("2026-03-01T12:00+01:00", 2)],
)
def test_a_time_without_a_zone_is_in_utc(
    recorded: Recorded, lite: Store, tmp_path: Path, since: str, count: int
) -> None:
    hours = (datetime(2026, 3, 1, 11, 30, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC))
    pairs = zip(recorded.decisions, hours, strict=False)
    recorded.put(lite, [replace(one, at=at) for one, at in pairs])
    done = command("--database", address(tmp_path), "--since", since)
    assert done.stdout.startswith(f"{count} decisions")


def test_a_wrong_time_is_told_in_a_line(tmp_path: Path) -> None:
    done = command("--database", address(tmp_path), "--since", "yesterday")
    assert done.exit_code == 1
    assert "--since takes a time" in done.output
    assert "yesterday" in done.output


def test_a_shadow_is_compared_with_its_own_model(recorded: Recorded, lite: Store) -> None:
    one = by_rows(recorded)
    (shadow,) = one.shadows
    swapped = ShadowScore(one.model_digest, one.model_version, one.pd, one.model_decision)
    assert shadow.pd != one.pd
    assert replay(recorded.put(lite, [replace(one, shadows=(swapped,))])).equal == 1
