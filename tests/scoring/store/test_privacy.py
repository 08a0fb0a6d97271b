"""Nobody is remembered who should not be: what is kept under a key, erased, told and purged."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sqlite3
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import requests
from click.testing import Result
from typer.testing import CliRunner

from api import create_app
from scoring.__main__ import app as command_line
from scoring.data.dataset import Dataset, write_dataset
from scoring.data.requests import LOAN_KEYS
from scoring.data.versions import Addition, DataVersions
from scoring.features.vectors import from_bytes
from scoring.monitoring.replay import replay
from scoring.registry.holdout_uses import HoldoutUses
from scoring.store import (
    Alert,
    ModelEvent,
    OnlineApplicant,
    Outcome,
    Override,
    Policy,
    Report,
    Store,
    StoreError,
    new_id,
)
from scoring.store import applicants as applicants_module
from tests.helpers import serving
from tests.helpers.databases import KEY, prediction

NUMBER, LOANS = 1_987_654_321, itertools.count(1_765_432_198)
NOW = datetime.now(UTC)


def scoring(*words: str, key: str | None = None, answer: str | None = None) -> Result:
    return CliRunner().invoke(
        command_line, list(words), env={"PSEUDONYM_KEY": key or ""}, input=answer
    )


@pytest.fixture(scope="module")
def person(sample: Dataset) -> tuple[dict[str, Any], list[int]]:
    """A request with loans of every kind, about an applicant whose numbers nobody else has."""
    bodies = map(serving.request_of, itertools.repeat(sample), serving.applicants(sample, 200))
    body: Any = max(bodies, key=lambda one: sum(bool(rows) for rows in one.values()))
    loans: dict[tuple[str, int], int] = {}
    for rows in (rows if isinstance(rows, list) else [rows] for rows in body.values()):
        for row in rows:
            for key in LOAN_KEYS:
                if key in row:
                    loans.setdefault((key, row[key]), next(LOANS))
                    row[key] = loans[key, row[key]]
            if "SK_ID_CURR" in row:
                row["SK_ID_CURR"] = NUMBER
    assert loans
    return body, list(loans.values())


@pytest.fixture(scope="module")
def own_dataset(
    person: tuple[dict[str, Any], list[int]],
    sample: Dataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> Dataset:
    """The person as a dataset, to be materialised and to be learnt from."""
    body, _ = person
    rows = {"application_train": [{**body["application"], "TARGET": 0}]}
    rows |= {name: own for name, own in body.items() if name != "application"}
    schemas = {name: pl.read_parquet_schema(sample.folder / f"{name}.parquet") for name in rows}
    tables = {name: pl.DataFrame(own, schema=schemas[name]) for name, own in rows.items()}
    return write_dataset(tables, tmp_path_factory.mktemp("own") / "dataset", "synthetic")


def spellings(number: int) -> Iterator[bytes]:
    yield str(number).encode()
    yield f"{number:,}".encode()
    yield from (struct.pack(order, number) for order in ("<i", ">i"))


def tried(digest: str, candidates: Sequence[bytes]) -> bool:
    """Whether a digest is a plain one of something that can be guessed."""
    return any(hashlib.sha256(one).hexdigest() == digest for one in candidates)


def texts_of(folder: Path) -> dict[str, bytes]:
    """Everything in the files of a folder, also what is compressed in a database."""
    found = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with sqlite3.connect(folder / "scoring.db") as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            for i, row in enumerate(database.execute(f"SELECT * FROM {table}")):  # noqa: S608
                for value in row:
                    if isinstance(value, bytes) and value[:1] in (b"\x78", b"\x1f"):
                        found[f"{table} {i}"] = zlib.decompress(value, wbits=47)
    return found


def decided_on(url: str, body: dict[str, Any]) -> list[str]:
    """Everything that a service may be asked about a person, and the ids of the decisions."""
    named = {"Idempotency-Key": str(NUMBER), "X-Request-ID": str(NUMBER)}
    answers = [
        requests.post(f"{url}/predict", json=body, headers=named, timeout=30),
        requests.post(f"{url}/predict", json={"SK_ID_CURR": NUMBER}, timeout=30),
    ]
    batch = requests.post(
        f"{url}/predict/batch", json=[body, {"SK_ID_CURR": NUMBER}], headers=named, timeout=30
    ).json()
    told = [answer.json() for answer in answers]
    told += [one["prediction"] for one in batch["results"]]
    assert [one["applicant"] for one in told] == [NUMBER] * 4
    assert answers[0].headers["X-Request-ID"] == str(NUMBER)
    again = requests.post(f"{url}/predict", json=body, headers=named, timeout=30)
    assert again.json() == told[0]
    other = {"SK_ID_CURR": NUMBER}
    assert requests.post(f"{url}/predict", json=other, headers=named, timeout=30).status_code == 422
    words = {"decision": "accept", "actor": "Zoë", "motive": f"applicant {NUMBER} has paid 4500"}
    known = {
        "prediction_id": told[0]["id"],
        "defaulted": True,
        "observed_at": datetime.now(UTC).isoformat(),
    }
    assert requests.post(f"{url}/what-if", json=body, timeout=30).status_code == 200
    for path, sent in (
        (f"/predictions/{told[0]['id']}/override", words),
        ("/outcomes", {"outcomes": [known]}),
        ("/outcomes", {"outcomes": [{**known, "defaulted": False}]}),
    ):
        assert requests.post(f"{url}{path}", json=sent, timeout=30).status_code == 201
    wrong = {**body, "bureau": [{**body["bureau"][0], "SK_ID_CURR": 7}]}
    assert requests.post(f"{url}/predict", json=wrong, timeout=30).status_code == 422
    assert requests.get(f"{url}/applicants/{NUMBER + 1}", timeout=30).status_code == 404
    listed = requests.get(f"{url}/applicants/{NUMBER}/predictions", timeout=30).json()
    assert len(listed["decisions"]) == 4
    shown = requests.get(f"{url}/applicants/{NUMBER}", timeout=30).json()
    by_rows = requests.post(f"{url}/predict", json=shown["rows"], timeout=30).json()
    same = ("applicant", "probability_of_default", "reasons")
    assert all([one[name] for name in same] == [by_rows[name] for name in same] for one in told)
    return [one["id"] for one in told]


def test_a_number_is_nowhere_in_what_a_service_leaves_behind(
    small_model: Path,
    person: tuple[dict[str, Any], list[int]],
    own_dataset: Dataset,
    tmp_path: Path,
) -> None:
    body, loans = person
    database = f"sqlite:///{tmp_path / 'scoring.db'}"
    done = scoring("materialize", str(own_dataset.folder), "--database", database, key=KEY)
    assert done.exit_code == 0, done.output
    with serving.running_api(small_model, tmp_path / "log", {"PSEUDONYM_KEY": KEY}) as url:
        ids = decided_on(url, body)
        found = texts_of(tmp_path)
    assert {"scoring.db", "scoring.db-wal", "log", "applicants 0", "archives 0"} <= found.keys()
    for number in (NUMBER, *loans):
        for spelling in spellings(number):
            holding = [name for name, content in found.items() if spelling in content]
            assert not holding, spelling
    # Neither can it be found out by trying: there are few numbers, and a body that holds one alone.
    store = Store(database)
    kept = list(store.decisions.search())
    alone = {"SK_ID_CURR": NUMBER}
    forms = (str(NUMBER), json.dumps(alone), json.dumps(alone, separators=(",", ":")))
    guesses = [form.encode() for form in forms]
    for one in kept:
        for digest in (
            one.request_sha256,
            one.request_id,
            one.idempotency_key or "",
            one.applicant,
        ):
            assert not tried(digest.removeprefix("p-"), iter(guesses))
    # Rows are whole all the same: what was decided is computed again, without the key.
    assert set(ids) <= {one.id for one in kept}
    report = replay(store)
    assert (report.decisions, report.equal) == (5, 5)
    store.close()
    assert_private(tmp_path / "scoring.db")


def assert_private(path: Path) -> None:
    for one in path.parent.glob(f"{path.name}*"):
        assert stat.S_IMODE(one.stat().st_mode) & 0o077 == 0, one


@pytest.mark.parametrize(
    "key", ["x", "secret", "a" * 64, "password" * 8, "0123456789" * 4, "k" * 31, " " * 40]
)
def test_a_key_that_can_be_guessed_is_taken_by_nobody(key: str, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'scoring.db'}"
    with pytest.raises(StoreError, match=r"secrets.token_hex\(32\)"):
        Store(database, key)
    for words in (
        ("migrate",), ("purge",), ("replay",), ("monitor",), ("materialize", str(tmp_path)),
        ("person", "7", "export"), ("keys", "list"),
    ):  # fmt: skip
        done = scoring(*words, "--database", database, key=key)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert "PSEUDONYM_KEY can be guessed" in done.stderr
    assert not (tmp_path / "scoring.db").exists()


def test_a_service_does_not_start_with_a_key_that_can_be_guessed(
    small_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="PSEUDONYM_KEY can be guessed"):
        create_app(serving.settings(small_model, tmp_path, pseudonym_key="x"))


def test_another_key_than_that_of_before_is_refused(store: Store, database_url: str) -> None:
    """With it nobody would be found, and everybody would get a second pseudonym."""
    for _ in range(2):
        known = Store(database_url, KEY)
        known.decisions.record([prediction(applicant=known.pseudonyms.applicant(7))])
        known.close()
    other = Store(database_url, KEY[::-1])
    uses: list[Callable[[], object]] = [
        lambda: other.decisions.record([prediction()]), other.check, other.migrate,
        other.models.policy, lambda: other.privacy.erase(7), lambda: other.privacy.on_record(7),
        lambda: other.applicants.of([7]),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(StoreError, match="PSEUDONYM_KEY is not the key"):
            use()
    other.close()
    assert len(list(store.decisions.search())) == 2


def test_who_was_on_record_before_there_was_a_key_is_put_under_pseudonyms(
    database_url: str,
    person: tuple[dict[str, Any], list[int]],
    own_dataset: Dataset,
    small_model: Path,
    tmp_path: Path,
) -> None:
    body, loans = person
    before = Store(database_url)
    before.migrate()
    assert (
        scoring("materialize", str(own_dataset.folder), "--database", database_url).exit_code == 0
    )
    found = serving.settings(small_model, tmp_path / "own", database_url=database_url)
    headers = {"Idempotency-Key": "k-1"}
    with serving.running_app(found) as app:
        first = app.test_client().post("/predict", json=body, headers=headers).json
        outcome = Outcome(str(NUMBER), first["id"], True, NOW, NOW, "loopback")
        before.outcomes.record([outcome])
    told = scoring("migrate", "--database", database_url, key=KEY)
    assert "2 decisions and applicants on record from before PSEUDONYM_KEY" in told.stderr
    assert scoring("migrate", "--pseudonymise", "--database", database_url).exit_code == 1
    done = scoring("migrate", "--pseudonymise", "--database", database_url, key=KEY)
    assert "2 decisions and applicants have pseudonyms now" in done.stdout
    store = Store(database_url, KEY)
    (kept,) = store.decisions.search(applicant=store.pseudonyms.applicant(NUMBER))
    known = store.applicants.find(NUMBER)
    assert kept.rows is not None
    assert known is not None
    texts = (zlib.decompress(kept.rows), zlib.decompress(known.rows), repr(kept).encode())
    numbers = [str(number).encode() for number in (NUMBER, *loans)]
    assert not any(number in text for number in numbers for text in texts)
    again = store.outcomes.find(kept.id)
    assert again is not None
    assert again.applicant == kept.applicant
    assert replay(store).equal == 1
    with serving.running_app(replace(found, pseudonym_key=KEY)) as app:
        client = app.test_client()
        assert client.post("/predict", json=body, headers=headers).json["id"] == first["id"]
        by_number = client.post("/predict", json={"SK_ID_CURR": NUMBER}).json
    assert by_number["probability_of_default"] == first["probability_of_default"]
    assert "PSEUDONYM_KEY is not set" in scoring("migrate", "--database", database_url).stderr
    store.close()
    before.close()
    if database_url.startswith("sqlite"):
        held = b"".join(path.read_bytes() for path in tmp_path.glob("scoring.db*"))
        assert str(NUMBER).encode() not in held


def test_who_came_again_under_a_pseudonym_is_converted_all_the_same(store: Store) -> None:
    hidden = Store(store._url.render_as_string(hide_password=False), KEY)
    key = hidden.pseudonyms.concealed("k")
    old = prediction(applicant="7", idempotency_key="k", rows=None)
    new = prediction(applicant=hidden.pseudonyms.applicant(7), idempotency_key=key, rows=None)
    store.decisions.record([old])
    hidden.decisions.record([new])
    for one, dataset in ((store, "old"), (hidden, "new")):
        one.applicants.put([OnlineApplicant(7, "2", b"", b"", dataset, NOW)])
    assert hidden.privacy.pseudonymise() == 2
    assert hidden.decisions.answered("loopback", "k") == new
    found = hidden.decisions.find(old.id)
    assert found is not None
    assert (found.applicant, found.idempotency_key) == (new.applicant, None)
    known = hidden.applicants.find(7)
    assert known is not None
    assert known.dataset == "new"
    assert store.applicants.find(7) is None
    hidden.close()


def test_no_two_pseudonyms_get_one_number(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applicants_module, "_NUMBERS", 7)
    names = [f"p-{number}" for number in range(4)]
    first = store.applicants.assign_stand_ins(names, taken={1_000_000_003})
    assert len({*first.values(), 1_000_000_003}) == 5
    more = store.applicants.assign_stand_ins(["p-a", "p-b", *names], taken=())
    assert {name: more[name] for name in names} == first
    assert len(set(more.values())) == 6
    assert store.applicants.stand_ins() == more


def lived(store: Store, body: dict[str, Any], number: int = NUMBER) -> str:
    """A decision on somebody, with everything that can hang on it."""
    rows = zlib.compress(json.dumps(body).encode())
    made = prediction(
        applicant=store.pseudonyms.applicant(number), rows=rows, features=b"",
        idempotency_key=new_id(), request_id=f"r-{number}", reasons='[{"value": 4711}]',
    )  # fmt: skip
    store.decisions.record([made])
    store.outcomes.override(
        Override(made.id, "accept", "Zoë", f"{number} told me", NOW, "loopback")
    )
    outcome = Outcome(made.applicant, made.id, True, NOW, NOW, "loopback")
    store.outcomes.record([outcome])
    store.outcomes.record([replace(outcome, defaulted=False)])
    known = OnlineApplicant(number, "2", b"", rows, "d" * 64, NOW)
    store.applicants.put([known])
    return made.id


@pytest.mark.parametrize("key", [None, KEY])
def test_a_person_is_told_and_erased_and_nobody_else(
    database_url: str,
    key: str | None,
    person: tuple[dict[str, Any], list[int]],
    own_dataset: Dataset,
    sample: Dataset,
    tmp_path: Path,
) -> None:
    body, _ = person
    store = Store(database_url, key)
    store.migrate()
    number, other = lived(store, body), lived(store, body, 7)
    versions = DataVersions.beside(tmp_path / "mlruns")
    versions.keep(own_dataset)
    versions.keep(sample)
    uses = HoldoutUses(tmp_path / "mlruns")
    uses.look([NUMBER, 7], "a")
    words = ("--database", database_url, "--mlruns", str(tmp_path / "mlruns"))
    out = tmp_path / "person.json"
    done = scoring("person", str(NUMBER), "export", "--out", str(out), *words, key=key)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    told = json.loads(out.read_text())
    assert told["applicant"] == NUMBER
    assert [one["id"] for one in told["predictions"]] == [number]
    assert told["predictions"][0]["reasons"] == [{"value": 4711}]
    assert told["looks_in_the_hold_out"] == 1
    counts = [
        len(told[name]) for name in ("overrides", "outcomes", "outcome_history", "applicants")
    ]
    assert counts == [1, 1, 1, 1]
    assert told["applicants"][0]["rows"]["bureau"]
    kept = told["kept_data"][own_dataset.digest]
    assert kept["application_train.parquet"][0]["SK_ID_CURR"] == NUMBER
    assert len(kept["bureau.parquet"]) == len(body["bureau"])
    asked = scoring("person", str(NUMBER), "erase", *words, key=key, answer="n\n")
    assert asked.exit_code == 1
    assert store.applicants.find(NUMBER) is not None
    done = scoring("person", str(NUMBER), "erase", "--yes", *words, key=key)
    assert done.exit_code == 0, done.output
    assert "1 decisions as logs" in done.stdout
    assert "(EU) 2024/1689, Article 26(6)" in done.stdout
    assert_erased(store, number)
    assert_untouched(store, other, versions, sample)
    assert versions.check(own_dataset.digest).erased == 1
    assert uses.times() == {7: 1}
    with versions.opened(own_dataset.digest) as dataset:
        assert not any(dataset.rows(name.removesuffix(".parquet")) for name in kept)
    if database_url.startswith("sqlite"):
        out.unlink()
        held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert not any(spelling in held for spelling in spellings(NUMBER))
    store.close()


def assert_erased(store: Store, number: str) -> None:
    left = store.decisions.find(number)
    assert left is not None
    assert (left.applicant, left.rows, left.features, left.reasons) == ("erased", None, b"", "[]")
    assert (left.request_id, left.request_sha256, left.idempotency_key) == ("", "", None)
    assert (left.pd, left.decision) == (0.1 + 0.2, "refuse")
    (override,) = store.outcomes.overrides(number)
    assert (override.decision, override.actor, override.motive) == ("accept", "erased", "erased")
    assert store.applicants.find(NUMBER) is None
    assert not any(rows for rows in store.privacy.on_record(NUMBER).values())
    report = replay(store)
    assert (report.decisions, report.erased) == (2, 1)
    # It is neither learnt from nor looked at by monitoring.
    assert [one.id for one in store.windows.labelled(NOW + timedelta(days=1))] != []
    assert number not in {one.id for one in store.windows.labelled(NOW + timedelta(days=1))}
    assert list(store.windows.details([number])) == [[]]


def assert_untouched(store: Store, other: str, versions: DataVersions, sample: Dataset) -> None:
    kept = store.decisions.find(other)
    assert kept is not None
    assert kept.rows is not None
    assert store.applicants.find(7) is not None
    assert versions.check(sample.digest).erased == 0


def test_an_erased_decision_is_told_as_one(
    small_model: Path, person: tuple[dict[str, Any], list[int]], tmp_path: Path
) -> None:
    body, _ = person
    with serving.running_app(serving.settings(small_model, tmp_path)) as app:
        client, store = app.test_client(), app.extensions["service"].store
        made = client.post("/predict", json=body).json
        store.privacy.erase(NUMBER)
        told = client.get(f"/predictions/{made['id']}").json
        assert (told["applicant"], told["reasons"]) == ("erased", [])
        gone = client.get(f"/predictions/{made['id']}/explanation")
        assert (gone.status_code, "erased" in gone.json["detail"]) == (410, True)
    done = scoring("replay", "--database", f"sqlite:///{tmp_path / 'scoring.db'}")
    assert done.exit_code == 0
    assert done.stdout.endswith("0 not to be computed, 1 erased\n")


def test_pseudonyms_are_not_erased_without_their_key(own_dataset: Dataset, tmp_path: Path) -> None:
    database, mlruns = f"sqlite:///{tmp_path / 'scoring.db'}", tmp_path / "mlruns"
    store = Store(database, KEY)
    store.migrate()
    store.decisions.record([prediction(applicant=store.pseudonyms.applicant(NUMBER))])
    stand_in = store.applicants.assign_stand_ins([store.pseudonyms.applicant(NUMBER)], ())
    assert store.privacy.numbers_of(NUMBER) == [NUMBER, *stand_in.values()]
    store.close()
    DataVersions.beside(mlruns).keep(own_dataset)
    words = ("person", str(NUMBER), "erase", "--yes", "--database", database)
    done = scoring(*words, "--mlruns", str(mlruns))
    assert done.exit_code == 1
    assert "PSEUDONYM_KEY is not set" in done.stderr
    # Nothing is half done.
    assert DataVersions.beside(mlruns).about([NUMBER])


def test_purge_reaches_what_is_old_and_leaves_what_is_in_use(store: Store) -> None:
    now, old = NOW, NOW - timedelta(days=200)
    used, idle, dropped = ("a" * 64, "b" * 64, "c" * 64)
    with store.writing() as connection:
        from scoring.store.schema import archives

        for digest in (used, idle, dropped):
            row = {"digest": digest, "name": "m", "version": "1", "content": b"model"}
            connection.execute(archives.insert(), [{**row, "archived_at": old}])
    for digest in (dropped, idle):
        store.models.add_event(ModelEvent(old, "loaded", digest, "1", "champion", "", ""))
    store.decisions.record([prediction(at=now, applicant="1", model_digest=used)])
    at = {1: old, 2: old, 3: now}
    store.applicants.put([OnlineApplicant(one, "2", b"", b"", "d" * 64, at[one]) for one in at])
    alert = Alert("psi", "warning", "1", used, old, old, 1.0, 0.2, "m", "a")
    store.alerts.update([alert], {used: ["psi"]}, old)
    store.alerts.update([], {used: ["psi"]}, old)
    store.alerts.update([replace(alert, rule="auc")], {used: ["auc"]}, old)
    store.reports.keep(Report("monitoring", old, b"{}", b""))
    for why in ("first", "second"):
        store.models.set_policy(Policy("shadow"), "Zoë", why)
    with store.writing() as connection:
        from scoring.store.schema import policies

        connection.execute(policies.update().values(at=old))
    counts = store.retention.purge(timedelta(days=190), now)
    assert {name: count for name, count in counts.items() if count} == {
        "events": 1, "alerts": 1, "reports": 1, "policies": 1, "applicants": 1, "archives": 1,
    }  # fmt: skip
    assert {one.model_digest for one in store.models.events() if one.kind == "loaded"} == {idle}
    assert [one.alert.rule for one in store.alerts.latest()] == ["auc"]
    assert store.models.policy() == Policy("shadow")
    assert store.applicants.of([1, 2, 3]).keys() == {1, 3}
    for digest, there in ((used, True), (idle, True), (dropped, False)):
        with store.reading() as connection:
            own = archives.select().where(archives.c.digest == digest)
            assert (connection.execute(own).first() is not None) == there


def test_purge_reaches_datasets_that_a_retraining_made(sample: Dataset, tmp_path: Path) -> None:
    versions = DataVersions.beside(tmp_path / "mlruns")
    versions.keep(sample, Addition("a" * 64, 1, NOW.isoformat(), NOW.isoformat()))
    path = tmp_path / "mlruns" / "data" / "versions" / f"{sample.digest}.json"
    words = (
        "--database", f"sqlite:///{tmp_path / 'scoring.db'}", "--mlruns", str(tmp_path / "mlruns"),
    )  # fmt: skip
    assert scoring("purge", *words).exit_code == 0
    assert path.exists()
    entry = json.loads(path.read_text())
    path.write_text(json.dumps({**entry, "kept_at": "2020-01-01T00:00:00+00:00"}))
    done = scoring("purge", *words)
    assert done.exit_code == 0, done.output
    assert "kept data                   1 deleted" in done.stdout
    assert not any((tmp_path / "mlruns" / "data" / "objects").iterdir())


@pytest.mark.parametrize("recording", [False, True])
def test_a_clock_that_jumps_deletes_no_young_decision(
    database_url: str, recording: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = Store(database_url)
    store.migrate()
    young = [prediction(at=NOW - timedelta(days=days)) for days in range(30)]
    store.decisions.record(young)

    class Jumped(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return (NOW + timedelta(days=400)).astimezone(tz)

    if recording:
        store.decisions.record([prediction(at=Jumped.now(UTC))])
    monkeypatch.setattr("scoring.store.retention.datetime", Jumped)
    purge = ("purge", "--mlruns", str(tmp_path), "--database", database_url)
    done = scoring(*purge)
    assert done.exit_code == 1
    assert "may have jumped" in done.stderr
    assert "--now" in done.stderr
    assert len(list(store.decisions.search())) == 30 + recording
    done = scoring(*purge, "--now", NOW.isoformat())
    assert done.exit_code == 0, done.output
    assert len(list(store.decisions.search())) == 30 + recording
    store.close()


def test_what_is_purged_is_neither_in_the_file_nor_in_its_journal(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'scoring.db'}")
    store.migrate()
    old = NOW - timedelta(days=200)
    store.decisions.record([prediction(at=old, applicant=str(NUMBER)) for _ in range(50)])
    # The service goes on: nobody else closes the file.
    store.retention.purge(timedelta(days=190), NOW)
    held = b"".join(path.read_bytes() for path in tmp_path.glob("scoring.db*"))
    assert str(NUMBER).encode() not in held
    assert_private(tmp_path / "scoring.db")
    store.close()


def test_files_are_their_owners_alone_also_those_of_before(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    before = os.umask(0)
    try:
        store = Store(f"sqlite:///{folder / 'scoring.db'}")
        store.migrate()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert_private(folder / "scoring.db")
        for path in folder.iterdir():
            path.chmod(0o666)
        again = Store(f"sqlite:///{folder / 'scoring.db'}")
        again.migrate()
        assert_private(folder / "scoring.db")
        again.close()
        store.close()
    finally:
        os.umask(before)


def test_features_survive_other_numbers_of_loans(
    small_model: Path, person: tuple[dict[str, Any], list[int]], tmp_path: Path
) -> None:
    """Loans whose dates are equal are told apart by their numbers: the order stays."""
    body, _ = person
    tied = json.loads(json.dumps(body))
    for rows in (tied["bureau"], tied["previous_application"]):
        for row in rows:
            row |= {name: -100 for name in ("DAYS_CREDIT", "DAYS_DECISION") if name in row}
    vectors = []
    for key in (None, KEY):
        found = serving.settings(small_model, tmp_path / str(key)[:4], pseudonym_key=key)
        with serving.running_app(found) as app:
            assert app.test_client().post("/predict", json=tied).status_code == 200
            (kept,) = app.extensions["service"].store.decisions.search()
            vectors.append(from_bytes(kept.features).tobytes())
            assert replay(app.extensions["service"].store).equal == 1
    assert vectors[0] == vectors[1]
