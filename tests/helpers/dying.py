"""Jobs whose worker dies in the middle, for tests of what then becomes of its bucket."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from scoring.serving.parts import Job


@dataclass(frozen=True)
class DyingJob(Job):
    """A job whose worker is killed at one bucket, as often as `deaths` says."""

    marks: Path = Path()
    dying: int = 0
    deaths: int = 0

    def rows(self, bucket: int) -> pl.DataFrame:
        if bucket == self.dying:
            number = len(list(self.marks.iterdir()))
            if number < self.deaths:
                (self.marks / f"{number}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().rows(bucket)
