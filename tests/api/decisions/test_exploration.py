"""Exploration: some of those whom the model refuses are accepted, by chance alone."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api import Settings
from api.decisions import example
from scoring.modelling.examples import Examples
from scoring.modelling.fit import with_explanations
from scoring.monitoring.replay import Report, replay
from scoring.serving.exploration import explored, position
from scoring.serving.scorer import Scorer
from scoring.store import Policy, Prediction, Store
from tests.helpers import serving
from tests.helpers.databases import KEY, prediction

NUMBERS = range(900_001, 900_201)
# With a salt of its own, so that the same are drawn in every run.
EVERYBODY = Policy(
    explore_share=0.3, explore_bound=1.0, explore_budget=1e6, explore_salt="of the tests"
)


@pytest.fixture(scope="module")
def refusing(
    scorer: Scorer, sample_examples: Examples, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A model that refuses whoever it can, and says what it leans on."""
    folder = tmp_path_factory.mktemp("refusing") / "champion"
    explained = with_explanations(scorer, sample_examples.frame.head(100))
    replace(explained, cutoff=1e-6, refer_band=(1e-6, 1e-6)).save(folder)
    return folder


@pytest.fixture
def settings(refusing: Path, tmp_path: Path) -> Settings:
    return serving.settings(refusing, tmp_path, pseudonym_key=KEY)


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    with serving.running_app(settings) as app:
        yield app.test_client()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store(settings.database_url, KEY)
    yield store
    store.close()


def use(client: FlaskClient, policy: Policy) -> None:
    service = client.application.extensions["service"]
    service.store.models.set_policy(policy, "ana", "a test")
    service.models.refresh_policy()


def body(number: int, **changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(example.REQUEST)
    made["application"] |= {"SK_ID_CURR": number, **changes}
    return made


def decide(
    client: FlaskClient, store: Store, policy: Policy, numbers: Sequence[int] = NUMBERS
) -> dict[str, Prediction]:
    """Decide on applicants under a policy; what is recorded of each, by applicant."""
    use(client, policy)
    answers = client.post("/predict/batch", json=[body(number) for number in numbers]).json
    kept = [store.decisions.find(own["prediction"]["id"]) for own in answers["results"]]
    return {own.applicant: own for own in kept if own is not None}


def drawn(decisions: dict[str, Prediction]) -> set[str]:
    return {name for name, own in decisions.items() if own.exploration == "drawn"}


def test_nothing_is_explored_by_default(client: FlaskClient, store: Store) -> None:
    answer = client.post("/predict", json=body(1)).json
    kept = store.decisions.find(answer["id"])
    assert kept is not None
    assert (kept.decision, kept.propensity) == ("refuse", 1.0)
    assert (kept.exploration, kept.policy) == (None, None)


def test_a_share_is_accepted_and_every_decision_tells_how_likely_it_was(
    client: FlaskClient, store: Store
) -> None:
    decisions = decide(client, store, EVERYBODY)
    # Four standard errors of a share of 200.
    assert len(drawn(decisions)) / len(NUMBERS) == pytest.approx(0.3, abs=0.13)
    said = {(own.decision, own.propensity, own.exploration) for own in decisions.values()}
    assert said == {("accept", 0.3, "drawn"), ("refuse", 0.7, "not drawn")}
    assert {own.model_decision for own in decisions.values()} == {"refuse"}
    assert {own.policy for own in decisions.values()} == {store.models.policy().number}


def test_the_policy_tells_what_the_month_has_spent(
    client: FlaskClient, store: Store, scorer: Scorer
) -> None:
    assert client.get("/policy").json["explore_spent"] == 0.0
    decisions = decide(client, store, EVERYBODY)
    loss = scorer.costs.false_negative / scorer.costs.false_positive
    spent = loss * sum(decisions[name].pd for name in drawn(decisions))
    assert client.get("/policy").json["explore_spent"] == pytest.approx(spent)
    assert store.decisions.spent(datetime.now(UTC) + timedelta(days=32)) == 0.0


def test_propensities_add_up_to_all_who_are_in_the_band() -> None:
    """Whoever is drawn stands for 1 / p, and whoever is not for 1 / (1 - p)."""
    policy, number = replace(EVERYBODY, explore_share=0.1), 20_000
    refusals = [prediction(applicant=f"p-{i}", propensity=1.0) for i in range(number)]
    decided = [explored(own, policy) for own in refusals]
    for kind, share in (("drawn", 0.1), ("not drawn", 0.9)):
        weights = [1 / float(own.propensity or 0) for own in decided if own.exploration == kind]
        error = (number * (1 - share) / share) ** 0.5
        assert sum(weights) == pytest.approx(number, abs=4 * error)


def test_an_applicant_is_drawn_or_not_however_often_and_whoever_asks(
    client: FlaskClient, store: Store, settings: Settings
) -> None:
    first = drawn(decide(client, store, EVERYBODY))
    assert drawn(decide(client, store, replace(EVERYBODY, challenger_share=0.9))) == first
    with serving.running_app(settings) as app:
        assert drawn(decide(app.test_client(), store, EVERYBODY)) == first
    more = drawn(decide(client, store, replace(EVERYBODY, explore_share=0.6)))
    assert first < more


def test_whether_an_applicant_is_drawn_depends_on_the_model() -> None:
    """Else those whom one model drew would be those whom the next one draws."""
    places = [(position(f"p-{i}", "a" * 64), position(f"p-{i}", "b" * 64)) for i in range(2_000)]
    both = sum(one < 0.3 and other < 0.3 for one, other in places) / len(places)
    assert both == pytest.approx(0.09, abs=0.026)


def test_places_are_those_of_every_process_and_release() -> None:
    """Else nobody could say later why an applicant was accepted."""
    assert position("p-1", "a" * 64) == pytest.approx(0.043829483285168246)


@pytest.mark.parametrize(
    "policy",
    [
        replace(EVERYBODY, explore_bound=1e-6),
        replace(EVERYBODY, explore_share=0.0),
        replace(EVERYBODY, refer_all=True),
    ],
    ids=["bound", "share", "refer_all"],
)
def test_nobody_is_drawn_beyond_the_bound_or_once_it_is_switched_off(
    client: FlaskClient, store: Store, policy: Policy
) -> None:
    assert drawn(decide(client, store, EVERYBODY, NUMBERS[:20]))
    for own in decide(client, store, policy, NUMBERS[:20]).values():
        assert own.decision == ("refer" if policy.refer_all else "refuse")
        assert (own.propensity, own.exploration) == (1.0, None)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "on"),
        ({"explore_share": 0.0}, "off"),
        ({"refer_all": True}, "suspended"),
        ({"explore_bound": 1e-6}, "ineffective"),
        ({"explore_budget": 1.0}, "spent"),
    ],
)
def test_the_policy_tells_whether_anybody_can_be_drawn(
    client: FlaskClient, store: Store, changes: dict[str, Any], state: str
) -> None:
    decisions = decide(client, store, replace(EVERYBODY, **changes), NUMBERS[:20])
    assert client.get("/policy").json["exploration"] == state
    assert bool(drawn(decisions)) == (state == "on")


@pytest.mark.parametrize(
    ("changes", "least_known"),
    [({"NAME_INCOME_TYPE": "Wrking"}, 0.0), ({}, 1.0)],
    ids=["not understood", "little known"],
)
def test_nobody_is_accepted_by_chance_whom_an_officer_would_have_to_see(
    refusing: Path, tmp_path: Path, changes: dict[str, Any], least_known: float
) -> None:
    settings = serving.settings(refusing, tmp_path, least_known=least_known)
    with serving.running_app(settings) as app:
        client = app.test_client()
        use(client, replace(EVERYBODY, explore_share=1.0))
        answer = client.post("/predict", json=body(1, **changes)).json
        record = client.get(f"/predictions/{answer['id']}").json
    assert (record["decision"], record["exploration"], record["propensity"]) == ("refuse", None, 1)


def test_a_month_has_a_budget(client: FlaskClient, store: Store, scorer: Scorer) -> None:
    (one,) = decide(client, store, Policy(), NUMBERS[:1]).values()
    loss = scorer.costs.false_negative / scorer.costs.false_positive
    policy = replace(EVERYBODY, explore_bound=one.pd, explore_budget=5.5 * one.pd * loss)
    decisions = decide(client, store, policy)
    counts = Counter(own.exploration for own in decisions.values())
    assert counts["drawn"] == 5
    assert counts["budget spent"] > 0
    spent = {own.propensity for own in decisions.values() if own.exploration == "budget spent"}
    assert spent == {1.0}
    # What is spent is spent for those who were drawn before, too.
    assert not drawn(decide(client, store, policy))


def test_an_acceptance_is_seen_and_the_record_says_what_it_was(
    client: FlaskClient, store: Store
) -> None:
    decisions = decide(client, store, EVERYBODY)
    accepted = next(own for own in decisions.values() if own.exploration == "drawn")
    record = client.get(f"/predictions/{accepted.id}").json
    assert (record["decision"], record["final_decision"]) == ("accept", "accept")
    assert (record["model_decision"], record["refer_reasons"]) == ("refuse", [])
    assert (record["propensity"], record["exploration"]) == (0.3, "drawn")
    override = {"decision": "refuse", "actor": "A. Roy", "motive": "The papers are forged."}
    changed = client.post(f"/predictions/{accepted.id}/override", json=override).json
    assert changed["final_decision"] == "refuse"
    assert (changed["decision"], changed["propensity"]) == ("accept", 0.3)


@pytest.mark.parametrize(
    ("language", "words", "why"),
    [
        ("en", "it was accepted by lot", "drawn"),
        ("fr", "acceptée par tirage au sort", "drawn"),
        ("en", "yours was not drawn", "not drawn"),
        ("fr", "la vôtre n'a pas été tirée", "not drawn"),
    ],
)
def test_the_notice_says_what_chance_has_decided(
    client: FlaskClient, store: Store, language: str, words: str, why: str
) -> None:
    decisions = decide(client, store, EVERYBODY)
    for own in decisions.values():
        text = client.get(
            f"/predictions/{own.id}/notice?language={language}", headers={"Accept": "text/plain"}
        ).text
        assert (words in " ".join(text.split())) == (own.exploration == why)


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "had accepted by lot the app"), ("fr", "avait accepté par tirage au sort la demande")],
)
def test_the_notice_tells_of_chance_where_an_officer_decided_otherwise(
    client: FlaskClient, store: Store, language: str, words: str
) -> None:
    decisions = decide(client, store, EVERYBODY, NUMBERS[:20]).values()
    accepted = next(own for own in decisions if own.exploration == "drawn")
    override = {"decision": "refuse", "actor": "A. Roy", "motive": "The papers are forged."}
    assert client.post(f"/predictions/{accepted.id}/override", json=override).status_code == 201
    address = f"/predictions/{accepted.id}/notice?language={language}"
    text = client.get(address, headers={"Accept": "text/plain"}).text
    assert words in " ".join(text.split())


def test_decisions_that_were_explored_are_the_same_again(client: FlaskClient, store: Store) -> None:
    decide(client, store, replace(EVERYBODY, explore_budget=30.0))
    decide(client, store, replace(EVERYBODY, explore_share=0.9), NUMBERS[:50])
    for policy in (replace(EVERYBODY, refer_all=True), replace(EVERYBODY, explore_bound=1e-6)):
        decide(client, store, policy, NUMBERS[:5])
    kinds = Counter(own.exploration for own in store.decisions.search())
    assert min(kinds["drawn"], kinds["not drawn"], kinds["budget spent"]) > 0
    assert replay(store) == Report(decisions=260)


@pytest.mark.parametrize(
    "changed",
    [
        {"decision": "accept", "exploration": "drawn", "propensity": 0.3},
        {"propensity": 0.8},
        {"exploration": None, "propensity": 1.0, "decision": "accept"},
        {"exploration": None, "propensity": 1.0},
        {"exploration": None},
        {"propensity": None},
        {"exploration": "budget spent"},
    ],
)
def test_what_chance_did_not_decide_is_found(
    client: FlaskClient, store: Store, changed: dict[str, Any]
) -> None:
    decisions = decide(client, store, EVERYBODY, NUMBERS[:20])
    refused = next(own for own in decisions.values() if own.exploration == "not drawn")
    store.decisions.record([replace(refused, id="x" * 36, **changed)])
    report = replay(store)
    assert report.differing == 1
    assert set(report.kinds) <= {"decision", "propensity", "exploration"}


@pytest.mark.parametrize("policy", [EVERYBODY, Policy()], ids=["exploring", "off"])
@pytest.mark.parametrize("changed", [{"propensity": 0.5}, {"propensity": None}])
def test_whoever_had_no_chance_is_looked_at_too(
    client: FlaskClient, store: Store, policy: Policy, changed: dict[str, Any]
) -> None:
    use(client, policy)
    answer = client.post("/predict", json=body(1, NAME_INCOME_TYPE="Wrking")).json
    made = store.decisions.find(answer["id"])
    assert made is not None
    assert (made.propensity, made.exploration) == (1.0, None)
    assert replay(store) == Report(decisions=1)
    store.decisions.record([replace(made, id="x" * 36, **changed)])
    # Of decisions from before there was exploration, nothing is known.
    expected = {} if policy == Policy() and changed["propensity"] is None else {"propensity": 1}
    assert replay(store).kinds == expected


def test_little_is_known_by_the_setting_of_the_service(refusing: Path, tmp_path: Path) -> None:
    settings = serving.settings(refusing, tmp_path, least_known=1.0)
    with serving.running_app(settings) as app:
        client = app.test_client()
        use(client, EVERYBODY)
        client.post("/predict", json=body(1))
    store = Store(settings.database_url)
    assert replay(store, least_known=1.0) == Report(decisions=1)
    assert replay(store, least_known=0.0).kinds["exploration"] == 1
    store.close()


def test_nobody_can_foretell_who_is_drawn(
    client: FlaskClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """What decides is in the store alone: by what is public, others would be drawn."""
    caplog.set_level("DEBUG")
    change = {"explore_share": 0.3, "explore_bound": 1.0, "explore_budget": 1e6}
    told = [client.put("/policy", json={**change, "actor": "A", "motive": "A trial."})]
    told += [client.get("/policy"), client.get("/model"), client.get("/metrics")]
    assert told[0].status_code == 200, told[0].text
    secret = store.models.policy().explore_salt
    assert secret is not None
    bodies = [body(number) for number in NUMBERS]
    told.append(client.post("/predict/batch", json=bodies))
    made = [
        client.get(f"/predictions/{own['prediction']['id']}") for own in told[-1].json["results"]
    ]
    kept = {own.applicant: own for own in store.decisions.search()}
    public = {name for name, own in kept.items() if position(name, own.model_digest) < 0.3}
    known = {name for name, own in kept.items() if position(name, own.model_digest, secret) < 0.3}
    assert drawn(kept) == known != public
    for answer in (*told, *made):
        assert answer.status_code == 200
        assert secret not in f"{answer.headers}{answer.text}"
    assert secret not in caplog.text


def test_one_applicant_does_not_use_the_budget_up(
    client: FlaskClient, store: Store, scorer: Scorer
) -> None:
    """Whoever asks again keeps the answer, also once others have spent the rest."""
    (own,) = decide(client, store, Policy(), NUMBERS[:1]).values()
    names = {number: store.pseudonyms.applicant(number) for number in NUMBERS}
    first, *others = (
        number
        for number, name in names.items()
        if position(name, own.model_digest, str(EVERYBODY.explore_salt)) < 0.3
    )
    loss = own.pd * scorer.costs.false_negative / scorer.costs.false_positive
    use(client, replace(EVERYBODY, explore_bound=own.pd, explore_budget=3.5 * loss))
    asked = [first] * 20 + others + [first]
    answers = client.post("/predict/batch", json=[body(number) for number in asked]).json
    accepted = [own["prediction"]["decision"] == "accept" for own in answers["results"]]
    assert accepted == [True] * 22 + [False] * (len(others) - 2) + [True]
    assert client.post("/predict", json=body(first)).json["decision"] == "accept"
    assert client.get("/policy").json["explore_spent"] == pytest.approx(3 * loss)
