"""Where models come from: folders replaced while they are read, a real MLflow server, bad ones."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
from mlflow.tracking import MlflowClient

from api.models import sources
from api.models.sources import Alias, FolderSource, FoundModel, RegistrySource, SourceError
from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, MODEL_NAME, Registry
from scoring.serving.scorer import Scorer, ScorerError
from tests.helpers.receivers import dripping
from tests.helpers.serving import free_port

# The server takes 20 s to start on a quiet machine.
STARTUP_SECONDS = 180.0


def digest_of(folder: Path) -> str:
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


@pytest.fixture
def folders(tmp_path: Path) -> dict[Alias, Path]:
    return {"champion": tmp_path / "champion", "challenger": tmp_path / "challenger"}


@pytest.fixture
def folder_source(folders: dict[Alias, Path]) -> FolderSource:
    return FolderSource(folders)


def test_a_folder_that_is_not_there_or_empty_has_no_model(
    folder_source: FolderSource, folders: dict[Alias, Path]
) -> None:
    assert folder_source.find("champion") is None
    folders["champion"].mkdir()
    assert folder_source.find("champion") is None
    assert folder_source.remembered("champion") is None


def test_a_file_in_the_place_of_a_folder_is_an_error(
    folder_source: FolderSource, folders: dict[Alias, Path]
) -> None:
    folders["champion"].write_text("no folder")
    with pytest.raises(SourceError, match=r"champion cannot be read"):
        folder_source.find("champion")


def test_a_model_is_known_by_its_manifest_and_noticed_when_a_file_changes(
    folder_source: FolderSource, folders: dict[Alias, Path], scorer: Scorer
) -> None:
    folder = folders["champion"]
    scorer.save(folder)
    first = folder_source.find("champion")
    assert first is not None
    assert first.digest == digest_of(folder)
    assert folder_source.find("champion") == first
    assert folder_source.find("challenger") is None
    (folder / "model.txt").write_text("something else")
    touched = folder_source.find("champion")
    assert touched is not None
    assert touched.digest == first.digest
    assert touched != first
    replace(scorer, version="7").save(folder)
    other = folder_source.find("champion")
    assert other is not None
    assert other.digest == digest_of(folder) != first.digest
    shutil.rmtree(folder)
    assert folder_source.find("champion") is None


def test_what_is_fetched_outlives_its_folder(
    folder_source: FolderSource, folders: dict[Alias, Path], banded_scorer: Scorer
) -> None:
    banded_scorer.save(folders["champion"])
    found = folder_source.find("champion")
    assert found is not None
    with folder_source.fetched("champion", found) as copy:
        shutil.rmtree(folders["champion"])
        assert Scorer.load(copy) == banded_scorer
    assert not copy.exists()


def test_another_model_than_the_one_that_was_found_is_not_fetched(
    folder_source: FolderSource, folders: dict[Alias, Path], scorer: Scorer
) -> None:
    scorer.save(folders["champion"])
    found = folder_source.find("champion")
    assert found is not None
    replace(scorer, version="2").save(folders["champion"])
    with (
        pytest.raises(SourceError, match="while it was read"),
        folder_source.fetched("champion", found),
    ):
        pass
    shutil.rmtree(folders["champion"])
    with (
        pytest.raises(SourceError, match="while it was read"),
        folder_source.fetched("champion", found),
    ):
        pass


def test_an_error_names_the_folder_that_is_served(
    folder_source: FolderSource, folders: dict[Alias, Path], scorer: Scorer
) -> None:
    scorer.save(folders["champion"])
    (folders["champion"] / "manifest.json").unlink()
    found = folder_source.find("champion")
    assert found is not None
    assert found.digest == ""
    told = rf"{folders['champion']}: no readable manifest.json"
    with (
        pytest.raises(ScorerError, match=told),
        folder_source.fetched("champion", found) as copy,
    ):
        Scorer.load(copy)


def test_a_folder_that_is_replaced_all_the_time_is_always_read_whole(
    folder_source: FolderSource, folders: dict[Alias, Path], scorer: Scorer
) -> None:
    """Never missing, never a mixture: exports go on while the folder is looked at."""
    models = [replace(scorer, version=str(number)) for number in range(2)]
    models[0].save(folders["champion"])
    done = threading.Event()

    def export() -> int:
        number = 0
        while not done.is_set():
            number += 1
            models[number % 2].save(folders["champion"])
        return number

    whole, replaced = 0, []
    with ThreadPoolExecutor(1) as pool:
        exporting = pool.submit(export)
        try:
            for _ in range(60):
                found = folder_source.find("champion")
                assert found is not None
                try:
                    with folder_source.fetched("champion", found) as copy:
                        assert Scorer.load(copy) in models
                        whole += 1
                except SourceError as error:
                    replaced.append(str(error))
        finally:
            done.set()
        assert exporting.result() > 20
    assert whole > 0
    assert all("while it was read" in told for told in replaced)


@dataclass(frozen=True)
class Server:
    """A running MLflow server, and the registry behind it."""

    url: str
    registry: Registry


@contextmanager
def running_mlflow(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "proxied"), "--workers", "1",
    ]  # fmt: skip
    # Nothing is run on a schedule here, and what would run it takes seconds to start.
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment = {**os.environ, **quiet}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + STARTUP_SECONDS
        while not _answers(f"{url}/health"):
            assert server.poll() is None, (folder / "log").read_text(errors="replace")
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield url
    finally:
        # Its workers are in its process group, and nothing is worth their long farewells.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An MLflow server on a registry that a training would leave behind."""
    before = mlflow.get_tracking_uri()
    folder = tmp_path_factory.mktemp("mlflow")
    registry = Registry(folder)
    with running_mlflow(folder) as url:
        yield Server(url, registry)
    mlflow.set_tracking_uri(before)


def registered(server: Server, scorer: Scorer, name: str) -> Scorer:
    """Register a model as a training does: a file of the server's that it hands out."""
    mlflow.set_tracking_uri(server.registry.uri)
    with server.registry.run(name, {}):
        return server.registry.register(replace(scorer, name=name))


def registered_through(server: Server, scorer: Scorer, name: str, folder: Path) -> Scorer:
    """Register a model from elsewhere: its files go through the server, too."""
    client = MlflowClient(server.url)
    experiment = client.create_experiment(name)
    assert client.get_experiment(experiment).artifact_location.startswith("mlflow-artifacts:")
    own = replace(scorer, name=name, version="1")
    own.save(folder)
    mlflow.set_tracking_uri(server.url)
    with mlflow.start_run(experiment_id=experiment) as run:
        info = mlflow.pyfunc.log_model(
            name="model", loader_module="scoring.serving.pyfunc", data_path=str(folder),
            pip_requirements=["lightgbm"],
        )  # fmt: skip
    client.create_registered_model(name)
    client.create_model_version(
        name, info.model_uri, run_id=run.info.run_id, model_id=info.model_id,
        tags={"manifest_sha256": digest_of(folder)},
    )  # fmt: skip
    client.set_registered_model_alias(name, CHAMPION, "1")
    return own


@pytest.fixture(scope="module")
def challenger(server: Server, scorer: Scorer) -> Scorer:
    """Registered, and the challenger; there is no champion."""
    return registered(server, scorer, MODEL_NAME)


def fetch(source: RegistrySource, alias: Alias) -> Scorer:
    found = source.find(alias)
    assert found is not None
    with source.fetched(alias, found) as folder:
        assert digest_of(folder) == found.digest
        return Scorer.load(folder)


def test_an_alias_is_found_on_the_server_and_fetched(
    server: Server, challenger: Scorer, tmp_path: Path
) -> None:
    source = RegistrySource(server.url, MODEL_NAME, tmp_path / "cache")
    found = source.find("challenger")
    tags = server.registry.tags(challenger.version)
    assert found == FoundModel(tags["manifest_sha256"], challenger.version)
    assert fetch(source, "challenger") == challenger


def test_an_alias_or_a_model_that_is_not_there_is_not_found(
    server: Server, challenger: Scorer, tmp_path: Path
) -> None:
    assert challenger.name == MODEL_NAME
    assert RegistrySource(server.url, MODEL_NAME, tmp_path).find("champion") is None
    assert RegistrySource(server.url, "no-such-model", tmp_path).find("champion") is None


def test_files_that_are_kept_behind_the_server_are_fetched_through_it(
    server: Server, banded_scorer: Scorer, tmp_path: Path
) -> None:
    own = registered_through(server, banded_scorer, "from-elsewhere", tmp_path / "scorer")
    source = RegistrySource(f"{server.url}/", own.name, tmp_path / "cache")
    assert fetch(source, "champion") == own


def test_an_alias_that_moves_is_followed_and_the_last_few_models_are_kept(
    server: Server, scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> set[str]:
        return {Scorer.load(path.parent).version for path in tmp_path.glob("*/manifest.json")}

    monkeypatch.setattr(sources, "_KEPT", 2)
    source = RegistrySource(server.url, "moving", tmp_path)
    for _ in range(3):
        own = registered(server, scorer, "moving")
        assert fetch(source, "challenger") == own
    assert kept() == {"2", "3"}
    server.registry.client.set_registered_model_alias("moving", CHALLENGER, "1")
    assert fetch(source, "challenger").version == "1"
    assert kept() == {"1", "3"}


def test_what_was_fetched_serves_without_the_server(
    server: Server, challenger: Scorer, tmp_path: Path
) -> None:
    source = RegistrySource(server.url, MODEL_NAME, tmp_path / "cache")
    assert source.remembered("challenger") is None
    assert fetch(source, "challenger") == challenger
    gone = RegistrySource(f"http://127.0.0.1:{free_port()}", MODEL_NAME, tmp_path / "cache")
    with pytest.raises(SourceError, match="refused"):
        gone.find("challenger")
    remembered = gone.remembered("challenger")
    assert remembered == source.find("challenger")
    assert gone.remembered("champion") is None
    with gone.fetched("challenger", remembered) as folder:
        assert Scorer.load(folder) == challenger


def test_a_damaged_copy_is_fetched_anew(server: Server, challenger: Scorer, tmp_path: Path) -> None:
    source = RegistrySource(server.url, MODEL_NAME, tmp_path / "cache")
    assert fetch(source, "challenger") == challenger
    (path,) = (tmp_path / "cache").glob("*/model.txt")
    path.write_text(path.read_text()[:1_000])
    assert fetch(source, "challenger") == challenger


def test_a_download_that_is_gone_when_it_is_looked_at_is_passed_over(
    server: Server, challenger: Scorer, tmp_path: Path
) -> None:
    gone = tmp_path / "cache" / ".download-gone"
    gone.parent.mkdir()
    gone.symlink_to(tmp_path / "nowhere")
    assert fetch(RegistrySource(server.url, MODEL_NAME, tmp_path / "cache"), "challenger") == (
        challenger
    )


def test_workers_that_start_at_once_all_get_the_whole_model(
    server: Server, challenger: Scorer, tmp_path: Path
) -> None:
    def start(_: int) -> Scorer:
        return fetch(RegistrySource(server.url, MODEL_NAME, tmp_path / "cache"), "challenger")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [challenger] * 4
    kept = {path.name for path in (tmp_path / "cache").iterdir()}
    assert kept == {server.registry.tags("1")["manifest_sha256"], "challenger.json", ".lock"}


@pytest.mark.parametrize("consistent", [False, True])
def test_files_that_were_changed_on_the_server_are_refused(
    server: Server, scorer: Scorer, tmp_path: Path, consistent: bool
) -> None:
    """Also where the manifest was changed to fit them: the registry noted it."""
    own = registered(server, scorer, f"tampered-{consistent}")
    kept = server.registry.client.get_model_version_download_uri(own.name, own.version)
    path = Path(kept.removeprefix("file://")) / "data" / "scorer"
    if consistent:
        replace(own, cutoff=0.9, refer_band=(0.9, 0.9)).save(path)
    else:
        (path / "model.txt").write_text(own.model.text + "\n")
    source = RegistrySource(server.url, own.name, tmp_path)
    found = source.find("challenger")
    assert found is not None
    for _ in range(2):
        with (
            pytest.raises(ScorerError, match=r"not those that were registered|model\.txt"),
            source.fetched("challenger", found),
        ):
            pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_version_without_a_seal_is_not_taken(
    server: Server, scorer: Scorer, tmp_path: Path
) -> None:
    own = registered(server, scorer, "unsealed")
    server.registry.client.delete_model_version_tag(own.name, own.version, "manifest_sha256")
    with pytest.raises(SourceError, match="train the model again"):
        RegistrySource(server.url, own.name, tmp_path).find("challenger")


def test_a_model_of_another_kind_is_refused(server: Server, tmp_path: Path) -> None:
    client = MlflowClient(server.url)
    client.create_registered_model("other")
    run = client.create_run(client.create_experiment("other")).info
    client.log_text(run.run_id, "flavors:\n  sklearn:\n    pickled_model: m.pkl\n", "m/MLmodel")
    source = f"{run.artifact_uri}/m"
    client.create_model_version("other", source, run.run_id, tags={"manifest_sha256": "0" * 64})
    client.set_registered_model_alias("other", CHAMPION, "1")
    registry = RegistrySource(server.url, "other", tmp_path)
    found = registry.find("champion")
    assert found is not None
    with pytest.raises(ScorerError, match="no Scorer"), registry.fetched("champion", found):
        pass


@contextmanager
def answering(answers: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, Any]]:
    """A server that answers by the last word of the address; also what it was asked."""
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            word = self.path.rpartition("=")[2].rpartition("%2F")[2]
            status, headers, body = answers.get(word, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_mlflows_check_of_hosts_is_told_with_the_mend(server: Server, tmp_path: Path) -> None:
    source = RegistrySource(server.url, MODEL_NAME, tmp_path)
    source._headers["Host"] = "elsewhere.example"
    with pytest.raises(SourceError) as refused:
        source.find("champion")
    assert "HTTP 403 (Invalid Host header" in str(refused.value)
    assert "--allowed-hosts" in str(refused.value)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b"You are not authenticated.\nPlease", "(You are not authenticated.): give"),
        (403, b'{"error_code": "X", "message": "No\\nmore"}', "(No): let it answer"),
        (404, b"<html><style>\np {}</style>\n<h1>No <b>page</b></h1></html>", "(No page): MODEL"),
        (404, b"", "(Not Found): MODEL_REGISTRY must be the address"),
        (302, b"", "(Found): MODEL_REGISTRY must be the address"),
        (503, b"\xff upstream", "upstream): its own log tells more"),
        (500, b"[1]", "([1]): its own log tells more"),
    ],
)  # fmt: skip
def test_a_refusal_is_told_by_its_first_line_with_the_mend(
    tmp_path: Path, status: int, body: bytes, told: str
) -> None:
    with answering({"champion": (status, {}, body)}) as (url, _):
        source = RegistrySource(url, MODEL_NAME, tmp_path)
        with pytest.raises(SourceError) as refused:
            source.find("champion")
    assert told in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_server_that_is_down_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"refused.*is the server up"):
        RegistrySource("http://127.0.0.1:1", MODEL_NAME, tmp_path).find("champion")


def version(digest: str) -> tuple[int, dict[str, str], bytes]:
    tags = [{"key": "manifest_sha256", "value": digest}]
    return 200, {}, json.dumps({"model_version": {"version": "1", "tags": tags}}).encode()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, {}, b"<html>"), "not what MLflow answers"),
        ((200, {}, b"[]"), "not what MLflow answers"),
        ((200, {}, b'{"model_version": {"tags": 3}}'), "not what MLflow answers"),
        ((500, {}, b"trouble"), "500"),
        ((400, {}, b"not found"), "400"),
        ((400, {}, b'{"message": "the name is wrong"}'), "400"),
        ((200, {}, b"[" * 100_000), "not what MLflow answers"),
        ((200, {}, b'{"model_version": {"version": "../1", "tags": []}}'), "not what MLflow"),
        ((200, {}, b" " * 1_100_000), "larger than 1,048,576 bytes"),
        ((200, {"Content-Length": "1000"}, b'{"model_version": {}}'), "cut short"),
        ((200, {}, version("../../etc")[2]), "train the model again"),
    ],
)
def test_a_server_that_is_no_mlflow_gives_an_error(
    tmp_path: Path, answer: tuple[int, dict[str, str], bytes], told: str
) -> None:
    with answering({"champion": answer}) as (url, _):
        source = RegistrySource(url, MODEL_NAME, tmp_path)
        with pytest.raises(SourceError, match=told):
            source.find("champion")


def test_a_redirection_is_not_followed(tmp_path: Path) -> None:
    """A server must not make the service ask others in its place."""
    with answering({"champion": version("0" * 64)}) as (elsewhere, asked):
        there = {"Location": f"{elsewhere}/?alias=champion"}
        with answering({"champion": (302, there, b"")}) as (url, _):
            source = RegistrySource(url, MODEL_NAME, tmp_path)
            with pytest.raises(SourceError, match="302"):
                source.find("champion")
        assert asked == []


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", "a/b.txt", ".hidden", "a//b", ""]
)
def test_files_outside_the_model_are_never_written(tmp_path: Path, name: str) -> None:
    manifest = json.dumps({"format": 4, "files": {name: "0" * 64}}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    answers = {
        "champion": version(digest),
        "MLmodel": (200, {}, b"flavors:\n  python_function:\n    data: data/scorer\n"),
        "manifest.json": (200, {}, manifest),
    }
    with answering(answers) as (url, _):
        source = RegistrySource(url, MODEL_NAME, tmp_path / "cache")
        found = source.find("champion")
        assert found == FoundModel(digest, "1")
        with pytest.raises(ScorerError, match="no file of a model"):
            source.fetched("champion", found).__enter__()
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", ".lock"]


@pytest.mark.parametrize("answer", ["large", "all"])
def test_models_that_are_too_large_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(sources, "_LARGEST", 1_000)
    files = {"large": {"large": "0" * 64}, "all": dict.fromkeys("abc", "0" * 64)}[answer]
    manifest = json.dumps({"format": 4, "files": files}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    answers = {
        "champion": version(digest),
        "MLmodel": (200, {}, b"flavors:\n  python_function:\n    data: data/scorer\n"),
        "manifest.json": (200, {}, manifest),
        "large": (200, {}, b"x" * 1_001),
        **dict.fromkeys("abc", (200, {}, b"x" * 400)),
    }
    with answering(answers) as (url, _):
        source = RegistrySource(url, MODEL_NAME, tmp_path / "cache")
        with pytest.raises((SourceError, ScorerError), match="larger than 1,000 bytes"):
            source.fetched("champion", FoundModel(digest, "1")).__enter__()


def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SourceError, match="timed out"):
            RegistrySource(url, MODEL_NAME, tmp_path).find("champion")


@pytest.mark.parametrize(
    "begin", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
              b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"],
)  # fmt: skip
def test_a_server_that_drips_is_given_up_in_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 0.5)
    with dripping(begin) as url:
        start = time.monotonic()
        with pytest.raises(SourceError, match="timed out"):
            RegistrySource(url, MODEL_NAME, tmp_path).find("champion")
        assert time.monotonic() - start < 5.0


def test_a_download_that_drips_is_given_up_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_MODEL_SECONDS", 0.5)
    with dripping(b"HTTP/1.1 200 OK\r\n\r\n") as url:
        source = RegistrySource(url, MODEL_NAME, tmp_path)
        with pytest.raises(SourceError, match="timed out"):
            source.fetched("champion", FoundModel("0" * 64, "1")).__enter__()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    "note",
    ["", "[]", "[" * 100_000, '{"digest": 5, "state": "1"}', '{"digest": "../..", "state": "1"}',
     f'{{"digest": "{"a" * 64}", "state": "1"}}', '{"digest": "1"}', "\xff" * 9_000_000],
)  # fmt: skip
def test_a_note_that_says_nothing_sensible_is_no_model(tmp_path: Path, note: str) -> None:
    (tmp_path / "champion.json").write_text(note, encoding="latin-1")
    source = RegistrySource("http://127.0.0.1:1", MODEL_NAME, tmp_path)
    assert source.remembered("champion") is None
    (tmp_path / "champion.json").unlink()
    os.mkfifo(tmp_path / "champion.json")
    assert source.remembered("champion") is None


def test_junk_in_the_cache_keeps_no_model_away(
    server: Server, challenger: Scorer, scorer: Scorer, tmp_path: Path
) -> None:
    """Files for folders, pipes for files, another model under the name of the right one."""
    digest = server.registry.tags(challenger.version)["manifest_sha256"]
    source = RegistrySource(server.url, MODEL_NAME, tmp_path)
    os.mkfifo(tmp_path / ".lock")
    (tmp_path / "challenger.json").mkdir()
    (tmp_path / digest).write_text("no folder")
    assert fetch(source, "challenger") == challenger
    shutil.rmtree(tmp_path / digest)
    replace(scorer, version="99", cutoff=0.5, refer_band=(0.5, 0.5)).save(tmp_path / digest)
    assert fetch(source, "challenger") == challenger
    (tmp_path / digest / "model.txt").unlink()
    os.mkfifo(tmp_path / digest / "model.txt")
    assert fetch(source, "challenger") == challenger


def test_a_cache_that_somebody_holds_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_SILENCE_SECONDS", 0.1)
    source = RegistrySource("http://127.0.0.1:1", MODEL_NAME, tmp_path)
    with (tmp_path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="cannot be read"):
            source.fetched("champion", FoundModel("0" * 64, "1")).__enter__()


def test_a_password_is_sent_and_never_told(tmp_path: Path) -> None:
    with answering({"champion": version("0" * 64)}) as (url, asked):
        source = RegistrySource(
            url.replace("//", "//ana:se%40cret@"), MODEL_NAME, tmp_path / "cache"
        )
        assert source.find("champion") == FoundModel("0" * 64, "1")
        ((_, headers),) = asked
        # ana:se@cret in base 64.
        assert headers["Authorization"] == "Basic YW5hOnNlQGNyZXQ="
        with pytest.raises(SourceError) as refused:
            source.fetched("champion", FoundModel("1" * 64, "1")).__enter__()
    assert "cret" not in str(refused.value)
    assert "404" in str(refused.value)


@pytest.mark.parametrize(
    "uri", ["http://h:99999", "file:///etc/passwd", "ftp://host/x", "sqlite:///x.db", "http://"]
)
def test_only_addresses_of_http_are_asked(tmp_path: Path, uri: str) -> None:
    with pytest.raises(SourceError, match="http"):
        RegistrySource(uri, MODEL_NAME, tmp_path)
