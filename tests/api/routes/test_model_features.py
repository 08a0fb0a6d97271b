"""GET /model/features: what the champion looks at, and the applicants that it learnt from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from flask.testing import FlaskClient

from scoring.features.wording import describe
from scoring.modelling.examples import Examples
from scoring.modelling.fit import with_explanations
from scoring.serving.scorer import Scorer
from tests.helpers import serving

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def explained(scorer: Scorer, sample_examples: Examples) -> Scorer:
    return with_explanations(scorer, sample_examples.frame.head(100))


@pytest.fixture(scope="module")
def client(explained: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder = tmp_path_factory.mktemp("features")
    explained.save(folder / "champion")
    with serving.running_app(serving.settings(folder / "champion", folder / "s")) as app:
        yield app.test_client()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_feature_is_told_the_most_important_first(
    client: FlaskClient, explained: Scorer, language: str
) -> None:
    response = client.get("/model/features", headers={"Accept-Language": language})
    told = response.json
    assert response.headers["Content-Language"] == language
    assert told["model"] == client.get("/ready").json["model"]
    importance = [one["importance"] for one in told["features"]]
    assert importance == sorted(importance, reverse=True)
    assert sum(importance) == pytest.approx(1.0)
    assert {one["feature"] for one in told["features"]} == {f.name for f in explained.features}
    for one in told["features"]:
        assert one["text"] == describe(one["feature"], language)
    kinds = {feature.name: bool(feature.levels) for feature in explained.features}
    assert all((one["kind"] == "category") == kinds[one["feature"]] for one in told["features"])


def test_a_distribution_is_that_of_the_applicants_learnt_from(
    client: FlaskClient, sample_examples: Examples
) -> None:
    told = client.get("/model/features/EXT_SOURCE_3").json
    values = sample_examples.frame["EXT_SOURCE_3"].to_numpy()
    defaulted = sample_examples.target == 1
    missing = np.isnan(values)
    assert told["applicants"] == values.size
    assert (told["missing"], told["missing_defaults"]) == (
        missing.sum(), (missing & defaulted).sum(),
    )  # fmt: skip
    edges = np.array([-np.inf, *told["edges"], np.inf])
    inside = [(values > low) & (values <= high) for low, high in pairwise(edges)]
    assert told["counts"] == [int(one.sum()) for one in inside]
    assert told["defaults"] == [int((one & defaulted).sum()) for one in inside]
    assert (told["low"], told["high"]) == (np.nanmin(values), np.nanmax(values))


def test_what_became_of_a_few_is_not_told(client: FlaskClient, sample_examples: Examples) -> None:
    name = "ORGANIZATION_TYPE"
    told = client.get(f"/model/features/{name}").json
    levels = sample_examples.frame[name].cast(pl.String)
    assert told["edges"] == []
    assert told["counts"] == [int((levels == level).sum()) for level in told["levels"]]
    few = [count < 10 for count in told["counts"]]
    assert any(few)
    assert [one is None for one in told["defaults"]] == few


def test_an_unknown_feature_is_refused_with_the_nearest_name(client: FlaskClient) -> None:
    response = client.get("/model/features/EXT_SOURC_3")
    assert (response.status_code, response.content_type) == (404, PROBLEM)
    assert "did you mean EXT_SOURCE_3?" in response.json["detail"]
    assert client.get("/model/features/%00").status_code == 404


def test_a_model_without_outcomes_or_profile_says_so(explained: Scorer, tmp_path: Path) -> None:
    assert explained.profile is not None
    columns = {
        name: replace(column, defaults=(), missing_defaults=0)
        for name, column in explained.profile.columns.items()
    }
    older = replace(explained, profile=replace(explained.profile, columns=columns))
    address = "/model/features/EXT_SOURCE_3"
    for folder, model in (("older", older), ("bare", replace(explained, profile=None))):
        model.save(tmp_path / folder / "champion")
        settings = serving.settings(tmp_path / folder / "champion", tmp_path / folder / "s")
        with serving.running_app(settings) as app:
            client = app.test_client()
            found = client.get(address)
            listed = client.get("/model/features").json["features"][0]
        if model.profile is None:
            assert found.status_code == 404
            assert listed["importance"] is None
        else:
            assert found.json["counts"]
            assert (found.json["defaults"], found.json["missing_defaults"]) == (None, None)
