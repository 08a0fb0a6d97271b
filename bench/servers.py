"""The servers that are measured, each started for a while on a free port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.load import BenchError
from scoring.serving.local import free_port

_START_SECONDS = 120.0
_GUNICORN = ("-m", "gunicorn", "--config", "api/gunicorn.conf.py")


@contextmanager
def api(folder: Path, model: Path, database: str, workers: int) -> Iterator[str]:
    """Start the API as it is deployed, and yield its address."""
    environment = {
        "MODEL_DIR": str(model.resolve()),
        "DATABASE_URL": database,
        "RATE_LIMIT": "100000000/minute",
        "WHAT_IF_LIMIT": "100000000/minute",
        "WEB_CONCURRENCY": str(workers),
    }
    with _running(_GUNICORN, environment, folder / "api.log", "/ready") as url:
        yield url


@contextmanager
def echo(folder: Path, workers: int) -> Iterator[str]:
    """Start the bare Flask echo: the same gunicorn settings, but gunicorn's own kind of worker."""
    environment = {"WEB_CONCURRENCY": str(workers)}
    command = (*_GUNICORN, "--worker-class", "gthread", "bench.echo:app")
    with _running(command, environment, folder / "echo.log", "/predict") as url:
        yield url


@contextmanager
def mlflow(folder: Path, model: str, workers: int) -> Iterator[str]:
    """Start the same model behind `mlflow models serve`: it takes features and gives no reasons."""
    port = free_port()
    command = (
        "-m", "mlflow", "models", "serve", "--model-uri", model, "--env-manager", "local",
        "--port", str(port), "--workers", str(workers),
    )  # fmt: skip
    # It calls uvicorn by its name.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"MLFLOW_TRACKING_URI": "sqlite:///mlruns/mlflow.db", "PATH": path}
    with _running(command, environment, folder / "mlflow.log", "/ping", port) as url:
        yield url


@contextmanager
def _running(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    ready: str,
    port: int | None = None,
) -> Iterator[str]:
    port = port or free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "PORT": str(port), **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(f"{url}{ready}", process, log)
        yield url
    finally:
        # Those that it started too: not all servers hand a signal on.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own address
        except urllib.error.HTTPError as error:
            # The echo answers POST only, which shows that it is there.
            if error.code == 405:
                return
            time.sleep(0.1)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise BenchError(f"{url} did not answer:\n{log.read_text(errors='replace')[-2000:]}")
