"""MLflow's empty tables, with which every registry begins, made once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from mlflow.store.db import utils
from sqlalchemy import Engine


@pytest.fixture(scope="session", autouse=True)
def tables_made_once() -> Iterator[None]:
    """Copy the tables of the first registry into the next ones: the migrations take a second."""
    migrate = utils._initialize_tables
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as kept:

        def make(engine: Engine) -> None:
            is_first = not kept.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if is_first:
                migrate(engine)
            with closing(sqlite3.connect(str(engine.url.database))) as tables:
                if is_first:
                    tables.backup(kept)
                else:
                    kept.backup(tables)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(utils, "_initialize_tables", make)
            yield
