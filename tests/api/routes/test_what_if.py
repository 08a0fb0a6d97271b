"""POST /what-if: the answer that a decision would be, and no decision."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.decisions import example
from scoring.data.dataset import Dataset
from scoring.features.wording import describe
from scoring.features.wording.reasons import cause_text
from scoring.serving.batch import example_requests
from tests.helpers import serving

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with serving.running_app(serving.settings(small_model, tmp_path_factory.mktemp("s"))) as app:
        yield app.test_client()


def asked(client: FlaskClient, body: Any, language: str = "en") -> dict[str, Any]:
    response = client.post("/what-if", json=body, headers={"Accept-Language": language})
    assert response.status_code == 200, response.text
    assert response.headers["Content-Language"] == language
    return dict(response.json)


def test_unchanged_rows_get_the_answer_of_a_decision(client: FlaskClient, sample: Dataset) -> None:
    for body in example_requests(sample, serving.applicants(sample, 10)):
        supposed = asked(client, body)
        decided = client.post("/predict", json=body).json
        for name in ("probability_of_default", "cutoff", "refer_band", "decision", "reasons"):
            assert supposed[name] == decided[name]
        explained = client.get(f"/predictions/{decided['id']}/explanation").json
        for name in ("base", "logit", "causes"):
            assert supposed[name] == explained[name]


def test_nothing_is_recorded(client: FlaskClient) -> None:
    store = client.application.extensions["service"].store
    before = len(list(store.decisions.search()))
    asked(client, copy.deepcopy(example.REQUEST))
    assert len(list(store.decisions.search())) == before


def test_a_changed_value_changes_the_answer(client: FlaskClient) -> None:
    changed = copy.deepcopy(example.REQUEST)
    changed["application"] |= {"EXT_SOURCE_2": 0.9, "EXT_SOURCE_3": 0.9}
    before, after = asked(client, copy.deepcopy(example.REQUEST)), asked(client, changed)
    assert after["probability_of_default"] < before["probability_of_default"]
    assert after["causes"] != before["causes"]


def test_texts_are_in_the_callers_language(client: FlaskClient) -> None:
    for language in ("en", "fr"):
        causes = asked(client, copy.deepcopy(example.REQUEST), language)["causes"]
        assert [one["text"] for one in causes] == [
            cause_text(one["cause"], language, [item["feature"] for item in one["features"]])
            for one in causes
        ]
        told = [one for cause in causes for one in cause["features"]]
        assert [one["text"] for one in told] == [describe(one["feature"], language) for one in told]


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"SK_ID_CURR": 100002}, 422, "/application"),
        ({"application": {"SK_ID_CURR": 1, "AMT_CREDIT": "much"}}, 422, "/application/AMT_CREDIT"),
        ([], 422, None),
    ],
)
def test_wrong_rows_are_refused_as_by_predict(
    client: FlaskClient, body: Any, status: int, pointer: str | None
) -> None:
    response = client.post("/what-if", json=body)
    assert (response.status_code, response.content_type) == (status, PROBLEM)
    if pointer:
        assert pointer in [error["pointer"] for error in response.json["errors"]]
