"""Digests of features: each changes with its own formula, and with nothing else."""

from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest

from scoring.data.dataset import Dataset
from scoring.features import build_features, definitions
from scoring.features.vectors import layout
from tests.helpers.exact import differing


def test_every_feature_has_a_digest() -> None:
    assert tuple(definitions.definitions()) == layout().names
    assert {len(digest) for digest in definitions.definitions().values()} == {16}


def test_every_feature_tells_probe_applicants_apart() -> None:
    features = build_features(definitions.probes())
    for name in layout().names:
        assert features[name].drop_nulls().n_unique() >= 2, name
        assert name == "SK_ID_CURR" or features[name].null_count() < features.height


def test_no_two_features_are_the_same_for_all_probe_applicants() -> None:
    by_digest: dict[str, list[str]] = {}
    for name, digest in definitions.definitions().items():
        by_digest.setdefault(digest, []).append(name)
    assert [names for names in by_digest.values() if len(names) > 1] == []


def test_polars_and_numpy_agree_on_the_probe_applicants() -> None:
    probes = definitions.probes()
    lazy = build_features({name: frame.lazy() for name, frame in probes.items()}).collect()
    assert differing(build_features(probes), lazy) == []


def test_another_process_computes_the_same() -> None:
    program = (
        "from scoring.features.definitions import definitions\nprint(sorted(definitions().items()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == str(sorted(definitions.definitions().items())), done.stderr


def test_a_digest_changes_with_its_feature_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(definitions.definitions())

    def changed(frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
        features = build_features(frames)
        return features.with_columns(pl.col("AMT_CREDIT") * 1.0000001, more=pl.lit(1.0)).drop(
            "AMT_ANNUITY"
        )

    monkeypatch.setattr(definitions, "build_features", changed)
    definitions.definitions.cache_clear()
    after = dict(definitions.definitions())
    monkeypatch.undo()
    definitions.definitions.cache_clear()
    assert after.keys() ^ before.keys() == {"more", "AMT_ANNUITY"}
    same = before.keys() & after.keys()
    assert [name for name in same if before[name] != after[name]] == ["AMT_CREDIT"]


def test_probe_applicants_are_of_the_tables_types(sample: Dataset) -> None:
    schemas = {name: frame.collect_schema() for name, frame in sample.frames().items()}
    for name, frame in definitions.probes().items():
        assert frame.schema == {column: schemas[name][column] for column in frame.columns}
