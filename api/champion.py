"""The model that answers: loaded in the worker, proved on one applicant, then kept."""

from __future__ import annotations

import logging
from pathlib import Path
from threading import Lock

import orjson
from flask import Flask, current_app

from api import example
from api.applicant import Applicant, ApplicantReader
from api.decision import decide
from api.problems import ProblemError
from scoring.scorer import Scorer, ScorerError

logger = logging.getLogger(__name__)

_RETRY_SECONDS = "5"


class Champion:
    """The scorer in a folder, read when it is first there.

    Parameters
    ----------
    folder : Path
        A model as `Scorer.save` writes it. It may appear after the service has started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._scorer: Scorer | None = None
        self._loading = Lock()

    def get(self) -> Scorer:
        """The scorer, loaded if it is not yet.

        Raises
        ------
        ProblemError
            503 while the folder holds no model that can be used.
        """
        if self._scorer is None:
            with self._loading:
                self._scorer = self._scorer or self._load()
        return self._scorer

    def _load(self) -> Scorer:
        try:
            scorer = Scorer.load(self.folder)
            # The first run is slow, and shows that the model takes the features made here.
            decide(_example(), scorer)
        except ScorerError as error:
            logger.warning("no model to serve: %s", error)
            raise ProblemError(
                503,
                "No model can be loaded; the service's log says why. Try again later.",
                headers={"Retry-After": _RETRY_SECONDS},
            ) from error
        logger.info("serving model %s version %s", scorer.name, scorer.version)
        return scorer


def _example() -> Applicant:
    return ApplicantReader(row_limit=100).read(orjson.dumps(example.REQUEST))


def init_app(app: Flask, folder: Path) -> None:
    """Load the model if there is one; the app starts, not ready, if there is none."""
    champion = Champion(folder)
    app.extensions["champion"] = champion
    try:
        champion.get()
    except ProblemError as problem:
        logger.warning("started without a model: %s", problem)


def current_scorer() -> Scorer:
    """The scorer of the current app; ProblemError 503 if there is none."""
    champion: Champion = current_app.extensions["champion"]
    return champion.get()
