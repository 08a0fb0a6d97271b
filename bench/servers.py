"""The servers that are measured, each started for a while on a free port."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from scoring.serving.local import Server, free_port, running

_GUNICORN = ("-m", "gunicorn", "--config", "api/gunicorn.conf.py")


@contextmanager
def api(model: Path, database: str, workers: int) -> Iterator[str]:
    """Start the API as it is deployed, and yield its address."""
    environment = {
        "MODEL_DIR": str(model.resolve()),
        "DATABASE_URL": database,
        "RATE_LIMIT": "100000000/minute",
        "WHAT_IF_LIMIT": "100000000/minute",
        "WEB_CONCURRENCY": str(workers),
    }
    with _running(_GUNICORN, environment, free_port()) as url:
        yield url


@contextmanager
def echo(workers: int) -> Iterator[str]:
    """Start the bare Flask echo: the same gunicorn settings, but gunicorn's own kind of worker."""
    command = (*_GUNICORN, "--worker-class", "gthread", "bench.echo:app")
    with _running(command, {"WEB_CONCURRENCY": str(workers)}, free_port()) as url:
        yield url


@contextmanager
def mlflow(model: str, workers: int) -> Iterator[str]:
    """Start the same model behind `mlflow models serve`: it takes features and gives no reasons."""
    port = free_port()
    command = (
        "-m", "mlflow", "models", "serve", "--model-uri", model, "--env-manager", "local",
        "--port", str(port), "--workers", str(workers),
    )  # fmt: skip
    # It calls uvicorn by its name.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"MLFLOW_TRACKING_URI": "sqlite:///mlruns/mlflow.db", "PATH": path}
    with _running(command, environment, port, "/ping") as url:
        yield url


@contextmanager
def _running(
    command: tuple[str, ...], environment: Mapping[str, str], port: int, ready: str = "/ready"
) -> Iterator[str]:
    url = f"http://127.0.0.1:{port}"
    settings = {"PORT": str(port), **environment}
    with running(Server(command[1], (sys.executable, *command), settings, port, f"{url}{ready}")):
        yield url
