"""MLflow's database before MLflow opens it: whole, of its schema, and about files beside it.

MLflow records absolute locations, and in a folder that was moved or copied would write to the
folder of before.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote
from urllib.request import url2pathname

from scoring.promotions import RegistryError

logger = logging.getLogger(__name__)

DATABASE = "mlflow.db"
_LOCATIONS = (
    ("experiments", "artifact_location"), ("runs", "artifact_uri"), ("trace_tags", "value"),
    ("logged_models", "artifact_location"), ("model_versions", "storage_location"),
    ("model_versions", "source"),
)  # fmt: skip
# The registry's folder, and where in it an experiment, run, model or trace is.
_LOCATION = re.compile(
    r"(file:///.*?)(/artifacts(?:/(?:[0-9a-f]{32}|models/m-[^/]+|traces/[^/]+)/artifacts(?:/.*)?)?)"
)
# MLflow's own experiment, which nobody uses, is where the first command was called.
_UNUSED = """
UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0
AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment_id = 0)
"""
_ANEW = "put a backup in its place, or begin anew (make clean-registry CONFIRM=yes)"
_MENDS = {
    "SQLITE_BUSY": "another command is using it, try again when that has ended",
    "SQLITE_READONLY": "make the folder and its files writable, or copy it to where they are",
    "SQLITE_CANTOPEN": "make it a file that you may read and write",
}


def prepare(folder: Path) -> None:
    """See that MLflow may use the database in a folder, and that it names the files there.

    Locations of a folder where the registry was before are rewritten, all or none, which is logged.

    Parameters
    ----------
    folder : Path
        Absolute, links resolved; no other process prepares it at the same time.

    Raises
    ------
    RegistryError
        If the database cannot be used, or the files of which it tells are not here.
    """
    database = folder / DATABASE
    if "?" in str(folder) or unquote(str(folder)) != str(folder):
        raise RegistryError(f"MLflow cannot open {folder}: take ? and % out of the folders' names")
    if not database.exists():
        return
    address = f"{database.as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            if _is_filled(connection, database):
                _relocate(connection, folder)
    except sqlite3.Error as error:
        kind = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
        mend = _MENDS.get(kind, _ANEW)
        raise RegistryError(f"{database} cannot be used ({error}): {mend}") from error


def _is_filled(connection: sqlite3.Connection, database: Path) -> bool:
    """Whether MLflow has made its tables; they must be those of the MLflow that is installed."""
    ((told,),) = connection.execute("PRAGMA quick_check(1)")
    if told != "ok":
        raise sqlite3.DatabaseError(told.splitlines()[-1])
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables and not any((database.parent / "artifacts").glob("*")):
        return False
    if "alembic_version" not in tables:
        raise RegistryError(f"{database} is empty or not MLflow's: {_ANEW}")
    ((schema,),) = connection.execute("SELECT max(version_num) FROM alembic_version")
    if schema != (known := _schema()):
        raise RegistryError(
            f"{database} has the schema {schema} of another MLflow, not {known}: install that one, "
            f"or if it is older copy the file and run .venv/bin/mlflow db upgrade sqlite:///{database}"
        )
    return True


def _schema() -> str | None:
    """The revision of MLflow's schema that the one installed works with."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "mlflow:store/db_migrations")
    return ScriptDirectory.from_config(config).get_current_head()


def _relocate(connection: sqlite3.Connection, folder: Path) -> None:
    """Make the locations in the folder of before those in the present one."""
    columns = [f"SELECT {column} FROM {table}" for table, column in _LOCATIONS]  # noqa: S608 - ours
    known = connection.execute(" UNION ".join(columns)).fetchall()
    places = [found.groups() for (text,) in known if (found := _LOCATION.fullmatch(text or ""))]
    here = folder.as_uri()
    former = sorted({url2pathname(root[7:]) for root, _ in places if root != here})
    if not former:
        return
    if len(former) > 1:
        raise RegistryError(f"{folder} has files in {' and '.join(former)} by its record: {_ANEW}")
    _check_files(former[0], folder, [place for root, place in places if root != here])

    def moved(text: str) -> str:
        place = _LOCATION.fullmatch(text)
        return f"{here}{place[2]}" if place else text

    connection.create_function("moved", 1, moved)
    for table, column in _LOCATIONS:
        update = f"UPDATE {table} SET {column} = moved({column})"  # noqa: S608 - ours
        connection.execute(f"{update} WHERE {column} LIKE 'file:%'")
    connection.execute(_UNUSED, (f"{here}/artifacts",))
    connection.commit()
    logger.warning("%s was moved or copied from %s: its files are here now", folder, former[0])


def _check_files(former: str, folder: Path, places: list[str]) -> None:
    """See that what was in the folder of before is in the present one."""
    absent = [place for place in places if not Path(f"{folder}{place}").is_dir()]
    left = [place for place in absent if Path(f"{former}{place}").is_dir()]
    models = [place for place in places if place.startswith("/artifacts/models/")]
    # What is nowhere any more was given up before: the rest need not be.
    if left or (models and set(models) <= set(absent)):
        raise RegistryError(
            f"{folder} was moved or copied from {former} without {(left or models)[0][1:]}: put "
            f"{former}/artifacts into it, keeping what is there (cp -rn)"
        )
