"""What happens to models, on its way to the store: it waits while the store is away."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from scoring.features.vectors import layout
from scoring.serving.scorer import Scorer
from scoring.store import ModelEvent, Store

# A store that is away for long loses the oldest events, not the process its memory.
_MOST_EVENTS = 200
_LONGEST_DETAIL = 1_000


class _Model(NamedTuple):
    name: str
    version: str
    folder: tempfile.TemporaryDirectory[str]


class Chronicle:
    """Archives models, so that their decisions can be replayed, and records events.

    Parameters
    ----------
    store : Store
        Where both go.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: deque[ModelEvent] = deque(maxlen=_MOST_EVENTS)
        self._models: dict[str, _Model] = {}
        # Not held while the store is asked: nobody who has something to keep waits for it.
        self._changing = Lock()

    def keep(self, digest: str, scorer: Scorer, folder: Path) -> None:
        """Have a model's directory archived; it may go away when this returns.

        Raises
        ------
        OSError
            If there is no room for a copy that waits.
        """
        with self._changing:
            if digest in self._models:
                return
            copy = tempfile.TemporaryDirectory()
            shutil.copytree(folder, copy.name, dirs_exist_ok=True)
            self._models[digest] = _Model(scorer.name, scorer.version, copy)

    def note(
        self,
        kind: str,
        role: str,
        detail: str,
        *,
        digest: str | None = None,
        version: str | None = None,
    ) -> None:
        """Have an event recorded; what a model made an error say is told as a store can keep it."""
        told = "".join(one if one.isprintable() else " " for one in detail[:_LONGEST_DETAIL])
        event = ModelEvent(datetime.now(UTC), kind, digest, version, role, told, _worker())
        with self._changing:
            self._events.append(event)

    def flush(self) -> None:
        """Give the store what waits; for one thread at a time.

        Raises
        ------
        StoreError
            If it does not take it; what is left waits on.
        OSError
            If a waiting copy cannot be read.
        """
        for digest, model in list(self._models.items()):
            self._store.keep_layout(layout().digest, layout().text)
            self._store.archive(digest, model.name, model.version, Path(model.folder.name))
            with self._changing:
                self._models.pop(digest).folder.cleanup()
        while self._events:
            event = self._events[0]
            self._store.add_event(event)
            with self._changing:
                # The oldest may have given way to a newer one meanwhile.
                if self._events and self._events[0] is event:
                    self._events.popleft()


def _worker() -> str:
    return f"{socket.gethostname()[:60]}:{os.getpid()}"
