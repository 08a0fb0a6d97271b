"""The parts of the running service, as the endpoints find them."""

import copy
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import cast

from flask import Flask, Response, current_app

from api.decisions import example
from api.decisions.reader import ApplicantReader, unused_number
from api.decisions.service import DecisionService
from api.http import metrics
from api.http.problems import answer, unavailable
from api.models.archive import ArchivedModels
from api.models.manager import ModelManager
from api.models.sources import FolderSource, ModelSource, RegistrySource
from api.settings import Settings
from scoring.data.requests import frames_of
from scoring.features.vectors import compute
from scoring.serving.scorer import MODEL_NAME, Scorer
from scoring.store import Store, StoreError, StoreUnavailableError

logger = logging.getLogger(__name__)

# Whoever asks whether the service is ready may ask as often as they like.
_SECONDS = 1.0
_STALE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Service:
    """All that a request may need; `check_store` raises where decisions cannot be recorded."""

    settings: Settings
    reader: ApplicantReader
    store: Store
    models: ModelManager
    decisions: DecisionService
    archived: ArchivedModels
    check_store: Callable[[], None]

    def close(self) -> None:
        """Stop watching models, and let go of the database."""
        self.models.stop()
        self.store.close()


class _Recently:
    """A check of the store that is made once a second at most, however often it is called."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._turn = Lock()
        self._at = -math.inf
        self._wrong = ""

    def __call__(self) -> None:
        # Nobody waits for another's check: that would hold all threads up where the store hangs.
        if self._age() > _SECONDS and self._turn.acquire(blocking=False):
            try:
                self._check()
                self._wrong = ""
            except StoreError as error:
                self._wrong = str(error)
            finally:
                self._at = time.monotonic()
                self._turn.release()
        if self._wrong or self._age() > _STALE_SECONDS:
            raise StoreUnavailableError(self._wrong or "the store has not answered yet")

    def _age(self) -> float:
        return time.monotonic() - self._at


def _prepare(store: Store) -> None:
    """Check that decisions can be recorded; a file of our own gets its tables if it has none."""
    try:
        store.check()
    except StoreUnavailableError:
        raise
    except StoreError:
        if not store.embedded:
            raise
        store.migrate()


def init_app(app: Flask, settings: Settings, patience: float) -> Service:
    """Make the parts, watch the models, and wait some seconds for those that there are."""
    store = Store(settings.database_url, settings.pseudonym_key)
    if store.embedded:
        try:
            store.migrate()
        except StoreUnavailableError as error:
            # The worker starts all the same: its readiness says what is missing, and tries again.
            logger.error("%s", error)
    reader = ApplicantReader(settings.row_limit, partial(unused_number, store))
    models = ModelManager(_source(settings), store, _warm, settings.poll_seconds)
    # Before there are threads: two that make features for the first time at once break Polars'
    # lazy import of NumPy.
    archived = ArchivedModels(models.live, store)
    models.start()
    models.wait(patience)
    service = Service(
        settings,
        reader,
        store,
        models,
        DecisionService(models, store, settings),
        archived,
        _Recently(partial(_prepare, store)),
    )
    app.extensions["service"] = service
    app.register_error_handler(StoreError, _store_failed)
    return service


def _store_failed(error: StoreError) -> Response:
    """Answer 503: whatever needs the store waits for it."""
    metrics.STORE_ERRORS.inc()
    logger.warning("%s", error)
    return answer(unavailable())


def current_service() -> Service:
    """Return the service of the current app."""
    return cast("Service", current_app.extensions["service"])


def _source(settings: Settings) -> ModelSource:
    if settings.mlflow_uri:
        return RegistrySource(settings.mlflow_uri, MODEL_NAME, settings.model_cache)
    return FolderSource({"champion": settings.model_dir, "challenger": settings.challenger_dir})


def _warm(scorer: Scorer) -> None:
    """Score one applicant: the first run is slow, and shows that the model takes our features."""
    rows = ApplicantReader(row_limit=100).read(copy.deepcopy(example.REQUEST)).rows
    scorer.reasons_of(scorer.score(compute(frames_of([rows]))))
