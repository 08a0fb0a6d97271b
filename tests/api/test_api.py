"""The API: its answers, its errors, its document, and how it starts."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import requests
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from api import Settings
from api.decisions import example
from api.settings import SettingsError
from scoring.data.dataset import Dataset, Population
from scoring.features.vectors import layout
from scoring.features.wording.reasons import cause_text, reason_text
from scoring.serving.batch import example_requests, score
from scoring.serving.scorer import Scorer
from tests.helpers import serving
from tests.helpers.waiting import eventually

PROBLEM = "application/problem+json"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - read, never listened on


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = serving.settings(small_model, tmp_path_factory.mktemp("store"))
    with serving.running_app(settings) as app:
        yield app.test_client()


@pytest.fixture
def body() -> dict[str, Any]:
    return copy.deepcopy(example.REQUEST)


def test_an_answer_has_decision_reasons_and_model(
    client: FlaskClient, small_model: Path, body: dict[str, Any]
) -> None:
    response = client.post("/predict", json=body)
    answer = response.get_json()
    assert response.status_code == 200
    assert answer["applicant"] == 900001
    assert 0 < answer["probability_of_default"] < 1
    scorer = Scorer.load(small_model)
    assert answer["cutoff"] == scorer.cutoff
    assert answer["refer_band"] == list(scorer.refer_band)
    assert [answer["decision"]] == scorer.decide([answer["probability_of_default"]])
    contributions = [reason["contribution"] for reason in answer["reasons"]]
    assert 0 < len(contributions) <= 4
    assert contributions == sorted(contributions, reverse=True)
    assert contributions[-1] > 0
    assert answer["model"] == {
        "name": "credit-scoring",
        "version": "0",
        "feature_set_version": layout().digest,
        "digest": hashlib.sha256((small_model / "manifest.json").read_bytes()).hexdigest(),
        "role": "champion",
        "why": answer["model"]["why"],
        "demonstration": False,
    }
    assert answer["model_decision"] == answer["decision"]


def assert_answers_equal_batch(client: FlaskClient, scored: pl.DataFrame, rows: Dataset) -> None:
    bodies = example_requests(rows, scored["SK_ID_CURR"].to_list())
    for body, (applicant, pd, decision, *_) in zip(bodies, scored.iter_rows(), strict=True):
        answer = client.post("/predict", json=body).get_json(force=True)
        assert answer["applicant"] == applicant, answer
        assert (answer["probability_of_default"], answer["decision"]) == (pd, decision)


@pytest.mark.parametrize("population", ["train", "test"])
def test_answers_equal_batch_scores_to_the_last_bit(
    client: FlaskClient, sample: Dataset, small_model: Path, population: Population
) -> None:
    scored = score(sample, Scorer.load(small_model), population)
    assert_answers_equal_batch(client, scored.head(15), sample)


def test_answers_for_real_rows_equal_batch_scores_to_the_last_bit(
    client: FlaskClient, real_dataset: Dataset, small_model: Path
) -> None:
    scored = score(real_dataset, Scorer.load(small_model))
    assert_answers_equal_batch(client, scored.gather_every(400), real_dataset)


@pytest.fixture(scope="module")
def carrying(
    banded_scorer: Scorer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FlaskClient, Scorer]]:
    """A client of an app whose model has texts and a wide refer band."""
    folder = tmp_path_factory.mktemp("carrying")
    banded_scorer.save(folder / "champion")
    with serving.running_app(serving.settings(folder / "champion", folder)) as app:
        yield app.test_client(), banded_scorer


def test_answers_of_a_model_that_refers_equal_batch_scores_to_the_last_bit(
    carrying: tuple[FlaskClient, Scorer], sample: Dataset
) -> None:
    client, scorer = carrying
    scored = score(sample, scorer, "test")
    assert_answers_equal_batch(client, scored.gather_every(20), sample)
    referred = scored.filter(decision="refer").head(3)
    assert referred.height == 3
    assert_answers_equal_batch(client, referred, sample)


def test_an_answer_tells_reasons_in_words_and_the_band(
    carrying: tuple[FlaskClient, Scorer], body: dict[str, Any], document: dict[str, Any]
) -> None:
    client, scorer = carrying
    answer = client.post("/predict", json=body).get_json()
    assert answer["refer_band"] == list(scorer.refer_band)
    assert answer["reasons"]
    for reason in answer["reasons"]:
        told = (reason[name] for name in ("cause", "feature", "value", "usual"))
        cause, feature, value, usual = told
        assert scorer.profile is not None
        assert usual == scorer.profile.usual[feature]
        for language, words in reason["texts"].items():
            missing = cause_text(cause, language) not in words
            assert missing or words == reason_text(cause, feature, value, usual, language)
    _schema(document, "Answer").validate(answer)
    decision = document["components"]["schemas"]["Answer"]["properties"]["decision"]
    assert decision["enum"] == ["accept", "refer", "refuse"]


def test_the_order_of_rows_and_fields_does_not_matter(client: FlaskClient, sample: Dataset) -> None:
    (applicant,) = serving.applicants(sample, 1)
    body = serving.request_of(sample, applicant)
    turned = json.dumps(dict(reversed(body.items())))
    one = client.post("/predict", json=body)
    other = client.post("/predict", data=turned, content_type="application/json; charset=UTF-8")
    assert comparable(one.json) == comparable(other.json)


def comparable(answer: Any) -> dict[str, Any]:
    """An answer without what is new each time."""
    return {name: value for name, value in answer.items() if name not in ("id", "at")}


def test_wrong_fields_are_named(client: FlaskClient, body: dict[str, Any]) -> None:
    body["bureau"][1]["AMT_CREDIT_SUM"] = "12"
    response = client.post("/predict", json=body)
    assert (response.status_code, response.content_type) == (422, PROBLEM)
    assert response.get_json(force=True) == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "One field is wrong; errors says which and why.",
        "errors": [
            {
                "pointer": "/bureau/1/AMT_CREDIT_SUM",
                "detail": "AMT_CREDIT_SUM must be a number from -10000000000 to 10000000000, "
                'not "12"',
            }
        ],
    }


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/predict", {}, 405),
        ("DELETE", "/health", {}, 405),
        ("POST", "/predict", {}, 415),
        ("POST", "/predict", {"data": "{}", "content_type": "text/plain"}, 415),
        ("POST", "/predict", {"data": {"a": "b"}}, 415),
        ("POST", "/predict", {"data": "{}", "content_type": "application/json; charset=x"}, 415),
        ("POST", "/predict", {"json": {}, "headers": {"Content-Encoding": "gzip"}}, 415),
        ("POST", "/predict", {"data": "", "content_type": "application/json"}, 400),
        ("POST", "/predict", {"data": "{", "content_type": "application/json"}, 400),
        ("POST", "/predict", {"data": b"{}\0", "content_type": "application/json"}, 400),
        ("POST", "/predict", {"data": b'"\xe9"', "content_type": "application/json"}, 400),
        ("POST", "/predict", {"json": [1]}, 422),
        ("POST", "/predict", {"json": {"application": {}}}, 422),
    ],
)
def test_errors_are_problem_documents(
    client: FlaskClient, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    response = client.open(path, method=method, **options)
    assert (response.status_code, response.content_type) == (status, PROBLEM)
    problem = json.loads(response.data)
    assert problem["status"] == status
    assert problem["detail"]
    assert "Traceback" not in response.text
    assert len(response.data) < 2000
    if status == 405:
        assert "OPTIONS" in response.headers["Allow"]


def test_a_body_above_the_limit_is_refused(
    small_model: Path, body: dict[str, Any], tmp_path: Path
) -> None:
    text = json.dumps(body)
    with serving.running_app(serving.settings(small_model, tmp_path, body_limit=len(text))) as app:
        small = app.test_client()
        fitting = small.post("/predict", data=text, content_type="application/json")
        too_large = small.post("/predict", data=text + " ", content_type="application/json")
    assert (fitting.status_code, too_large.status_code) == (200, 413)
    assert too_large.content_type == PROBLEM


def test_an_unforeseen_error_says_nothing_of_our_insides(small_model: Path, tmp_path: Path) -> None:
    with serving.running_app(serving.settings(small_model, tmp_path)) as app:

        @app.route("/broken")
        def broken() -> str:
            raise RuntimeError("secret")

        response = app.test_client().get("/broken")
    assert (response.status_code, response.content_type) == (500, PROBLEM)
    assert "secret" not in response.text


def test_health_and_readiness(client: FlaskClient) -> None:
    assert client.get("/health").json == {"status": "alive"}
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["status"]) == (200, "ready")
    assert ready.json["model"]["name"] == "credit-scoring"


@pytest.mark.parametrize("source", ["synthetic", "home-credit"])
def test_a_model_of_sample_applicants_says_so_in_every_answer(
    source: str, scorer: Scorer, body: dict[str, Any], tmp_path: Path
) -> None:
    """Also of what it answered once, when another model answers, and when it is not kept."""
    shown, folder = source == "synthetic", tmp_path / "champion"
    replace(scorer, lineage={"training": {"source": source}}).save(folder)
    with serving.running_app(serving.settings(folder, tmp_path / "store")) as app:
        client, service = app.test_client(), app.extensions["service"]
        answer = client.post("/predict", json=body).json
        record = f"/predictions/{answer['id']}"
        batch = client.post("/predict/batch", json=[body]).json["results"][0]["prediction"]
        for told in (answer, batch, client.get("/ready").json, client.get(record).json):
            assert told["model"]["demonstration"] is shown
        assert client.get("/model").json["champion"]["demonstration"] is shown
        replace(scorer, version="2").save(folder)
        service.models.refresh()
        assert client.get("/ready").json["model"]["demonstration"] is False
        assert client.get(record).json["model"]["demonstration"] is shown
        # A worker that has never had it, and a store that has forgotten it.
        service.archived._demonstrations.clear()
        service.archived._earlier.clear()
        with service.store._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM archives")
        assert client.get(record).json["model"]["demonstration"] is None


@pytest.fixture(params=["absent", "tampered", "truncated", "other features"])
def unusable_model(request: pytest.FixtureRequest, small_model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "champion"
    if request.param == "absent":
        return folder
    shutil.copytree(small_model, folder)
    model = folder / "model.txt"
    if request.param == "tampered":
        model.write_text(model.read_text().replace("leaf_value=", "leaf_value=9", 1))
    elif request.param == "truncated":
        model.write_bytes(model.read_bytes()[:1000])
    else:
        scorer = Scorer.load(small_model)
        changed = {**scorer.definitions, scorer.features[0].name: "0" * 16}
        replace(scorer, definitions=changed).save(folder)
    return folder


def test_without_a_usable_model_it_lives_and_is_not_ready(
    unusable_model: Path, small_model: Path, body: dict[str, Any], tmp_path: Path
) -> None:
    with serving.running_app(serving.settings(unusable_model, tmp_path / "store")) as app:
        client = app.test_client()
        assert client.get("/health").status_code == 200
        for response in (client.get("/ready"), client.post("/predict", json=body)):
            assert (response.status_code, response.content_type) == (503, PROBLEM)
            assert int(response.headers["Retry-After"]) > 0
            assert str(unusable_model) not in response.text
        shutil.rmtree(unusable_model, ignore_errors=True)
        shutil.copytree(small_model, unusable_model)
        app.extensions["service"].models.refresh()
        assert client.get("/ready").status_code == 200
        assert client.post("/predict", json=body).status_code == 200


@pytest.fixture(scope="module")
def document(client: FlaskClient) -> dict[str, Any]:
    found = client.get("/docs/openapi.json").json
    assert isinstance(found, dict)
    return found


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Credit scoring"
    assert set(document["paths"]) == {
        "/predict",
        "/predict/batch",
        "/key",
        "/predictions",
        "/predictions/{id}",
        "/predictions/{id}/explanation",
        "/predictions/{id}/override",
        "/predictions/{id}/notice",
        "/predictions/{id}/reviews",
        "/reviews",
        "/reviews/{id}",
        "/reviews/{id}/assignee",
        "/reviews/{id}/decision",
        "/applicants/{id}",
        "/applicants/{id}/predictions",
        "/applications/read",
        "/outcomes",
        "/alerts",
        "/monitoring",
        "/monitoring/report",
        "/model/features",
        "/model/features/{feature}",
        "/what-if",
        "/offers",
        "/model",
        "/policy",
        "/metrics",
        "/health",
        "/ready",
    }
    predict = document["paths"]["/predict"]["post"]
    expected = {"200", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503"}
    assert set(predict["responses"]) == expected
    assert set(document["paths"]["/health"]["get"]["responses"]) == {"200"}
    assert set(document["paths"]["/ready"]["get"]["responses"]) == {"200", "503"}


def _schema(document: dict[str, Any], name: str) -> Draft202012Validator:
    return Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})


def _examples(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every example in the document with its schema."""
    for schema in document["components"]["schemas"].values():
        if "example" in schema:
            yield schema, schema["example"]
    for path in document["paths"].values():
        for operation in path.values():
            parts = [operation.get("requestBody", {}), *operation["responses"].values()]
            for part in parts:
                for media in part.get("content", {}).values():
                    values = [item["value"] for item in media.get("examples", {}).values()]
                    for value in [*values, *([media["example"]] if "example" in media else [])]:
                        yield media["schema"], value


def test_examples_fit_their_schemas(document: dict[str, Any]) -> None:
    examples = list(_examples(document))
    assert len(examples) >= 10
    for schema, value in examples:
        Draft202012Validator({**document, **schema}).validate(value)


def _schemas(part: Any) -> Iterator[dict[str, Any]]:
    """All that lies in a schema, itself included."""
    if isinstance(part, dict):
        yield part
        for name, inner in part.items():
            if name != "example":
                yield from _schemas(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _schemas(inner)


def _class_name(name: str) -> str:
    return name.replace("_", "").casefold()


def test_typed_clients_can_be_made_of_the_document(document: dict[str, Any]) -> None:
    """What the generators for Python and TypeScript stumbled over, which are not installed here."""
    named = document["components"]["schemas"]
    assert len({_class_name(name) for name in named}) == len(named)
    operations = [
        one["operationId"] for path in document["paths"].values() for one in path.values()
    ]
    assert len({_class_name(name) for name in operations}) == len(operations)
    assert all(name.isidentifier() for name in operations)
    for part in _schemas(named):
        # Of a number and a constant they take the constant, and refuse any other number.
        unions = [one for key in ("anyOf", "oneOf") for one in part.get(key, ())]
        assert not any("const" in one for one in unions)
        # A client in TypeScript takes for granted what has a default, in answers and requests.
        assert "default" not in part
        if "enum" in part:
            assert part["type"] in ("string", ["string", "null"])
            members = [re.sub(r"\W", "_", str(value)).casefold() for value in part["enum"]]
            assert len(set(members)) == len(members)


def test_answers_fit_their_schemas(client: FlaskClient, document: dict[str, Any]) -> None:
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    for name, example_ in content["application/json"]["examples"].items():
        answer = client.post("/predict", json=example_["value"])
        if name == "a known applicant":
            assert answer.status_code == 404
            continue
        assert answer.status_code == 200
        _schema(document, "Answer").validate(answer.json)
    _schema(document, "Readiness").validate(client.get("/ready").json)
    _schema(document, "Health").validate(client.get("/health").json)
    refused = client.post("/predict", json={"application": {}})
    _schema(document, "Problem").validate(json.loads(refused.data))


def test_the_document_describes_every_accepted_column(document: dict[str, Any]) -> None:
    application = document["components"]["schemas"]["application"]
    assert len(application["properties"]) == 121
    assert "TARGET" not in application["properties"]
    assert application["additionalProperties"] is False
    bureau = document["components"]["schemas"]["bureau"]
    assert "SK_ID_CURR" not in bureau["required"]


def test_the_docs_page_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    start = client.get("/", follow_redirects=True)
    assert start.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', start.text)
    assert len(loaded) >= 4
    for address in loaded:
        assert "//" not in address
        assert client.get(f"/docs/{address}").status_code == 200
    assert not re.search(r"https?://", start.text)
    # Without this, Swagger's page shows a badge that a server on the internet draws.
    assert '"validatorUrl": null' in start.text
    styles = client.get("/docs/swagger/css/swagger-ui.css").text
    assert not re.search(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", styles)


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5", "١", "1" * 20])
def test_a_wrong_setting_is_named(value: str) -> None:
    for name in ("ROWS_PER_TABLE", "WEB_CONCURRENCY", "GTHREADS", "PORT", "REVIEW_DAYS"):
        with pytest.raises(SettingsError, match=f"{name} must be"):
            Settings.from_environment({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("LOG_LEVEL", "loud"),
        ("POLL_SECONDS", "0"),
        ("POLL_SECONDS", "nan"),
        ("POLL_SECONDS", "3600"),
        ("REQUIRE_KEYS", "maybe"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.example, *"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "bank.example"),
        ("CORS_ORIGINS", "https://bank.example/page"),
        ("CORS_ORIGINS", "https://bank.example https://b.example"),
        ("CONTEST_DAYS", "3651"),
        ("LENDER_NAME", "x" * 201),
        ("LENDER_ADDRESS", "1 rue\0 de la Paix"),
        ("CREDIT_BUREAU", "--"),
    ],
)
def test_what_cannot_be_set_is_said(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} must (be|have|hold)"):
        Settings.from_environment({name: value})


def test_settings_come_from_the_environment() -> None:
    found = Settings.from_environment({"MODEL_DIR": "x", "BODY_LIMIT": "5", "ROWS_PER_TABLE": "6"})
    assert found == Settings(model_dir=Path("x"), body_limit=5, row_limit=6)
    assert Settings.from_environment({}) == Settings()
    origins = Settings.from_environment({"CORS_ORIGINS": "https://A.example , http://[::1]:8"})
    assert origins.cors_origins == {"https://a.example", "http://[::1]:8"}
    names = (
        "HOST", "PORT", "WEB_CONCURRENCY", "GTHREADS", "MODEL_DIR", "CHALLENGER_DIR", "MODEL_CACHE",
        "DATABASE_URL", "PSEUDONYM_KEY", "REQUIRE_KEYS", "RATE_LIMIT", "WHAT_IF_LIMIT", "LOG_LEVEL",
        "POLL_SECONDS", "BODY_LIMIT", "BATCH_LIMIT", "ROWS_PER_TABLE", "CORS_ORIGINS",
    )  # fmt: skip
    for nothing in ("", " "):
        assert Settings.from_environment(dict.fromkeys(names, nothing)) == Settings()


@pytest.mark.parametrize("value", ["", "0", "two"])
def test_a_server_starts_or_says_in_a_line_what_is_set_wrong(tmp_path: Path, value: str) -> None:
    settings = {"WEB_CONCURRENCY": value, "DATABASE_URL": f"sqlite:///{tmp_path / 'scoring.db'}"}
    done = subprocess.run(
        [sys.executable, "-m", "api", "--check-config"], cwd=serving.ROOT, capture_output=True,
        text=True, timeout=120, env={**os.environ, **settings, "MODEL_DIR": str(tmp_path)},
    )  # fmt: skip
    if value:
        told = f"error: WEB_CONCURRENCY must be a whole number above zero, not {value!r}\n"
        assert (done.returncode, done.stderr) == (1, told)
    else:
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("environment", "required"),
    [
        ({}, False),
        ({"HOST": "127.0.0.1"}, False),
        ({"HOST": "::1"}, False),
        ({"HOST": EVERYWHERE}, True),
        ({"HOST": "scoring.example"}, True),
        ({"REQUIRE_KEYS": "yes"}, True),
    ],
)
def test_keys_are_required_beyond_loopback(environment: dict[str, str], *, required: bool) -> None:
    assert Settings.from_environment(environment).require_keys is required


def test_keys_cannot_be_waived_beyond_loopback() -> None:
    with pytest.raises(SettingsError, match="REQUIRE_KEYS=no holds on loopback only"):
        Settings.from_environment({"HOST": EVERYWHERE, "REQUIRE_KEYS": "no"})


def test_serving_imports_no_training_library(small_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import api; from api.decisions import example\n"
        f"app = api.create_app(api.Settings(model_dir=Path({str(small_model)!r}), "
        f"database_url='sqlite:///{tmp_path}/scoring.db'))\n"
        "assert app.test_client().post('/predict', json=example.REQUEST).status_code == 200\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=serving.ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert {"flask", "polars"} <= loaded
    heavy = {"pandas", "mlflow", "shap", "evidently", "sklearn", "scipy", "lightgbm", "matplotlib"}
    assert loaded & heavy == set()


def test_gunicorn_answers_many_at_once_alike(api_url: str, sample: Dataset) -> None:
    applicants = serving.applicants(sample, 2)
    bodies = [serving.request_of(sample, applicant) for applicant in applicants]

    def ask(number: int) -> tuple[int, float]:
        answer = requests.post(f"{api_url}/predict", json=bodies[number % 2], timeout=60)
        return number % 2, answer.json()["probability_of_default"]

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(ask, range(24)))
    assert len(answers) == 2


@pytest.mark.parametrize("chunked", [False, True])
def test_gunicorn_refuses_a_large_body_in_words(api_url: str, chunked: bool) -> None:
    body = b"[" + b" " * (10 * 1024 * 1024) + b"]"
    sent: Any = iter([body[:9_000_000], body[9_000_000:]]) if chunked else body
    headers = {"Content-Type": "application/json"}
    response = requests.post(f"{api_url}/predict", data=sent, headers=headers, timeout=60)
    assert (response.status_code, response.headers["Content-Type"]) == (413, PROBLEM)


def test_a_body_that_comes_after_its_refusal_does_not_hold_up_the_next_request(
    api_url: str,
) -> None:
    host, port = api_url.removeprefix("http://").split(":")
    head = b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        for _ in range(20):
            connection.sendall(head)
            time.sleep(0.01)
            connection.sendall(b"too late.")
            assert answered(connection) == 405
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answered(connection) == 200


def answered(connection: socket.socket) -> int:
    """The status of the next answer on a connection."""
    response = HTTPResponse(connection)
    response.begin()
    response.read()
    return response.status


def test_gunicorn_loads_the_model_in_each_worker(
    small_model: Path, tmp_path: Path, body: dict[str, Any]
) -> None:
    log = tmp_path / "log"
    with serving.running_api(small_model, log, {"WEB_CONCURRENCY": "2"}) as url:
        for _ in range(4):
            assert requests.post(f"{url}/predict", json=body, timeout=60).status_code == 200
        assert "scoring_decisions_total" in metrics_of(url)
        eventually(lambda: "scoring_workers 2.0" in metrics_of(url))


def metrics_of(url: str) -> str:
    return requests.get(f"{url}/metrics", timeout=60).text
