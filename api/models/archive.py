"""Models and their events, on their way to the store, and models out of it."""

import os
import shutil
import socket
import tempfile
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from api.http.problems import ProblemError
from api.models.routing import LiveModel
from scoring.features.vectors import Layouts, layout
from scoring.serving.scorer import Scorer, ScorerError
from scoring.store import ModelEvent, Store

# A store that is away for long loses the oldest events, not the process its memory.
_MOST_EVENTS = 200
_LONGEST_DETAIL = 1_000
# Each takes a few megabytes; explanations are mostly asked for recent decisions.
_MOST_MODELS = 3


class _Copy(NamedTuple):
    """A model that waits for the store."""

    name: str
    version: str
    folder: tempfile.TemporaryDirectory[str]


class ModelArchive:
    """Archives models, so that their decisions can be replayed, and records events.

    Both wait while the store is away.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: deque[ModelEvent] = deque(maxlen=_MOST_EVENTS)
        self._copies: dict[str, _Copy] = {}
        # Not held while the store is asked: nobody who has something to keep waits for it.
        self._changing = Lock()

    def keep(self, digest: str, scorer: Scorer, folder: Path) -> None:
        """Copy a model's directory for the archive; it may go away when this returns.

        Raises OSError if there is no room for a copy that waits.
        """
        with self._changing:
            if digest in self._copies:
                return
            copy = tempfile.TemporaryDirectory()
            shutil.copytree(folder, copy.name, dirs_exist_ok=True)
            self._copies[digest] = _Copy(scorer.name, scorer.version, copy)

    def note(
        self,
        kind: str,
        role: str,
        detail: str,
        *,
        digest: str | None = None,
        version: str | None = None,
    ) -> None:
        """Queue an event, its detail without what a store cannot keep."""
        printable = "".join(
            sign if sign.isprintable() else " " for sign in detail[:_LONGEST_DETAIL]
        )
        worker = f"{socket.gethostname()[:60]}:{os.getpid()}"
        event = ModelEvent(datetime.now(UTC), kind, digest, version, role, printable, worker)
        with self._changing:
            self._events.append(event)

    def flush(self) -> None:
        """Give the store what waits; for one thread at a time.

        Raises StoreError if it does not take it, OSError if a waiting copy cannot be read; what is
        left waits on.
        """
        for digest, copy in list(self._copies.items()):
            self._store.models.keep_layout(layout().digest, layout().text)
            self._store.models.archive(digest, copy.name, copy.version, Path(copy.folder.name))
            with self._changing:
                self._copies.pop(digest).folder.cleanup()
        while self._events:
            event = self._events[0]
            self._store.models.add_event(event)
            with self._changing:
                # The oldest may have given way to a newer one meanwhile.
                if self._events and self._events[0] is event:
                    self._events.popleft()


class ArchivedModels:
    """Models by digest: those that are live, and earlier ones out of the store."""

    def __init__(self, live: Callable[[], Iterable[LiveModel]], store: Store) -> None:
        self._live = live
        self._store = store
        self.layouts = Layouts(store.models.layout)
        self._earlier: OrderedDict[str, Scorer] = OrderedDict()
        self._demonstrations: dict[str, bool | None] = {}
        self._lock = Lock()

    def demonstrates(self, digest: str) -> bool | None:
        """Tell whether a model learnt from sample applicants, None if nobody has it any more."""
        for model in self._live():
            if model.digest == digest:
                return model.scorer.demonstration
        if digest not in self._demonstrations:
            try:
                self._demonstrations[digest] = self.get(digest).demonstration
            except (ProblemError, ScorerError):
                self._demonstrations[digest] = None
        return self._demonstrations[digest]

    def get(self, digest: str) -> Scorer:
        """Find the model with a digest.

        Raises ProblemError 410 if nobody has it any more, ScorerError if the stored one is not
        what was archived.
        """
        for model in self._live():
            if model.digest == digest:
                return model.scorer
        with self._lock:
            if digest not in self._earlier:
                self._earlier[digest] = self._unpacked(digest)
                if len(self._earlier) > _MOST_MODELS:
                    self._earlier.popitem(last=False)
            self._earlier.move_to_end(digest)
            return self._earlier[digest]

    def _unpacked(self, digest: str) -> Scorer:
        with tempfile.TemporaryDirectory() as parent:
            folder = self._store.models.restore(digest, Path(parent) / "model")
            if folder is None:
                raise ProblemError(410, "The model of this decision is not kept any more.")
            return Scorer.load(folder)
