"""POST /offers, and decisions on what was offered."""

from __future__ import annotations

import copy
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from api.decisions import example
from scoring import formats
from scoring.data.dataset import Dataset
from scoring.data.requests import frames_of
from scoring.features import build_features
from scoring.language import LANGUAGES
from scoring.modelling.candidates import Candidate
from scoring.modelling.examples import Examples
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import cross_validate
from scoring.monitoring.replay import replay
from scoring.serving.batch import example_requests
from scoring.serving.costs import Costs
from scoring.serving.materialize import materialize
from scoring.serving.offers import LOAN, Loan, candidates
from scoring.serving.scorer import Scorer
from scoring.store import Store
from tests.helpers import serving

PROBLEM = "application/problem+json"
NOBODY = "01a2061a-5c77-7d65-9ff9-611f461c3a51"
FAMILIES = {
    "trees": Candidate.of("trees", n_estimators=40),
    "linear": Candidate.of("linear"),
    "sum": Candidate.of("sum", **{"trees.n_estimators": 20}),
}
Body = dict[str, Any]


def strict(scorer: Scorer, features: pl.DataFrame) -> Scorer:
    """The model with a cut-off that half of the applicants are above."""
    cutoff = float(np.median(scorer.predict(features)))
    return replace(scorer, cutoff=cutoff, refer_band=(0.97 * cutoff, 1.03 * cutoff))


@pytest.fixture(scope="module", params=FAMILIES)
def model(
    request: pytest.FixtureRequest, sample_examples: Examples, sample_features: pl.DataFrame
) -> Scorer:
    validation = cross_validate(FAMILIES[request.param], sample_examples, Costs(), folds=2)
    return strict(
        fit_scorer(validation, sample_examples, "credit-scoring", lineage={}), sample_features
    )


@pytest.fixture(scope="module")
def folder(
    scorer: Scorer, sample_features: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    place = tmp_path_factory.mktemp("model") / "champion"
    strict(scorer, sample_features).save(place)
    return place


@pytest.fixture(scope="module")
def client(folder: Path, sample: Dataset) -> Iterator[FlaskClient]:
    with serving.running_app(
        serving.settings(folder, folder.parent / "store", what_if_limit="9999/hour")
    ) as app:
        materialize(sample, app.extensions["service"].store)
        yield app.test_client()


def store_of(client: FlaskClient) -> Store:
    store: Store = client.application.extensions["service"].store
    return store


def bodies(sample: Dataset, number: int = 40) -> Iterator[Body]:
    yield from copy.deepcopy(list(example_requests(sample, serving.applicants(sample, number))))


def offers_to(client: FlaskClient, body: Body) -> Body:
    response = client.post("/offers", json=body)
    assert response.status_code == 200, response.text
    return dict(response.json)


def changed(body: Body, offer: Body) -> Body:
    return {**body, "application": {**body["application"], **offer["columns"]}}


@pytest.fixture(scope="module")
def offered(client: FlaskClient, sample: Dataset) -> tuple[Body, Body]:
    """The rows of an applicant with loans elsewhere who is refused, and offers of large loans."""
    for body in bodies(sample, 400):
        answer = offers_to(client, body)
        loans = [changed(body, one)["application"]["AMT_CREDIT"] for one in answer["offers"]]
        if loans and min(loans) > 450_000 and body["bureau"]:
            return body, answer
    raise AssertionError("nobody is offered anything")


def to(origin: str) -> Body:
    """What names the decision in whose place a loan is taken, and who takes it."""
    return {"counter_offer_to": origin, "actor": "A. Petit"}


def wrong_with(client: FlaskClient, body: Body, pointer: str = "/counter_offer_to") -> str:
    response = client.post("/predict", json=body)
    assert (response.status_code, response.content_type) == (422, PROBLEM), response.text
    (error,) = response.json["errors"]
    assert error["pointer"] == pointer
    return str(error["detail"])


def test_offers_are_accepted_and_none_is_nearer(
    model: Scorer, sample: Dataset, tmp_path: Path
) -> None:
    model.save(tmp_path / "champion")
    settings = serving.settings(tmp_path / "champion", tmp_path)
    outcomes: list[str] = []
    with serving.running_app(settings) as app:
        client = app.test_client()
        for place, body in enumerate(bodies(sample, 400)):
            if place >= 40 and len(set(outcomes)) > 2:
                break
            answer = offers_to(client, body)
            outcomes.append(answer["outcome"])
            decided = client.post("/predict", json=body).json
            for name in ("probability_of_default", "decision"):
                assert answer["asked"][name] == decided[name]
            for offer in answer["offers"]:
                again = client.post("/predict", json=changed(body, offer)).json
                assert again["decision"] == offer["decision"] == "accept"
                assert again["probability_of_default"] == offer["probability_of_default"]
            if answer["outcome"] != "accepted" and outcomes.count(answer["outcome"]) <= 2:
                check_by_brute_force(model, body, answer["offers"])
    assert {"accepted", "offers", "none"} <= set(outcomes)


def check_by_brute_force(model: Scorer, body: Body, offers: list[Body]) -> None:
    """Score every loan of the grid as an application of its own, through the features anew."""
    asked = Loan.asked(body["application"])
    grid = candidates(asked, serving.Settings().offers)
    rows = {**body, "application": [body["application"]]}
    accepted = []
    for candidate in grid:
        own = {**body["application"], **candidate.loan.columns}
        features = build_features(frames_of([{**rows, "application": [own]}]))
        if model.decide(model.predict(features)) == ["accept"]:
            accepted.append(candidate)
    assert [offer["distance"] for offer in offers[:1]] == sorted(
        candidate.distance for candidate in accepted
    )[:1]
    for offer in offers:
        own_kind = [c.distance for c in accepted if c.changes == frozenset(offer["changes"])]
        assert offer["distance"] == min(own_kind)


def test_an_offer_says_what_changes_and_what_it_costs(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    document = client.get("/docs/openapi.json").json
    schema = Draft202012Validator({**document, "$ref": "#/components/schemas/Offers"})
    schema.validate(answer)
    schema.validate(offers_to(client, copy.deepcopy(example.REQUEST)))
    assert answer["outcome"] == "offers"
    assert answer["history"] == "sent"
    assert 1 <= len(answer["offers"]) <= 3
    for offer in answer["offers"]:
        before, after = body["application"], changed(body, offer)["application"]
        terms = {own["term"]: (own["asked"], own["offered"]) for own in offer["changed"]}
        expected = {
            **{name: (before[name], after[name]) for name in LOAN},
            "added": tuple(own["AMT_CREDIT"] - own["AMT_GOODS_PRICE"] for own in (before, after)),
            "payments": (answer["asked"]["payments"], offer["payments"]),
        }
        # All that is otherwise is named, and nothing else; each in words with both values.
        assert terms == {name: values for name, values in expected.items() if len({*values}) == 2}
        assert set(offer["columns"]) == set(terms) & set(LOAN)
        cost = offer["payments"] * after["AMT_ANNUITY"] - after["AMT_CREDIT"]
        assert offer["cost_of_credit"] == pytest.approx(cost, abs=0.01)
        for texts in (offer["texts"], *(own["texts"] for own in offer["changed"])):
            assert set(texts) == set(LANGUAGES)
            assert all(texts.values())
        for own in offer["changed"]:
            for language, said in own["texts"].items():
                assert formats.number(own["asked"], language) in said
                assert formats.number(own["offered"], language) in said


def test_no_loan_for_cash_is_told_in_terms_of_goods(client: FlaskClient, sample: Dataset) -> None:
    """Applications are for cash and revolving loans, without goods or anything paid down."""
    some = [offers_to(client, body)["offers"] for body in bodies(sample, 250)]
    told = json.dumps([offer for offers in some for offer in offers], ensure_ascii=False)
    assert len(told) > 1000
    # But for the name of the column.
    assert not re.search(r"goods|biens|down.?payment|comptant", told.replace(LOAN[1], ""), re.I)


def test_nothing_is_recorded(client: FlaskClient, offered: tuple[Body, Body]) -> None:
    before = len(list(store_of(client).decisions.search()))
    offers_to(client, offered[0])
    assert len(list(store_of(client).decisions.search())) == before


def test_a_known_applicant_is_offered_the_same_by_number(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    number = body["application"]["SK_ID_CURR"]
    assert offers_to(client, {"SK_ID_CURR": number}) == {**answer, "history": "stored"}
    alone = {"application": body["application"]}
    assert offers_to(client, alone) == {**answer, "history": "stored"}
    response = client.post("/offers", json={"SK_ID_CURR": 999})
    assert (response.status_code, response.content_type) == (404, PROBLEM)


def test_stored_amounts_take_the_scope_read(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    number = offered[0]["application"]["SK_ID_CURR"]
    for scopes, status in ((("score",), 403), (("score", "read"), 200), (("read",), 403)):
        _, key = store_of(client).keys.add("branch", scopes)  # type: ignore[arg-type]
        sent = {"X-API-Key": key}
        assert (
            client.post("/offers", json={"SK_ID_CURR": number}, headers=sent).status_code == status
        )
    looks = store_of(client).privacy.on_record(number)["reads"]
    assert {look["what"] for look in looks} == {"offers"}


def test_where_an_officer_has_to_decide_nothing_is_offered(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body = copy.deepcopy(offered[0])
    # No feature: the probabilities are what they were.
    body["application"]["FONDKAPREMONT_MODE"] = "an account of some kind"
    answer = offers_to(client, body)
    assert (answer["outcome"], answer["offers"]) == ("officer", [])
    assert answer["refer_reasons"] == ["not_understood"]
    assert [warning["pointer"] for warning in answer["warnings"]] == [
        "/application/FONDKAPREMONT_MODE"
    ]
    policy = {"refer_all": True, "actor": "C. Martin", "motive": "A drill."}
    assert client.put("/policy", json=policy).status_code == 200
    try:
        answer = offers_to(client, offered[0])
        assert (answer["outcome"], answer["offers"]) == ("officer", [])
        assert answer["refer_reasons"] == ["refer_all"]
        assert answer["asked"]["decision"] == "refer"
    finally:
        client.put("/policy", json=policy | {"refer_all": False})


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"application": {"SK_ID_CURR": 1, "AMT_CREDIT": "much"}},
        {"SK_ID_CURR": "100002"},
        {**example.REQUEST, **to(NOBODY)},
    ],
)
def test_what_is_no_application_is_refused(client: FlaskClient, body: Any) -> None:
    response = client.post("/offers", json=body)
    assert (response.status_code, response.content_type) == (422, PROBLEM)


@pytest.mark.parametrize("credit", [1.0, 1.5, 45_000.0, 1e10])
@pytest.mark.parametrize("goods", [None, 1.0, 1.001, 45_000.0, 1e10])
@pytest.mark.parametrize("annuity", [None, 1.0, 1.000000001, 2_500.0, 1e10])
def test_no_amount_is_too_much(
    client: FlaskClient, credit: float, goods: float | None, annuity: float | None
) -> None:
    body = copy.deepcopy(example.REQUEST)
    amounts = dict(zip(LOAN, (credit, goods, annuity), strict=True))
    body["application"] |= amounts
    for offer in offers_to(client, body)["offers"]:
        for name, value in changed(body, offer)["application"].items():
            assert (
                value == body["application"][name]
                or (name == "AMT_ANNUITY" and value > 0.0)
                or 0.0 < value < amounts[name]
            )


def test_offers_count_against_the_limit_of_suppositions(folder: Path, tmp_path: Path) -> None:
    with serving.running_app(serving.settings(folder, tmp_path, what_if_limit="2/hour")) as app:
        asked = [app.test_client().post("/offers", json=example.REQUEST) for _ in range(3)]
    assert [response.status_code for response in asked] == [200, 200, 429]


def test_bounds_are_settings(folder: Path, tmp_path: Path, offered: tuple[Body, Body]) -> None:
    environment = {"OFFER_LEAST_AMOUNT": "0.99", "OFFER_STEP": "0.99", "OFFER_LONGEST_TERM": "1"}
    bounds = serving.Settings.from_environment(environment).offers
    with serving.running_app(serving.settings(folder, tmp_path, offers=bounds)) as app:
        assert offers_to(app.test_client(), offered[0])["outcome"] == "none"


def test_a_counter_offer_is_on_record_with_its_origin(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json
    assert origin["counter_offer_to"] is None
    named = {**changed(body, answer["offers"][0]), **to(origin["id"])}
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    taken = client.post("/predict", json=named, headers=headers).json
    assert taken["decision"] == "accept"
    assert (taken["counter_offer_to"], taken["actor"]) == (origin["id"], "A. Petit")
    assert client.post("/predict", json=named, headers=headers).json == taken
    record = client.get(f"/predictions/{taken['id']}").json
    assert (record["counter_offer_to"], record["actor"]) == (origin["id"], "A. Petit")
    assert client.get(f"/predictions/{origin['id']}").json["counter_offers"] == [taken["id"]]
    _, key = store_of(client).keys.add("branch", ("score",))
    assert client.get(f"/predictions/{origin['id']}", headers={"X-API-Key": key}).status_code == 404
    assert replay(store_of(client)).differing == 0


def test_only_what_is_offered_to_that_application_is_a_counter_offer(
    client: FlaskClient, sample: Dataset, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    for offer in answer["offers"]:
        origin = client.post("/predict", json=body).json["id"]
        named = {**changed(body, offer), **to(origin)}
        assert client.post("/predict", json=named).json["counter_offer_to"] == origin
        for name, difference in (("AMT_ANNUITY", -0.5), ("AMT_CREDIT", 0.5), ("AMT_CREDIT", -4e5)):
            own = copy.deepcopy(named)
            own["application"][name] += difference
            said = wrong_with(client, own)
            assert name in said
            assert "POST /offers" in said
    accepted = next(
        own for own in bodies(sample) if offers_to(client, own)["outcome"] == "accepted"
    )
    origin = client.post("/predict", json=accepted).json["id"]
    half = {**accepted["application"], "AMT_CREDIT": accepted["application"]["AMT_CREDIT"] / 2}
    said = wrong_with(client, {**accepted, "application": half, **to(origin)})
    assert "no loan is offered" in said
    # What an officer has to look at is not helped by a smaller loan, with the word left out or not.
    doubted = copy.deepcopy(body)
    doubted["application"]["FONDKAPREMONT_MODE"] = "an account of some kind"
    origin = client.post("/predict", json=doubted).json["id"]
    doubted["application"]["FONDKAPREMONT_MODE"] = None
    said = wrong_with(client, {**changed(doubted, answer["offers"][0]), **to(origin)})
    assert "no loan is offered" in said


def test_the_record_supplies_the_number_of_an_applicant_without_one(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    nameless = without_number(body)
    origin = client.post("/predict", json=nameless).json
    assert origin["applicant"] >= 1_000_000_000
    named = {**changed(nameless, answer["offers"][0]), **to(origin["id"])}
    taken = client.post("/predict", json=named).json
    assert (taken["applicant"], taken["decision"]) == (origin["applicant"], "accept")
    again = client.post("/predict", json=nameless).json
    (item,) = client.post("/predict/batch", json=[named | to(again["id"])]).json["results"]
    assert item["prediction"]["applicant"] == again["applicant"]


def without_number(body: Body) -> Body:
    rows = copy.deepcopy(body)
    for own in ([rows["application"]], *(rows[name] for name in rows if name != "application")):
        for row in own:
            row.pop("SK_ID_CURR", None)
    return rows


def test_counter_offers_come_in_batches_too(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json["id"]
    named = {**changed(body, answer["offers"][0]), **to(origin)}
    results = client.post("/predict/batch", json=[named, {**named, **to(NOBODY)}, body]).json[
        "results"
    ]
    assert results[0]["prediction"]["counter_offer_to"] == origin
    assert results[1]["problem"]["errors"][0]["pointer"] == "/counter_offer_to"
    assert results[2]["prediction"]["counter_offer_to"] is None


def test_an_applicant_gets_one_loan_after_an_application(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json["id"]
    named = {**changed(body, answer["offers"][0]), **to(origin)}
    both = client.post("/predict/batch", json=[named, named]).json["results"]
    loan = both[0]["prediction"]["id"]
    again = client.post("/predict", json=named)
    assert (again.status_code, again.content_type) == (409, PROBLEM)
    assert all(loan in problem["detail"] for problem in (again.json, both[1]["problem"]))
    assert client.get(f"/predictions/{origin}").json["counter_offers"] == [loan]
    # Once an officer has refused that one, another may be taken.
    refusal = {"decision": "refuse", "actor": "Ann", "motive": "withdrawn by the applicant"}
    client.post(f"/predictions/{loan}/override", json=refusal)
    assert client.post("/predict", json=named).json["decision"] == "accept"
    # Where an officer has accepted what was asked for, no other loan is needed.
    origin = client.post("/predict", json=body).json["id"]
    accepted = {**refusal, "decision": "accept"}
    assert client.post(f"/predictions/{origin}/override", json=accepted).status_code == 201
    assert origin in client.post("/predict", json=named | to(origin)).json["detail"]


def test_a_batch_that_is_sent_again_has_its_counter_offers_again(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json["id"]
    batch = [{**changed(body, answer["offers"][0]), **to(origin)}, body]
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first, again = (client.post("/predict/batch", json=batch, headers=headers) for _ in range(2))
    assert first.json["results"][0]["prediction"]["counter_offer_to"] == origin
    assert again.json == first.json


@pytest.mark.parametrize("actor", [None, "", " - ", 5, "x" * 201, "a\u0000"])
def test_who_takes_a_loan_is_named(
    client: FlaskClient, offered: tuple[Body, Body], actor: Any
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json["id"]
    named = {**changed(body, answer["offers"][0]), "counter_offer_to": origin}
    assert "must" in wrong_with(client, named, "/actor")
    assert "must" in wrong_with(client, {**named, "actor": actor}, "/actor")
    assert "unknown field" in wrong_with(client, {**body, "actor": "Ann"}, "/actor")
    assert client.get(f"/predictions/{origin}").json["actor"] is None


def test_who_took_a_loan_is_told_and_erased_with_the_applicant(
    folder: Path, tmp_path: Path, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    number = body["application"]["SK_ID_CURR"]
    with serving.running_app(
        serving.settings(folder, tmp_path, pseudonym_key=secrets.token_hex(32))
    ) as app:
        client = app.test_client()
        origin = client.post("/predict", json=body).json["id"]
        named = changed(body, answer["offers"][0]) | to(origin) | {"actor": f"Ann, of {number}"}
        taken = client.post("/predict", json=named).json["id"]
        privacy = store_of(client).privacy
        actors = {row["id"]: row["actor"] for row in privacy.on_record(number)["predictions"]}
        # Under pseudonyms no text tells the number.
        assert actors[origin] is None
        assert actors[taken].startswith("Ann, of ")
        assert str(number) not in actors[taken]
        privacy.erase(number)
        kept = (store_of(client).decisions.find(one) for one in (origin, taken))
        assert [decision and decision.actor for decision in kept] == [None, "erased"]


def test_only_the_loan_may_differ(
    client: FlaskClient, sample: Dataset, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json["id"]
    named = {**changed(body, answer["offers"][0]), **to(origin)}
    income = {**named["application"], "AMT_INCOME_TOTAL": 1_000_000.0}
    mobile = {**named["application"], "FLAG_EMAIL": 1 - (body["application"]["FLAG_EMAIL"] or 0)}
    assert "not AMT_INCOME_TOTAL" in wrong_with(client, {**named, "application": income})
    assert "not FLAG_EMAIL" in wrong_with(client, {**named, "application": mobile})
    assert "not bureau" in wrong_with(client, {**named, "bureau": [], "bureau_balance": []})
    assert "this very loan" in wrong_with(client, {**body, **to(origin)})
    assert "no decision" in wrong_with(client, {**named, **to(NOBODY)})
    for number in ("x", 5, None, origin.upper(), f"{origin}\n"):
        assert "must be the id" in wrong_with(client, {**named, "counter_offer_to": number})
    other = next(one for one in bodies(sample) if one["application"] != body["application"])
    assert "another applicant" in wrong_with(client, {**other, **to(origin)})
    by_number = {"SK_ID_CURR": body["application"]["SK_ID_CURR"], **to(origin)}
    assert "not the number alone" in wrong_with(client, by_number)
    store_of(client).privacy.erase(body["application"]["SK_ID_CURR"])
    assert "has been erased" in wrong_with(client, named)


def test_a_decision_of_another_key_is_no_origin(
    client: FlaskClient, offered: tuple[Body, Body]
) -> None:
    body, answer = offered
    origin = client.post("/predict", json=body).json["id"]
    named = {**changed(body, answer["offers"][0]), **to(origin)}
    _, key = store_of(client).keys.add("branch", ("score",))
    response = client.post("/predict", json=named, headers={"X-API-Key": key})
    assert response.status_code == 422
    assert "no decision" in response.json["errors"][0]["detail"]


@pytest.mark.parametrize("key", [None, secrets.token_hex(32)], ids=["numbers", "pseudonyms"])
def test_a_decision_by_number_has_counter_offers(
    folder: Path, sample: Dataset, tmp_path: Path, offered: tuple[Body, Body], key: str | None
) -> None:
    body, answer = offered
    settings = serving.settings(folder, tmp_path, pseudonym_key=key)
    with serving.running_app(settings) as app:
        client = app.test_client()
        materialize(sample, store_of(client))
        number = body["application"]["SK_ID_CURR"]
        origins = [
            client.post("/predict", json={"SK_ID_CURR": number}).json["id"],
            client.post("/predict", json=body).json["id"],
        ]
        new = changed(body, answer["offers"][0])["application"]
        for origin in origins:
            # The history is the stored one, since nothing is said of any.
            named = {"application": new, **to(origin)}
            taken = client.post("/predict", json=named).json
            assert taken["counter_offer_to"] == origin
            poorer = {**named, "application": {**new, "AMT_INCOME_TOTAL": 27_000.0}}
            assert "not AMT_INCOME_TOTAL" in wrong_with(client, poorer)
        assert replay(store_of(client)).differing == 0
