"""A model's files tried in a process of its own, before LightGBM reads them in this one.

On altered numbers LightGBM may end the process, take all memory or never come back; a service has
to outlive that. The process that tries has bounds of memory and time, nothing of our environment,
and no descriptor of ours but the pipes of the question and the answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from scoring.serving.booster import BoosterError
from scoring.serving.families import families
from scoring.serving.families.base import Feature

_PROVED = b"proved"
_LONGEST_ANSWER = 500
# Bytes of memory, and seconds of processor time.
_BOUNDS = {resource.RLIMIT_AS: 1024**3, resource.RLIMIT_CPU: 10, resource.RLIMIT_CORE: 0}
# Nothing in there waits: only on a machine that is overrun does it take longer than its processor
# time, and that says nothing about a model.
_SECONDS = 60.0
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

# What this process has seen proved, by SHA-256: in memory, where nobody else writes.
_proved: set[bytes] = set()


def prove(family: str, features: Sequence[Feature], files: Mapping[str, bytes]) -> None:
    """See that a model can be read from its files and scores, where it can do no harm.

    Raises
    ------
    BoosterError
        If it cannot, with its words, or ends the process that tries.
    OSError
        If this machine cannot try it now.
    """
    texts = {name: content.decode() for name, content in files.items()}
    question = {"family": family, "features": list(map(astuple, features)), "files": texts}
    content = json.dumps(question).encode()
    digest = hashlib.sha256(content).digest()
    if digest in _proved:
        return
    answer, status = _asked(content)
    if answer != _PROVED:
        ended = f"LightGBM ended the process that tried the model (status {status})"
        raise BoosterError(answer.decode(errors="replace") or ended)
    _proved.add(digest)


def _asked(question: bytes) -> tuple[bytes, int]:
    root = str(Path(__file__).resolve().parents[2])
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    path = os.pathsep.join(filter(None, (root, *sys.path)))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__],
            input=question,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment, **_ONE_THREAD, "PYTHONPATH": path},
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"a model could not be tried within {_SECONDS:.0f} s") from error
    return done.stdout, done.returncode


def _try(question: bytes) -> None:
    asked = json.loads(question)
    features = tuple(Feature(name, tuple(levels)) for name, levels in asked["features"])
    files = {name: text.encode() for name, text in asked["files"].items()}
    model = families()[asked["family"]].from_files(files, features)
    rows = np.vstack([np.full(len(features), np.nan), np.zeros(len(features))])
    if not np.isfinite(model.raw_scores(rows)).all():
        raise ValueError("a score of the model is no number")


def main() -> None:
    """Try the model of standard input; the answer goes to standard output, a log nowhere."""
    answer, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    for kind, most in _BOUNDS.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    words = _PROVED
    try:
        _try(sys.stdin.buffer.read())
    except (AttributeError, LookupError, MemoryError, TypeError, ValueError) as error:
        words = (str(error) or repr(error)).encode()[:_LONGEST_ANSWER]
    os.write(answer, words)


if __name__ == "__main__":
    main()
