"""Serve the API: `python -m api`, with gunicorn's own options after it."""

import os
import sys
from importlib import import_module

# gunicorn makes a number of it when it is imported; `Settings` says what is wrong with one.
workers = os.environ.pop("WEB_CONCURRENCY", "")
run = import_module("gunicorn.app.wsgiapp").run
os.environ["WEB_CONCURRENCY"] = workers
sys.argv[1:1] = ["--config", "api/gunicorn.conf.py"]
run(prog="python -m api")
