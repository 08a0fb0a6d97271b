"""What can be set about the API, from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingsError(ValueError):
    """An environment variable that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The API's settings.

    Attributes
    ----------
    model_dir : Path
        The folder of the model that answers (MODEL_DIR).
    body_limit : int
        The largest request body that is read, in bytes (BODY_LIMIT).
    row_limit : int
        The most rows a history table of one request may have (ROWS_PER_TABLE).
    """

    model_dir: Path = Path("mlruns/champion")
    body_limit: int = 10 * 1024 * 1024
    row_limit: int = 10_000

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises
        ------
        SettingsError
            If a limit is not a whole number above zero.
        """
        return cls(
            model_dir=Path(environment.get("MODEL_DIR", cls().model_dir)),
            body_limit=_limit(environment, "BODY_LIMIT", cls().body_limit),
            row_limit=_limit(environment, "ROWS_PER_TABLE", cls().row_limit),
        )


def _limit(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingsError(f"{name} must be a whole number above zero, not {text!r}")
    return int(text)
