"""How gunicorn serves the API: `python -m api`."""

# The name is the one that gunicorn gives its own.
# ruff: noqa: N999

import fcntl
import gc
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from api.settings import Settings, SettingsError

# The worker waits for its models itself, and says meanwhile that it lives (`post_worker_init`).
wsgi_app = "api:create_app(patience=0)"

# Loopback unless told otherwise: whoever opens the service to a network says so with HOST.
try:
    _settings = Settings.from_environment()
except SettingsError as error:
    raise SystemExit(f"error: {error}") from None
bind = f"{f'[{_settings.host}]' if ':' in _settings.host else _settings.host}:{_settings.port}"
workers = _settings.workers

# Each worker makes its own app, so that the model is loaded after the fork: threads of Polars and
# OpenMP do not survive one.
preload_app = False
# Threads wait for the model and the database together, so that their work is done in batches, and
# for no client.
worker_class = "api.worker.Worker"
threads = _settings.threads
# Below the files that a process may usually open.
worker_connections = 500
# Only proxies that are named may say where a request came from and how, and none moves paths.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "")
forwarder_headers = ""
keepalive = 75
# A platform's routers give up after 30 s; nothing here should take a tenth of it.
timeout = 30
# An idle connection that a client keeps open holds the end up for all of this time.
graceful_timeout = 5
# It would be a socket in the home folder, shared by every gunicorn of this user.
control_socket_disable = True

# One applicant's rows are too few to share between threads, and workers share the cores.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# For models to be there before the first request, and between two signs of life meanwhile.
_PATIENCE_SECONDS, _NOTICE_SECONDS = 15.0, 0.5

# Where prometheus_client keeps figures of several processes; it reads this when it is imported.
_METRICS = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "scoring-metrics-"
# Younger folders may be about to be locked.
_ABANDONED_SECONDS = 60.0

# Everything that is logged, gunicorn's own lines too, comes out as JSON.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "api.http.logs.JsonFormatter"}},
    "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["json"], "level": _settings.log_level},
    "loggers": {
        "gunicorn.error": {"handlers": [], "propagate": True, "level": "INFO"},
        # The app has a line of its own for each request, without the address, which may hold an
        # applicant's number.
        "gunicorn.access": {"handlers": [], "propagate": False, "level": "CRITICAL"},
        # It would name its plug-ins at every start.
        "alembic": {"level": "WARNING"},
    },
}


def when_ready(server: Arbiter) -> None:
    """Make an empty folder for the figures of all workers, before there is any.

    A file in memory cannot run into a full disk, which would end the process that maps it.
    """
    del server
    memory = "/dev/shm"  # noqa: S108 - a folder of its own is made there, as in any other
    parent = memory if os.access(memory, os.W_OK) else tempfile.gettempdir()
    _remove_abandoned(Path(parent))
    os.environ[_METRICS] = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    _lock(os.environ[_METRICS])


def post_worker_init(worker: Worker) -> None:
    """Say that the worker lives, wait for its models, and leave them out of garbage collections.

    A worker that took requests before its models are there would refuse what others could answer.
    After a while it does, and says so: what keeps a model away may keep it away for long.

    No request is answered while the collector goes through all that was made to start, which takes
    longer than most answers; and all of that stays to the end.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    # The app that `make bench` compares with has none.
    service = worker.wsgi.extensions.get("service")
    worker.notify()
    while service and worker.alive and time.monotonic() < until:
        if service.models.wait(_NOTICE_SECONDS):
            break
        worker.notify()
    gc.collect()
    gc.freeze()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Let go of the gauges of a worker that ended."""
    from prometheus_client.multiprocess import mark_process_dead

    del server
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Arbiter) -> None:
    """Remove the figures."""
    del server
    shutil.rmtree(os.environ[_METRICS], ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Remove the figures of servers that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        # It may be somebody else's, or gone by now.
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                os.close(_lock(folder))
                shutil.rmtree(folder)


def _lock(folder: str | Path) -> int:
    """Hold a folder until this process and all that it forks are gone.

    Raises
    ------
    BlockingIOError
        If another server holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise
    return handle
