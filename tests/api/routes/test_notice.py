"""The notice of a decision: what it says, in which language, and that it prints on one sheet."""

from __future__ import annotations

import copy
import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask.testing import FlaskClient

from api.decisions import example
from scoring import formats
from scoring.serving.scorer import Scorer
from scoring.store import Override, Review, Store, new_id
from tests.helpers import serving
from tests.helpers.databases import KEY

PROBLEM = "application/problem+json"
NOBODY = "01a2061a-5c77-7d65-9ff9-611f461c3a51"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LENDER = {
    "lender_name": "Crédit <b>Exemple</b> & Cie",
    "lender_address": "12 rue de la Paix; 75002 Paris",
    "credit_bureau": "Bureau central, Paris",
    "contest_days": 40,
    "review_days": 20,
}


@pytest.fixture(scope="module")
def refusing(scorer: Scorer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that refuses whoever it can."""
    folder = tmp_path_factory.mktemp("refusing") / "champion"
    replace(scorer, cutoff=1e-6, refer_band=(1e-6, 1e-6)).save(folder)
    return folder


@pytest.fixture(scope="module")
def client(refusing: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    settings = serving.settings(refusing, tmp_path_factory.mktemp("store"), **LENDER)
    with serving.running_app(settings) as app:
        yield app.test_client()


@pytest.fixture
def answer(client: FlaskClient) -> dict[str, Any]:
    made = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    assert isinstance(made, dict)
    return made


def text_of(client: FlaskClient, number: str, language: str = "en") -> str:
    """The notice as text, its lines joined."""
    response = client.get(
        f"/predictions/{number}/notice?language={language}", headers={"Accept": "text/plain"}
    )
    assert (response.status_code, response.mimetype) == (200, "text/plain")
    assert max(map(len, response.text.splitlines())) <= 78
    return re.sub(r"\s+", " ", response.text)


def page_of(client: FlaskClient, number: str, language: str = "en") -> str:
    response = client.get(f"/predictions/{number}/notice", headers={"Accept-Language": language})
    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert response.headers["Content-Language"] == language
    assert response.vary.to_header() == "Accept, Accept-Language"
    return response.text


def store_of(client: FlaskClient) -> Store:
    return client.application.extensions["service"].store  # type: ignore[no-any-return]


def overridden(client: FlaskClient, number: str, decision: str, motive: str) -> Override:
    override = Override(number, decision, "C. Martin", motive, datetime.now(UTC), "k-1")
    assert store_of(client).outcomes.override(override)
    return override


@pytest.mark.parametrize(
    ("language", "refused", "day", "source"),
    [
        ("en", "Your application has been refused.", "%d November %Y", "your earlier applications"),
        ("fr", "Votre demande a été refusée.", "%d novembre %Y", "vos demandes précédentes"),
    ],
)
def test_a_refusal_says_why_on_what_and_how_to_contest_it(
    client: FlaskClient, answer: dict[str, Any], language: str, refused: str, day: str, source: str
) -> None:
    assert answer["decision"] == "refuse"
    made, text = datetime.fromisoformat(answer["at"]), text_of(client, answer["id"], language)
    sentences = [" ".join(reason["texts"][language].split()) for reason in answer["reasons"]]
    reasons = [f"- {sentence}" for sentence in sentences]
    until = made + timedelta(days=40)
    wanted = (
        *reasons, refused, source, answer["id"], str(answer["applicant"]),
        "Crédit <b>Exemple</b> & Cie 12 rue de la Paix 75002 Paris", "Bureau central, Paris",
        str(until.year), "20 days" if language == "en" else "20 jours",
    )  # fmt: skip
    assert [part for part in wanted if part not in text] == []
    assert text.index(reasons[0]) < text.index(reasons[-1])
    if made.month == 11:
        assert made.strftime(day).lstrip("0") in text
    shown = html.unescape(re.sub(r"<[^>]+>", " ", page_of(client, answer["id"], language)))
    assert [part for part in (refused, answer["id"]) if part not in shown] == []
    assert text_of(client, answer["id"], language) == text


def test_only_sources_that_gave_something_are_named(client: FlaskClient) -> None:
    application = copy.deepcopy(example.REQUEST["application"])
    for name in ("EXT_SOURCE_2", "EXT_SOURCE_3"):
        application[name] = None
    made: Any = client.post("/predict", json={"application": application}).json
    text = text_of(client, made["id"])
    assert "what is stated in the application" in text
    for source in ("credit scores", "other lenders,", "earlier applications", "payments on"):
        assert f"- {source}" not in text
    assert "What others have reported" not in text


def test_what_was_not_understood_is_counted(client: FlaskClient) -> None:
    body = copy.deepcopy(example.REQUEST)
    body["application"]["NAME_EDUCATION_TYPE"] = "Higher educatoin"
    made: Any = client.post("/predict", json=body).json
    assert "counted as unknown: 1." in text_of(client, made["id"])


def test_an_override_comes_first_with_its_reason_and_the_program_is_told_apart(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    overridden(client, answer["id"], "accept", "Permanent <i>contract</i>.")
    text = text_of(client, answer["id"])
    parts = (
        "Your application has been accepted.", "A person decided so on", "had refused the app",
        "Reason given by that person: Permanent <i>contract</i>.",
        "WHAT WEIGHED AGAINST THE APPLICATION IN THE PROGRAM'S ASSESSMENT",
    )  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "C. Martin" not in text
    assert "PRINCIPAL REASONS" not in text


def test_who_was_overridden_is_said(client: FlaskClient, answer: dict[str, Any]) -> None:
    overridden(client, answer["id"], "accept", "Permanent contract.")
    assert "The computer program had refused the application" in text_of(client, answer["id"])
    store = store_of(client)
    again = replace(
        store.outcomes.overrides(answer["id"])[0], decision="refuse", at=datetime.now(UTC)
    )
    assert store.outcomes.override(again, seen=1)
    english, french = (text_of(client, answer["id"], language) for language in ("en", "fr"))
    assert "Before, a person had accepted the application" in english
    assert "Auparavant, une personne avait accepté la demande" in french
    assert "computer program had" not in english
    assert "programme informatique avait" not in french


def recorded_with(client: FlaskClient, number: str, **changes: Any) -> str:
    """The id of another decision on record that differs from one in some fields."""
    kept = store_of(client).decisions.find(number)
    assert kept is not None
    other = replace(kept, id=new_id(), **changes)
    store_of(client).decisions.record([other])
    return other.id


@pytest.mark.parametrize(
    ("language", "pds", "said"),
    [
        ("en", (0.08104, 0.081, 0.095), ("at 8.104%", "below 8.100%", "above 9.500%")),
        ("fr", (0.08104, 0.081, 0.095), ("à 8,104 %", "de 8,100 %", "de 9,500 %")),
        ("en", (0.08118, 0.08116, 0.08116), ("at 8.118%", "up to 8.116% and refuses those above")),
        ("en", (0.3, 0.081, 0.095), ("at 30.0%", "below 8.1%", "above 9.5%")),
    ],
)
def test_what_is_held_against_each_other_never_reads_alike(
    client: FlaskClient,
    answer: dict[str, Any],
    language: str,
    pds: tuple[float, float, float],
    said: tuple[str, ...],
) -> None:
    names = ("pd", "refer_low", "refer_high")
    number = recorded_with(client, answer["id"], **dict(zip(names, pds, strict=True)))
    text = text_of(client, number, language).replace("\u202f", " ").replace("\xa0", " ")
    assert [part for part in said if part not in text] == []


def test_an_old_notice_tells_the_lender_of_its_day(
    client: FlaskClient, answer: dict[str, Any], refusing: Path, tmp_path: Path
) -> None:
    text = text_of(client, answer["id"])
    database = client.application.extensions["service"].settings.database_url
    other = {
        "lender_name": "Another",
        "contest_days": 1,
        "review_days": 1,
        "database_url": database,
    }
    with serving.running_app(serving.settings(refusing, tmp_path, **other)) as app:
        later = app.test_client()
        assert text_of(later, answer["id"]) == text
        words = {"words": "I can pay."}
        review = later.post(f"/predictions/{answer['id']}/reviews", json=words).json or {}
        days = datetime.fromisoformat(review["due_at"]) - datetime.fromisoformat(
            review["received_at"]
        )
        assert days == timedelta(days=20)
        # What was decided before lenders were kept says what holds today, and that it does.
        of_before = recorded_with(client, answer["id"], terms=None)
        english, french = (text_of(later, of_before, language) for language in ("en", "fr"))
    assert english.startswith("Another ")
    assert "what stands here is as of today" in english
    assert "ce qui figure ici est d'aujourd'hui" in french
    assert "as of today" not in text


def test_a_counter_offer_says_what_is_otherwise(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    application = copy.deepcopy(example.REQUEST["application"])
    names = ("AMT_CREDIT", "AMT_GOODS_PRICE", "AMT_ANNUITY")
    smaller = {name: application[name] / 2 for name in names}
    made: Any = client.post(
        "/predict", json={**example.REQUEST, "application": application | smaller}
    ).json
    origin = recorded_with(client, answer["id"], decision="refuse")
    number = recorded_with(client, made["id"], decision="accept", counter_offer_to=origin)
    text, french = text_of(client, number), text_of(client, number, "fr")
    assert f"It is offered in the place of the loan of the application {origin}." in text
    for name in names:
        for language, told in (("en", text), ("fr", french)):
            said = (formats.number(value[name], language) for value in (smaller, application))
            assert [own for own in said if re.sub(r"\s+", " ", own) not in told] == []
    assert "Amount of the loan:" in text
    assert "Montant du crédit :" in french
    assert "in the place of" not in text_of(client, made["id"])
    orphan = recorded_with(client, made["id"], counter_offer_to=NOBODY)
    assert "is not on record any more" in text_of(client, orphan)


def test_a_counter_offer_says_who_agreed_on_it_and_whether_it_still_stands(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    origin = recorded_with(client, answer["id"], decision="refuse")
    taken = {"decision": "accept", "counter_offer_to": origin, "actor": "A. Petit"}
    number = recorded_with(client, answer["id"], **taken)
    english, french = (text_of(client, number, language) for language in ("en", "fr"))
    assert "A person agreed on this loan with you" in english
    assert "Une personne a convenu de ce crédit avec vous" in french
    assert "without a person" not in english
    assert "sans intervention humaine" not in french
    assert "does not stand" not in english
    refusal = {"decision": "refuse", "actor": "A. Petit", "motive": "The employer has closed."}
    client.post(f"/predictions/{number}/override", json=refusal)
    english, french = (text_of(client, number, language) for language in ("en", "fr"))
    assert "THE LOAN THAT HAD BEEN OFFERED TO YOU" in english
    assert "the offer does not stand any more" in english
    assert "It is offered" not in english
    assert "cette proposition n'est plus valable" in french
    assert "Il est proposé" not in french


def test_nothing_can_be_contested_before_a_person_has_decided(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    number = recorded_with(client, answer["id"], decision="refer")
    english, french = (text_of(client, number, language) for language in ("en", "fr"))
    assert "A person will decide: you need not ask for it." in english
    assert "You can contest" not in english
    assert "Vous pouvez contester" not in french
    assert "You can contest" in text_of(client, answer["id"])


def test_a_model_of_invented_applicants_is_said_to_be_a_demonstration(
    client: FlaskClient, answer: dict[str, Any], scorer: Scorer, tmp_path: Path
) -> None:
    invented = {**scorer.lineage, "training": {"source": "sample"}}
    replace(scorer, lineage=invented).save(tmp_path / "invented")
    with serving.running_app(serving.settings(tmp_path / "invented", tmp_path)) as app:
        other = app.test_client()
        made: Any = other.post("/predict", json=copy.deepcopy(example.REQUEST)).json
        assert "A demonstration: the program" in text_of(other, made["id"])
        assert "A demonstration: the program" in page_of(other, made["id"])
    assert "A demonstration" not in text_of(client, answer["id"])


def test_a_review_is_told_as_it_stands(client: FlaskClient, answer: dict[str, Any]) -> None:
    store, now = store_of(client), datetime.now(UTC)
    due = now + timedelta(days=20)
    review = store.reviews.receive(Review(new_id(), answer["id"], now, due, "I can pay.", "k-1"))
    assert "a person decides by" in text_of(client, answer["id"])
    done = replace(
        review, decision="refuse", overturned=False, actor="C. Martin", motive="Nothing is new.",
        decided_at=now, decided_by="k-1",
    )  # fmt: skip
    store.reviews.decide(done, None, seen=0)
    assert "a person kept the decision. Reason given: Nothing is new." in text_of(
        client, answer["id"]
    )


def test_the_page_loads_and_runs_nothing_and_escapes_what_people_wrote(
    client: FlaskClient, answer: dict[str, Any]
) -> None:
    hostile = "</p><script>alert(1)</script><img src=http://example.org/a.png>{{ 7 * 7 }}"
    overridden(client, answer["id"], "refuse", hostile)
    response = client.get(f"/predictions/{answer['id']}/notice")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy
    assert not re.search(r"<(script|img|link|iframe|b|i)\b|https?://(?!example)", response.text)
    assert html.escape(hostile, quote=True).replace("&#x27;", "&#39;") in response.text
    assert "Crédit &lt;b&gt;Exemple&lt;/b&gt; &amp; Cie" in response.text


def test_a_lender_that_is_not_set_is_said_in_words(refusing: Path, tmp_path: Path) -> None:
    with serving.running_app(serving.settings(refusing, tmp_path)) as app:
        client = app.test_client()
        made: Any = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
        english, french = (text_of(client, made["id"], language) for language in ("en", "fr"))
    assert english.startswith("The name of the lender is not stated")
    assert "The address of the lender is not stated" in english
    assert "address above" not in english
    assert "ci-dessus" not in french
    assert "the lender tells you on request who they are" in english
    assert french.startswith("Le nom du prêteur n'est pas indiqué")


def test_a_pseudonym_is_told_to_nobody(refusing: Path, tmp_path: Path) -> None:
    with serving.running_app(serving.settings(refusing, tmp_path, pseudonym_key=KEY)) as app:
        client = app.test_client()
        made: Any = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
        assert "Applicant number" not in text_of(client, made["id"])
        assert not re.search("p-[0-9a-f]{8}", page_of(client, made["id"]))


def test_reasons_in_whatever_form_are_told_by_their_sentence(client: FlaskClient) -> None:
    """A reason of a cause, one in another language, and one that nobody has put into words."""
    reasons = [
        {"cause": "late", "texts": {"en": "Late payments: 5 of 12", "fr": "Retards : 5 sur 12"}},
        {"cause": "debts", "texts": {"fr": "Dettes : 3"}},
        {"feature": "nobody_named_it", "texts": {}},
    ]
    made: Any = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    store = store_of(client)
    kept = store.decisions.find(made["id"])
    assert kept is not None
    number = new_id()
    store.decisions.record([replace(kept, id=number, reasons=orjson.dumps(reasons).decode())])
    assert "- Late payments: 5 of 12 - Dettes : 3 - nobody_named_it" in text_of(client, number)
    assert "- Retards : 5 sur 12" in text_of(client, number, "fr")
    told = client.get(f"/predictions/{number}").json or {}
    assert [reason["texts"]["en"] for reason in told["reasons"]] == [
        "Late payments: 5 of 12", "Dettes : 3", "nobody_named_it",
    ]  # fmt: skip


def test_what_cannot_be_told_is_a_problem(client: FlaskClient, answer: dict[str, Any]) -> None:
    for path, status in (
        (f"/predictions/{NOBODY}/notice", 404),
        (f"/predictions/{answer['id']}/notice?language=de", 422),
    ):
        response = client.get(path)
        assert (response.status_code, response.content_type) == (status, PROBLEM)
    store_of(client).privacy.erase(answer["applicant"])
    erased = client.get(f"/predictions/{answer['id']}/notice")
    assert (erased.status_code, erased.content_type) == (410, PROBLEM)
    # Nothing is left that could be decided otherwise, or contested.
    other = {"decision": "accept", "actor": "C. Martin", "motive": "A new contract."}
    for path, body in (("override", other), ("reviews", {"words": "I can pay."})):
        response = client.post(f"/predictions/{answer['id']}/{path}", json=body)
        assert (response.status_code, response.content_type) == (410, PROBLEM)
    assert client.get(f"/predictions/{answer['id']}/explanation").status_code == 410


@pytest.mark.parametrize("language", ["en", "fr"])
def test_it_prints_on_one_sheet_of_a4(client: FlaskClient, tmp_path: Path, language: str) -> None:
    """Even with the longest motive."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no browser is installed: apt-get install chromium")
    made: Any = client.post("/predict", json=copy.deepcopy(example.REQUEST)).json
    overridden(client, made["id"], "accept", "A long motive. " * 133)
    page, pdf = tmp_path / "notice.html", tmp_path / "notice.pdf"
    page.write_text(page_of(client, made["id"], language), encoding="utf-8")
    subprocess.run(
        [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
            f"--user-data-dir={tmp_path / 'browser'}", f"--print-to-pdf={pdf}", page.as_uri(),
        ],
        capture_output=True, check=True, timeout=180,
    )  # fmt: skip
    printed = pdf.read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
    (box,) = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert [round(float(side)) for side in box] == [595, 842]
