"""The API that serves the model: it reads requests, scores them, and never trains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.settings import Settings

if TYPE_CHECKING:
    from api.http.openapi import Application

__all__ = ["Settings", "create_app"]


def create_app(settings: Settings | None = None, patience: float = 60.0) -> Application:
    """Make the Flask app, by default with the settings in the environment.

    Parameters
    ----------
    patience
        How long to wait, in seconds, until the models that there are have been loaded. They are
        loaded all the same when it is over; until then there are no decisions.

    Raises
    ------
    SettingsError
        If the environment holds a setting that cannot be used.
    """
    # Gunicorn's first process reads its settings from this package, and should load neither
    # Polars, whose threads do not survive a fork, nor the metrics before their folder is known.
    from api.app import make

    return make(settings or Settings.from_environment(), patience)
