"""The applicants one can pick: request bodies in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def sample_files(folder: Path) -> list[Path]:
    """The request files of a folder, by name; none if there is no such folder."""
    return sorted(folder.glob("*.json"), key=lambda path: (len(path.stem), path.stem))


def parsed(body: bytes) -> dict[str, Any] | None:
    """The request as an object; None if it is not one, which is for the API to say."""
    try:
        found = json.loads(body)
        # Python reads NaN and what is beyond all numbers, which JSON has not.
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def history_rows(request: dict[str, Any]) -> int:
    """How many rows of credit history a request brings."""
    tables = (rows for name, rows in request.items() if name != "application")
    return sum(len(rows) for rows in tables if isinstance(rows, list))
