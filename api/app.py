"""The Flask app, put together from its parts."""

from importlib import import_module

from api import service
from api.http import access, headers, limits, logs, metrics, problems
from api.http.openapi import Application
from api.settings import Settings

VERSION = "0.2.0"
# The modules of `api.routes`, in the order in which the documentation has them.
_ROUTES = (
    "prediction",
    "applications",
    "what_if",
    "offers",
    "records",
    "notice",
    "reviews",
    "applicants",
    "outcomes",
    "models",
    "monitoring",
    "status",
)


def make(settings: Settings, patience: float) -> Application:
    """Make the Flask app, and watch the models; wait for them so many seconds at most.

    Raises SettingsError if a rate limit cannot be understood, StoreError if the database's address
    cannot be.
    """
    app = Application(__name__, VERSION, settings.row_limit, settings.batch_limit)
    # Of a text every line break counts.
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.config["MAX_CONTENT_LENGTH"] = settings.body_limit
    logs.init_app(app, settings)
    problems.init_app(app)
    headers.init_app(app, settings.cors_origins)
    parts = service.init_app(app, settings, patience)
    access.init_app(app, settings, parts.store)
    limits.init_app(app, settings)
    metrics.init_app(app)
    for name in _ROUTES:
        app.register_api(import_module(f"api.routes.{name}").blueprint)
    return app
