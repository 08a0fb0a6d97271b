"""How gunicorn serves the API: `gunicorn --config api/gunicorn.conf.py`."""

# The name is the one that gunicorn gives its own.
# ruff: noqa: N999

from __future__ import annotations

import logging
import os

wsgi_app = "api:create_app()"

# Loopback unless told otherwise: whoever opens the service to a network says so with HOST.
bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))

# Each worker makes its own app, so that the model is loaded after the fork: threads of Polars and
# OpenMP do not survive one.
preload_app = False
# Requests are short and mostly computing: threads keep connections alive and /health answering.
worker_class = "gthread"
threads = 4
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

logging.basicConfig(
    level=logging.INFO, format="%(asctime)s [%(process)d] %(levelname)s %(name)s: %(message)s"
)
