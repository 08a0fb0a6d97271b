"""Applicants whom the service knows."""

from __future__ import annotations

import copy
import secrets
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from api.decisions import example
from scoring.store import OnlineApplicant
from scoring.store.schema import reads
from tests.helpers import serving


@pytest.fixture(scope="module")
def client(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with serving.running_app(serving.settings(small_model, tmp_path_factory.mktemp("s"))) as app:
        yield app.test_client()


def test_rows_are_told_as_they_can_be_sent(client: FlaskClient) -> None:
    packed = zlib.compress(orjson.dumps(example.REQUEST))
    known = OnlineApplicant(900001, "old", b"x", packed, "d" * 64, datetime.now(UTC))
    client.application.extensions["service"].store.applicants.put([known])
    told = client.get("/applicants/900001").json
    assert told["rows"] == example.REQUEST
    assert told["fresh"] is False
    assert told["dataset"] == "d" * 64
    assert client.post("/predict", json=told["rows"]).status_code == 200


def test_looks_are_recorded_under_the_pseudonym(small_model: Path, tmp_path: Path) -> None:
    found = serving.settings(small_model, tmp_path, pseudonym_key=secrets.token_hex(32))
    with serving.running_app(found) as app:
        store = app.extensions["service"].store
        packed = zlib.compress(orjson.dumps(example.REQUEST))
        now = datetime.now(UTC)
        store.applicants.put([OnlineApplicant(900001, "old", b"x", packed, "d" * 64, now)])
        assert app.test_client().get("/applicants/900001").status_code == 200
        with store.reading() as connection:
            ((who, what, whom),) = connection.execute(
                select(reads.c.caller, reads.c.what, reads.c.applicant)
            )
    assert (who, what) == ("loopback", "applicant")
    assert whom == store.pseudonyms.applicant(900001)
    assert "900001" not in whom


def test_nobody_else_is_known(client: FlaskClient) -> None:
    assert client.get("/applicants/5").status_code == 404
    assert client.get("/applicants/99999999999").status_code == 422
    assert client.get("/applicants/-1").status_code == 404
    assert client.get("/applicants/x").status_code == 404


def test_decisions_are_told_the_newest_first(client: FlaskClient) -> None:
    body = copy.deepcopy(example.REQUEST)
    body["application"]["SK_ID_CURR"] = 900_005
    made = [client.post("/predict", json=body).json for _ in range(3)]
    told = client.get("/applicants/900005/predictions").json["decisions"]
    assert told == made[::-1]
    few = client.get("/applicants/900005/predictions?limit=2").json["decisions"]
    assert few == made[:0:-1]
    assert client.get("/applicants/900006/predictions").json == {"decisions": []}
    for limit in ("0", "101", "x"):
        address = f"/applicants/900005/predictions?limit={limit}"
        assert client.get(address).status_code == 422
