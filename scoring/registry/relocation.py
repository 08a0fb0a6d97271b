"""MLflow's database before MLflow opens it: whole, of its schema, and about files beside it.

MLflow records absolute locations: from a folder that was moved or copied it would write to the
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

from scoring.registry.promotions import RegistryError

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
_UNUSED = """UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0
AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment_id = 0)"""
_MEND = "put a backup in its place, or begin anew (make clean-registry CONFIRM=yes)"


def prepare(folder: Path) -> None:
    """See that MLflow may use the database in a folder, and make it name the files there.

    Raises
    ------
    RegistryError
        If the database cannot be used, or the files that it names are not here.
    """
    database = folder / DATABASE
    if "?" in str(folder) or unquote(str(folder)) != str(folder):
        raise RegistryError(f"MLflow cannot open {folder}: take ? and % out of the folders' names")
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=rw", uri=True)) as connection:
            if _is_filled(connection, folder):
                _relocate(connection, folder)
    except sqlite3.Error as error:
        mend = f"let it be written, by one command at a time; if it is damaged, {_MEND}"
        raise RegistryError(f"{database} cannot be used ({error}): {mend}") from error


def _is_filled(connection: sqlite3.Connection, folder: Path) -> bool:
    """Whether MLflow has made its tables; they must be those of the MLflow that is installed."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    ((answer,),) = connection.execute("PRAGMA quick_check(1)")
    if answer != "ok":
        raise sqlite3.DatabaseError(answer.splitlines()[-1])
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if not tables and not any((folder / "artifacts").glob("*")):
        return False
    if "alembic_version" not in tables:
        raise sqlite3.DatabaseError("it is empty or not MLflow's")
    ((schema,),) = connection.execute("SELECT max(version_num) FROM alembic_version")
    config = Config()
    config.set_main_option("script_location", "mlflow:store/db_migrations")
    if schema != (known := ScriptDirectory.from_config(config).get_current_head()):
        raise RegistryError(
            f"{folder / DATABASE} has the schema {schema} of another MLflow, not {known}: install "
            "that one, or if it is older copy the file and run .venv/bin/mlflow db upgrade "
            f"'sqlite:///{folder / DATABASE}'"
        )
    return True


def _relocate(connection: sqlite3.Connection, folder: Path) -> None:
    """Make the locations in the folder of before those in the present one, all or none."""
    columns = [f"SELECT {column} FROM {table}" for table, column in _LOCATIONS]  # noqa: S608 - ours
    known = connection.execute(" UNION ".join(columns)).fetchall()
    places = [place.groups() for (text,) in known if (place := _LOCATION.fullmatch(text or ""))]
    here = folder.as_uri()
    former = sorted({url2pathname(root[7:]) for root, _ in places if root != here})
    if not former:
        return
    if len(former) > 1:
        raise RegistryError(f"{folder} has files in {' and '.join(former)} by its record: {_MEND}")
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
