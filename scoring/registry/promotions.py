"""Records of every change of champion, and what follows from them."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from scoring.errors import ScoringError
from scoring.free_text import LEAST_MOTIVE, readable

# A motive has to fit, with the figures, into the 5,000 characters of a tag in MLflow's database.
_LONGEST_MOTIVE = 1_000
# A change of champion that was begun, as a tag of the model.
PENDING = "pending_promotion"
# What is begun, and the manifest of the version that has an alias.
_NOTED = """
SELECT value FROM registered_model_tags WHERE key = ? UNION ALL
SELECT tag.value FROM registered_model_aliases JOIN model_version_tags tag USING (name, version)
WHERE alias = ? AND tag.key = 'manifest_sha256'
"""


class RegistryError(ScoringError):
    """A model or version that is asked for is not there, or could not be registered."""


@dataclass(frozen=True)
class Event:
    """A change of champion, as it is kept for good: who, why and when (ISO 8601, UTC).

    Events are numbered from 1, without gaps. `version` is the champion after it, `previous` the one
    before, None for the first; `forced` says whether a gate was overridden. `gates` has for each
    gate whether it was passed, the figure and the bound; it is empty for a rollback.
    """

    number: int
    action: Literal["promote", "rollback"]
    version: str
    previous: str | None
    by: str
    why: str
    at: str
    forced: bool = False
    gates: Mapping[str, Sequence[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Registered:
    """A registered version as `Registry.versions` lists it.

    `registered` is when (ISO 8601, UTC); dataset, source and feature_set_version are what it was
    trained on, empty where its lineage does not say. `figures` are the metrics of its run that
    begin with "holdout_", without that word, and `event` is the latest one that made it the
    champion.
    """

    version: str
    aliases: tuple[str, ...]
    registered: str
    dataset: str
    source: str
    feature_set_version: str
    figures: Mapping[str, float]
    event: Event | None


def is_behind(export: Path) -> bool:
    """Return whether the registry around an exported model says that another belongs there.

    It reads MLflow's tables, since to import MLflow takes seconds; without a registry it is False.
    """
    database, manifest = export.parent / "mlflow.db", export / "manifest.json"
    if not database.is_file():
        return False
    exported = hashlib.sha256(manifest.read_bytes()).hexdigest() if manifest.is_file() else ""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as opened:
        return any(noted != exported for (noted,) in opened.execute(_NOTED, (PENDING, export.name)))
    return False


def champions(events: Sequence[Event]) -> list[str]:
    """Return the champions still to go back to, the reigning one last.

    A promotion adds a version, a rollback takes the last one away; versions are not added twice in
    a row, so that a rollback always changes something.
    """
    reigns: list[str] = []
    for event in events:
        if event.action == "rollback":
            del reigns[-1:]
        elif reigns[-1:] != [event.version]:
            reigns.append(event.version)
    return reigns


def check_motive(by: str, why: str) -> tuple[str, str]:
    """Return a name and a motive as they are kept.

    Raises
    ------
    RegistryError
        If either is empty or both are too long to be kept.
    """
    try:
        wrong = "--by"
        by = readable(by)
        wrong = "--why"
        why = readable(why, _LONGEST_MOTIVE, LEAST_MOTIVE)
    except ValueError as error:
        raise RegistryError(
            f"a change of champion needs who (--by) and a motive (--why): {wrong} {error}"
        ) from error
    if len(by) + len(why) > _LONGEST_MOTIVE:
        raise RegistryError(f"name and motive are longer than {_LONGEST_MOTIVE:,} characters")
    return by, why


def now() -> str:
    """Return the present time (ISO 8601, UTC, to the second)."""
    return iso(datetime.now(UTC))


def iso(moment: datetime) -> str:
    """Format a time as it is kept: ISO 8601, to the second."""
    return moment.isoformat(timespec="seconds")
