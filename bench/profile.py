"""Profile of a request, stage by stage, in one process without a network."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Mapping, Sequence
from pathlib import Path

from api import Settings, create_app

# What stages are called in the report, and the functions that are each a stage's whole work.
_STAGES: Mapping[str, tuple[str, ...]] = {
    "reading and checking the body": (
        "api/http/bodies.py:read_body",
        "api/decisions/reader.py:read_any",
    ),
    "features from rows": ("scoring/features/vectors.py:compute",),
    "features by number, from the store": ("scoring/store/__init__.py:applicants",),
    "probability (LightGBM)": ("scoring/serving/booster.py:raw_scores",),
    "contributions (Shapley values)": ("scoring/serving/shapley.py:values",),
    "reasons and the record's making": ("api/decisions/recording.py:record_of",),
    "recording, with the commit": ("scoring/store/__init__.py:record",),
}
_REST = "Flask, keys, limits, headers, log, metrics"
_WARM = 20


def stages(
    model: Path, challenger: Path, database: str, bodies: Sequence[bytes]
) -> dict[str, float]:
    """Measure the milliseconds of a request's stages, by Python's deterministic profiler.

    It makes pure Python look about twice as slow as it is, and compiled code as fast as it is: the
    shares of the stages count, more than their sum. The challenger's folder need not be there.
    """
    settings = Settings(
        model_dir=model,
        challenger_dir=challenger,
        database_url=database,
        rate_limit="100000000/minute",
        log_level="WARNING",
    )
    client = create_app(settings).test_client()
    for body in bodies[:_WARM]:
        client.post("/predict", data=body, content_type="application/json")
    profiler = cProfile.Profile()
    profiler.enable()
    for body in bodies:
        client.post("/predict", data=body, content_type="application/json")
    profiler.disable()
    return _by_stage(profiler, len(bodies))


def _by_stage(profiler: cProfile.Profile, requests: int) -> dict[str, float]:
    seconds: dict[str, float] = {}
    total = 0.0
    for (file, _, function), (*_, cumulative, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        if file.endswith("flask/app.py") and function == "wsgi_app":
            total = cumulative
        for stage, functions in _STAGES.items():
            if any(f"{file}:{function}".endswith(name) for name in functions):
                seconds[stage] = seconds.get(stage, 0.0) + cumulative
    ordered = {stage: seconds[stage] for stage in _STAGES if stage in seconds}
    ordered[_REST] = total - sum(ordered.values())
    return {stage: value / requests * 1e3 for stage, value in ordered.items()}
