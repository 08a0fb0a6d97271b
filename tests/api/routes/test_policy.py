"""The models in the service, and how they are used, changed while it runs."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.decisions import example
from scoring.serving.scorer import Calibration, Scorer
from tests.helpers import serving


def nothing_explored(scorer: Scorer) -> dict[str, Any]:
    return {
        "explore_share": 0.0,
        "explore_bound": 0.0,
        "explore_budget": 0.0,
        "explore_spent": 0.0,
        "exploration": "off",
        "explore_floor": scorer.refer_band[1],
        "default_cost": scorer.costs.false_negative / scorer.costs.false_positive,
    }


# The challenger refers more than the champion.
WIDE = (0.05, 0.5)


@pytest.fixture
def client(small_model: Path, scorer: Scorer, tmp_path: Path) -> Iterator[FlaskClient]:
    """A service with a champion and a challenger that says otherwise."""
    settings = serving.settings(small_model, tmp_path, challenger_dir=tmp_path / "challenger")
    other = Calibration(scorer.calibration.slope, scorer.calibration.intercept + 1)
    replace(scorer, version="8", calibration=other, refer_band=WIDE).save(tmp_path / "challenger")
    with serving.running_app(settings) as app:
        yield app.test_client()


def body(number: int = 900001) -> dict[str, Any]:
    found = copy.deepcopy(example.REQUEST)
    found["application"]["SK_ID_CURR"] = number
    return found


def change(client: FlaskClient, **changes: Any) -> Any:
    return client.put("/policy", json={"actor": "C. Martin", "motive": "A trial.", **changes})


def test_models_are_told(client: FlaskClient, scorer: Scorer) -> None:
    told = client.get("/model").json
    assert told["champion"]["version"] == scorer.version
    assert told["champion"]["cutoff"] == scorer.cutoff
    assert told["challenger"]["version"] == "8"
    assert told["challenger"]["role"] == "challenger"
    assert told["champion"]["features"] == len(scorer.features)


def test_the_policy_is_told_and_changed_piece_by_piece(client: FlaskClient, scorer: Scorer) -> None:
    usual = {
        "strategy": "champion",
        "challenger_share": 0.1,
        "refer_all": False,
        **nothing_explored(scorer),
    }
    assert client.get("/policy").json == usual
    split = {**usual, "strategy": "split", "explore_floor": WIDE[1]}
    assert change(client, strategy="split").json == split
    changed = {**split, "challenger_share": 0.5}
    assert change(client, challenger_share=0.5).json == changed
    assert client.get("/policy").json == changed
    events = client.application.extensions["service"].store.models.events()
    assert "A trial." in next(event.detail for event in events if event.kind == "policy")


def test_a_switch_that_is_pulled_stays_pulled_whatever_else_is_changed(
    client: FlaskClient, scorer: Scorer
) -> None:
    barrier = threading.Barrier(3)

    def put(**changes: Any) -> None:
        own = client.application.test_client()
        barrier.wait()
        for _ in range(8):
            assert change(own, **changes).status_code == 200

    for pulled in (True, False):
        with ThreadPoolExecutor(3) as pool:
            shares = {"challenger_share": 0.3 if pulled else 0.7}
            work = [{"refer_all": pulled}, shares, {"strategy": "split"}]
            for done in [pool.submit(put, **one) for one in work]:
                done.result()
        expected = {"strategy": "split", **shares, "refer_all": pulled}
        expected |= nothing_explored(scorer) | {"explore_floor": WIDE[1]}
        assert client.get("/policy").json == expected


def test_a_change_may_be_tied_to_what_was_seen(client: FlaskClient, scorer: Scorer) -> None:
    def put(if_match: str, **changes: Any) -> tuple[int, str | None]:
        response = client.put(
            "/policy",
            json={"actor": "C. Martin", "motive": "A trial.", **changes},
            headers={"If-Match": if_match},
        )
        return response.status_code, response.headers.get("ETag")

    seen = client.get("/policy").headers["ETag"]
    status, now = put(seen, strategy="shadow")
    assert status == 200
    assert now == client.get("/policy").headers["ETag"] != seen
    for stale in (seen, f"W/{seen}", '"no number"', f'"{"9" * 5000}"', "", '""'):
        assert put(stale, challenger_share=0.9) == (412, None)
        explored = {"explore_share": 0.02, "explore_bound": 0.3, "explore_budget": 40.0}
        assert put(stale, **explored) == (412, None)
    told = client.put("/policy", json={"actor": "A", "motive": "B"}, headers={"If-Match": seen})
    assert told.content_type == "application/problem+json"
    assert client.get("/policy").json["challenger_share"] == 0.1
    # The switch is nobody's change but its own.
    assert change(client, refer_all=True).status_code == 200
    assert put("*", challenger_share=0.2)[0] == 200
    last = client.get("/policy").headers["ETag"]
    # A proxy that compresses answers makes tags weak.
    assert put(f"{seen}, W/{last}", challenger_share=0.3)[0] == 200
    expected = {"strategy": "shadow", "challenger_share": 0.3, "refer_all": True}
    expected |= nothing_explored(scorer)
    assert client.get("/policy").json == expected


def test_the_condition_is_documented(client: FlaskClient) -> None:
    told = client.get("/docs/openapi.json").json["paths"]["/policy"]["put"]
    assert "If-Match" in [one["name"] for one in told["parameters"]]
    assert "application/problem+json" in told["responses"]["412"]["content"]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"strategy": "best"}, "/strategy"),
        ({"challenger_share": 1.5}, "/challenger_share"),
        ({"challenger_share": "0.5"}, "/challenger_share"),
        ({"refer_all": 1}, "/refer_all"),
        ({"motive": ""}, "/motive"),
        ({"share": 0.5}, "/share"),
        ({"explore_share": 1.1}, "/explore_share"),
        ({"explore_bound": -0.1}, "/explore_bound"),
        ({"explore_budget": -1.0}, "/explore_budget"),
        ({"explore_budget": 1.01e9}, "/explore_budget"),
        ({"explore_budget": 1e308}, "/explore_budget"),
        ({"explore_salt": "known"}, "/explore_salt"),
    ],
)
def test_a_wrong_policy_is_named(
    client: FlaskClient, changes: dict[str, Any], pointer: str
) -> None:
    response = change(client, **changes)
    assert response.status_code == 422
    assert [error["pointer"] for error in json.loads(response.data)["errors"]] == [pointer]


def test_a_budget_is_a_number_of_which_the_largest_is_told(client: FlaskClient) -> None:
    told = change(client, explore_budget=1e308)
    assert "less than or equal to 1000000000" in json.loads(told.data)["errors"][0]["detail"]
    assert change(client, explore_budget=1e9).status_code == 200
    usual = '{"actor": "A", "motive": "A trial.", "explore_budget": %s}'
    for word in ("NaN", "Infinity", "-Infinity", "1e999"):
        told = client.put("/policy", data=usual % word, content_type="application/json")
        assert told.status_code in (400, 422)
        errors = json.loads(told.data)["errors"]
        assert [error["pointer"] for error in errors] == ["/explore_budget"]
    assert client.get("/policy").json["explore_budget"] == 1e9


@pytest.mark.parametrize(
    ("strategy", "bound", "budget", "pointers"),
    [
        ("champion", 0.3, 40.0, []),
        ("shadow", 0.3, 40.0, []),
        ("champion", "floor", 40.0, ["/explore_bound"]),
        ("champion", 0.3, 3.0, ["/explore_budget"]),
        ("champion", 0.05, 0.0, ["/explore_bound", "/explore_budget"]),
        ("split", 0.3, 40.0, ["/explore_bound"]),
        ("split", 0.6, 40.0, []),
    ],
)
def test_exploration_that_can_accept_nobody_is_refused(
    client: FlaskClient,
    scorer: Scorer,
    strategy: str,
    bound: float | str,
    budget: float,
    pointers: list[str],
) -> None:
    bound = scorer.refer_band[1] if bound == "floor" else bound
    before = change(client, strategy=strategy).json
    sent = {"explore_share": 0.02, "explore_bound": bound, "explore_budget": budget}
    response = change(client, **sent)
    told = json.loads(response.data)
    assert [error["pointer"] for error in told.get("errors", ())] == pointers
    assert response.status_code == (422 if pointers else 200)
    assert all("must be above" in error["detail"] for error in told.get("errors", ()))
    expected = before if pointers else {**before, **sent, "exploration": "on"}
    assert client.get("/policy").json == expected
    # Whatever is set, it can be switched off, and everything be referred.
    assert change(client, **{**sent, "explore_share": 0.0}, refer_all=True).status_code == 200


def test_a_bound_that_another_model_overtakes_is_told_and_keeps_no_switch_from_its_place(
    client: FlaskClient,
) -> None:
    sent = {"explore_share": 0.02, "explore_bound": 0.3, "explore_budget": 40.0}
    assert change(client, **sent).json["exploration"] == "on"
    # The champion's refusals are explored still.
    told = change(client, strategy="split").json
    assert (told["exploration"], told["explore_floor"]) == ("on", WIDE[1])
    assert change(client, refer_all=True).json["exploration"] == "suspended"


def test_exploration_can_be_ended_whatever_else_is_changed_meanwhile(client: FlaskClient) -> None:
    sent = {"explore_share": 0.02, "explore_bound": 0.3, "explore_budget": 40.0}
    assert change(client, **sent).status_code == 200
    with ThreadPoolExecutor(4) as threads:
        others = [threads.submit(change, client, challenger_share=n / 10) for n in range(4)]
        ended = [threads.submit(change, client, explore_share=0.0) for _ in range(4)]
    assert {one.result().status_code for one in [*others, *ended]} == {200}


def test_everything_can_be_referred(client: FlaskClient) -> None:
    usual = client.post("/predict", json=body()).json
    assert change(client, refer_all=True).status_code == 200
    referred = client.post("/predict", json=body()).json
    assert referred["decision"] == "refer"
    assert referred["model_decision"] == usual["decision"]
    assert referred["probability_of_default"] == usual["probability_of_default"]
    change(client, refer_all=False)
    assert client.post("/predict", json=body()).json["decision"] == usual["decision"]


def test_a_shadow_is_recorded_and_never_answers(client: FlaskClient) -> None:
    usual = client.post("/predict", json=body()).json
    change(client, strategy="shadow")
    answer = client.post("/predict", json=body()).json
    assert answer["probability_of_default"] == usual["probability_of_default"]
    assert answer["model"]["role"] == "champion"
    stored = client.application.extensions["service"].store.decisions.find(answer["id"])
    (shadow,) = stored.shadows
    assert shadow.model_version == "8"
    assert shadow.pd > answer["probability_of_default"]


def test_a_split_sends_each_applicant_to_one_model(client: FlaskClient) -> None:
    change(client, strategy="split", challenger_share=0.4)
    roles = {}
    for number in range(900_001, 900_041):
        answers = [client.post("/predict", json=body(number)).json for _ in range(2)]
        assert answers[0]["model"] == answers[1]["model"]
        roles[number] = answers[0]["model"]["role"]
        assert answers[0]["model"]["why"] == "split"
    share = list(roles.values()).count("challenger") / len(roles)
    assert 0.2 < share < 0.6
