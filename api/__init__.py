"""The API that serves the model: it reads requests, scores them, and never trains."""

from __future__ import annotations

from api import champion, prediction, problems, status
from api.openapi import Application
from api.settings import Settings

__all__ = ["Settings", "create_app"]

VERSION = "0.1.0"


def create_app(settings: Settings | None = None) -> Application:
    """Make the Flask app.

    Parameters
    ----------
    settings : Settings, optional
        Default: from the environment.

    Raises
    ------
    SettingsError
        If the environment holds a setting that cannot be used.
    """
    settings = settings or Settings.from_environment()
    app = Application(__name__, version=VERSION, row_limit=settings.row_limit)
    app.config["MAX_CONTENT_LENGTH"] = settings.body_limit
    problems.init_app(app)
    prediction.init_app(app, settings.row_limit)
    champion.init_app(app, settings.model_dir)
    app.register_api(prediction.blueprint)
    app.register_api(status.blueprint)
    return app
