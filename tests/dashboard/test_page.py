"""The page, as Streamlit runs it, against a real API and against none."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pandas as pd
import pytest
import requests
from sqlalchemy import select
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from dashboard.batch import COLUMNS
from dashboard.charts import points
from dashboard.samples import sample_files
from dashboard.settings import Settings
from dashboard.texts import TEXTS, number, percent, signed
from scoring.__main__ import app as command_line
from scoring.data.dataset import Dataset
from scoring.data.requests import rows_of
from scoring.features.wording import describe
from scoring.modelling.validation import Validation
from scoring.serving.scorer import Scorer
from scoring.store import Outcome, Report, Store
from scoring.store.schema import reads
from tests.helpers import serving
from tests.helpers.serving import Service

APP = str(serving.ROOT / "dashboard" / "app.py")
EXPLORED = ("explore_share", "explore_bound", "explore_budget")
Environment = pytest.MonkeyPatch
pytestmark = pytest.mark.usefixtures("environment")


@pytest.fixture(scope="module")
def examples(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for place, applicant in enumerate(serving.applicants(sample, 2), start=1):
        body = json.dumps(serving.request_of(sample, applicant))
        (folder / f"{place}.json").write_text(body)
    return folder


@pytest.fixture
def environment(monkeypatch: Environment, examples: Path, service: Service) -> Environment:
    monkeypatch.setenv("EXAMPLES_DIR", str(examples))
    monkeypatch.setenv("API_TIMEOUT", "60")
    monkeypatch.setenv("API_URL", service.url)
    for name in ("API_KEY", "API_KEY_FOR_ALL"):
        monkeypatch.delenv(name, raising=False)
    # The page becomes the main module, which processes of later tests would run.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    return monkeypatch


def opened(language: str = "en", source: str = "file") -> AppTest:
    page = AppTest.from_file(APP, default_timeout=90).run()
    page.radio(key="language").set_value(language).run()
    return page.radio(key="source").set_value(source).run()


def words(page: AppTest) -> str:
    assert not page.exception
    places = (page.title, page.header, page.markdown, page.caption, page.info, page.text)
    boxes = (page.success, page.error, page.warning)
    return "\n".join(str(item.value) for kind in (*places, *boxes) for item in kind)


def asked(language: str = "en") -> AppTest:
    return opened(language).button(key="ask").click().run()


def at_tab(page: AppTest, name: str, language: str = "en") -> AppTest:
    """The same page with another tab open."""
    page.session_state[f"tabs_{language}"] = TEXTS[language][f"{name}_tab"]
    return page.run()


def in_detail(page: AppTest, name: str, language: str = "en") -> AppTest:
    page.session_state[f"details_{language}"] = TEXTS[language][f"{name}_tab"]
    return page.run()


def test_it_opens_in_french_and_asks_whom_it_is_about() -> None:
    page = AppTest.from_file(APP, default_timeout=90).run()
    assert TEXTS["fr"]["title"] in words(page)
    assert page.radio(key="source").value == "number"
    assert not page.button


@pytest.mark.parametrize("language", ["fr", "en"])
def test_it_shows_the_decision_of_the_api(service: Service, examples: Path, language: Any) -> None:
    page = asked(language)
    body = (examples / "1.json").read_bytes()
    headers = {"Content-Type": "application/json", "Accept-Language": language}
    answer = requests.post(f"{service.url}/predict", data=body, headers=headers, timeout=60).json()
    said = words(page)
    assert f"**{TEXTS[language][answer['decision']]}.**" in said
    assert percent(answer["probability_of_default"], language) in said
    assert percent(answer["cutoff"], language) in said
    heading = "reasons_heading" if answer["decision"] == "refuse" else "weighed_against"
    assert TEXTS[language][heading] in [item.value for item in page.subheader]
    # What Markdown would read as marks is escaped.
    plain = said.replace("\\", "")
    assert all(reason["texts"][language] in plain for reason in answer["reasons"])
    explained = requests.get(
        f"{service.url}/predictions/{answer['id']}/explanation", headers=headers, timeout=60
    ).json()
    moved = points([cause["contribution"] for cause in explained["causes"]], explained["base"])
    explained = explained["causes"]
    # In points as the chart has them, and none that reads as nothing.
    assert [expander.label for expander in page.expander[1:]] == [
        f"{cause['text']} ({signed(step, language, 1)})"
        for cause, step in zip(explained, moved, strict=True)
        if signed(step, language, 1)[1:] != number(0.0, language, 1)
    ]
    table, features = page.dataframe[0].value, explained[0]["features"]
    assert table.iloc[:, 0].to_list() == [step["text"] for step in features]
    assert table.iloc[0, 2] == signed(features[0]["contribution"], language, 3)
    assert len(page.get("plotly_chart")) == 2


def test_the_card_says_who_it_is(service: Service, examples: Path) -> None:
    rows = json.loads((examples / "1.json").read_bytes())
    facts = {"NAME_INCOME_TYPE": "Working", "OCCUPATION_TYPE": None, "DAYS_BIRTH": -12_419}
    rows["application"] |= {**facts, "DAYS_EMPLOYED": -800, "AMT_CREDIT": 450_000.0}
    page = opened("fr")
    page.file_uploader[0].upload("mine.json", json.dumps(rows).encode(), "application/json")
    page.run().button(key="ask").click().run()
    kept = service.store.decisions.find(_decision(service))
    assert kept is not None
    assert kept.known is not None
    told = ["34 ans", "salarié, depuis 2 ans", number(450_000.0, "fr"), percent(kept.known, "fr")]
    assert [fact for fact in told if f"**{fact}**" not in words(page)] == []


def _verdict(language: str, answer: dict[str, object]) -> None:
    """A verdict alone, as a page of its own."""
    from dashboard.client import Api
    from dashboard.context import Page
    from dashboard.decision import show_verdict
    from dashboard.settings import Settings

    api = Api("http://nowhere", "", language, 1.0)
    show_verdict(Page(api, Settings.from_environment(), language, ""), answer)  # type: ignore[arg-type]


ANSWER = {
    "probability_of_default": 0.04, "cutoff": 0.09, "refer_band": [0.07, 0.11],
    "decision": "accept", "refer_reasons": [], "warnings": [], "known": 0.414, "history": "stored",
}  # fmt: skip
WARNING = {
    "pointer": "/bureau/3/CREDIT_TYPE", "value": "Consumer `![x](http://y/z.png) crdit",
    "nearest": "Consumer credit", "detail": "",
}  # fmt: skip


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("decision", ["accept", "refuse", "refer"])
def test_a_verdict_says_what_it_stands_on(language: Any, decision: str) -> None:
    texts = TEXTS[language]
    reasons = ["band", "not_understood", "little_known", "refer_all"] if decision == "refer" else []
    answer = {**ANSWER, "decision": decision, "refer_reasons": reasons, "warnings": [WARNING]}
    drawn = {"language": language, "answer": answer}
    page = AppTest.from_function(_verdict, kwargs=drawn, default_timeout=90).run()
    said = words(page)
    for reason in ("band", "not_understood", "little_known", "refer_all"):
        low, high = (percent(end, language) for end in ANSWER["refer_band"])
        told = texts[f"because_{reason}"].format(known=percent(0.414, language), low=low, high=high)
        assert (told in said) == (decision == "refer")
    assert texts["not_understood"] in said
    # Somebody else's words are shown, and nothing of them is done.
    assert "`/bureau/3/CREDIT_TYPE Consumer '![x](http://y/z.png) crdit (Consumer credit?)`" in said
    drawn["answer"] = {**ANSWER, "model_decision": "refuse"}
    by_chance = words(AppTest.from_function(_verdict, kwargs=drawn, default_timeout=90).run())
    pd, cutoff = (percent(share, language) for share in (0.04, 0.09))
    assert texts["drawn_why"].format(pd=pd, cutoff=cutoff) in by_chance
    drawn["answer"] = ANSWER
    plain = AppTest.from_function(_verdict, kwargs=drawn, default_timeout=90).run()
    assert texts["not_understood"] not in words(plain)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_was_not_understood_is_told_at_both_doors(
    environment: Environment, examples: Path, tmp_path: Path, language: Any
) -> None:
    rows = json.loads((examples / "1.json").read_bytes())
    rows["application"]["OCCUPATION_TYPE"] = "Core staf"
    (tmp_path / "strange.json").write_text(json.dumps(rows))
    environment.setenv("EXAMPLES_DIR", str(tmp_path))
    page = asked(language)
    told = "/application/OCCUPATION_TYPE Core staf (Core staff?)"
    assert told in words(page)
    # A form that begins from it does not change it without a word.
    page.radio(key="source").set_value("form").run()
    page.radio(key="begin").set_value(1).run()
    page.button(key="ask").click().run()
    assert told in words(page)
    page = uploaded(
        pd.DataFrame([rows["application"]]).to_csv(index=False), page=page, language=language
    )
    assert sent(page)["not_understood"].to_list() == [told]


def test_a_known_applicant_is_found_by_number(service: Service) -> None:
    page = opened(source="number")
    page.text_input(key="number").set_value(str(service.numbers[0])).run()
    assert TEXTS["en"]["age"] in words(page)
    page.button(key="ask").click().run()
    # Each click draws the page anew, and the applicant is looked at once.
    with service.store.reading() as connection:
        looks = connection.execute(select(reads.c.what, reads.c.applicant)).all()
    assert looks == [("applicant", str(service.numbers[0]))]
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    assert (newest.applicant, newest.source) == (str(service.numbers[0]), "id")
    assert newest.id in words(page)


@pytest.mark.parametrize(("typed", "said"), [("x1", "not_a_number"), ("999999", "missing")])
def test_a_number_of_nobody_is_told(typed: str, said: str) -> None:
    page = opened(source="number")
    page.text_input(key="number").set_value(typed).run()
    assert TEXTS["en"][said] in words(page)
    assert not page.button


def test_a_form_is_made_from_the_document_and_begins_empty_or_with_the_last_application(
    examples: Path,
) -> None:
    page = asked()
    before = json.loads((examples / "1.json").read_bytes())
    page.radio(key="source").set_value("form").run()
    kind = page.selectbox(key="form__NAME_CONTRACT_TYPE")
    assert kind.options == ["cash loans", "revolving loans"]
    assert {one.value for one in page.number_input} == {None}
    assert {one.value for one in page.selectbox} == {None}
    number = before["application"]["SK_ID_CURR"]
    rows = TEXTS["en"]["history_rows"].format(rows=number_of_rows(before))
    told = TEXTS["en"]["begin_last"].format(number=number, rows=rows)
    assert page.radio(key="begin").options == [TEXTS["en"]["begin_empty"], told]
    page.radio(key="begin").set_value(1).run()
    credit = page.number_input(key=f"form_{number}_AMT_CREDIT")
    assert credit.value == before["application"]["AMT_CREDIT"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_is_in_the_form_is_what_is_decided_on_and_the_next_one_begins_empty(
    service: Service, examples: Path, language: Any
) -> None:
    page = asked(language)
    before = json.loads((examples / "1.json").read_bytes())
    applicant = before["application"]["SK_ID_CURR"]
    page.radio(key="source").set_value("form").run()
    page.radio(key="begin").set_value(1).run()
    page.number_input(key=f"form_{applicant}_AMT_CREDIT").set_value(1_234_567.0)
    page.button(key="ask").click().run()
    decided = _sent_by_the_page(service)
    assert decided["application"][0]["AMT_CREDIT"] == 1_234_567.0
    # The histories stay with the application.
    rows = {name: len(own) for name, own in decided.items() if name != "application"}
    assert rows == {name: len(own) for name, own in before.items() if name != "application"}
    assert f"**{number(1_234_567.0, language)}**" in words(page)
    # Nothing can be changed beside the decision.
    assert not page.number_input
    page.button(key="another").click().run()
    assert _decision(service) not in words(page)
    assert page.radio(key="begin").value == 0
    assert {one.value for one in page.number_input} == {None}
    _fill(page, applicant)
    page.button(key="ask").click().run()
    decided = _sent_by_the_page(service)
    assert not any(own for name, own in decided.items() if name != "application")
    assert decided["application"][0]["AMT_CREDIT"] == 500_000.0
    assert f"**{TEXTS[language]['history_none']}**" in words(page)
    # A look elsewhere and back does not bring the form back beside it, nor lose the decision.
    page = at_tab(at_tab(page, "batch", language), "applicant", language)
    assert page.radio(key="source").value == "form"
    assert _decision(service) in words(page)
    assert not page.number_input


def test_a_history_stays_with_its_number(service: Service, examples: Path) -> None:
    page = asked()
    number = json.loads((examples / "1.json").read_bytes())["application"]["SK_ID_CURR"]
    page.radio(key="source").set_value("form").run()
    page.radio(key="begin").set_value(1).run()
    page.number_input(key=f"form_{number}_SK_ID_CURR").set_value(service.numbers[1])
    page.button(key="ask").click().run()
    decided = _sent_by_the_page(service)
    assert decided["application"][0]["SK_ID_CURR"] == service.numbers[1]
    assert not any(own for name, own in decided.items() if name != "application")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_form_that_is_refused_says_why_and_keeps_what_was_typed(
    service: Service, language: Any
) -> None:
    page = opened(language, "form")
    _fill(page, 900_001)
    page.number_input(key="form__DAYS_BIRTH").set_value(None)
    page.button(key="ask").click().run()
    for _ in range(2):
        said = words(page)
        assert TEXTS[language]["incomplete"] in said
        assert [line for line in said.splitlines() if line.startswith("- **")] == [
            f"- **{describe('DAYS_BIRTH', language)}**"
            f"{TEXTS[language]['colon']} {TEXTS[language]['required']}"
        ]
        assert page.number_input(key="form__AMT_CREDIT").value == 500_000.0
        assert page.selectbox(key="form__NAME_CONTRACT_TYPE").value == "Cash loans"
        page = at_tab(at_tab(page, "batch", language), "applicant", language)
    page.number_input(key="form__DAYS_BIRTH").set_value(33.0)
    page.button(key="ask").click().run()
    assert _decision(service) in words(page)


def _fill(page: AppTest, number: int) -> None:
    """The least that a form takes, into an empty one."""
    values = {
        "SK_ID_CURR": number, "AMT_CREDIT": 500_000.0, "AMT_INCOME_TOTAL": 1e5, "DAYS_BIRTH": 33.0
    }  # fmt: skip
    for name, value in values.items():
        page.number_input(key=f"form__{name}").set_value(value)
    page.selectbox(key="form__NAME_CONTRACT_TYPE").set_value("Cash loans")


def _sent_by_the_page(service: Service) -> dict[str, Any]:
    """The rows of the newest decision."""
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    rows: dict[str, Any] = rows_of(newest.rows, int(newest.applicant))
    return rows


def number_of_rows(request: dict[str, Any]) -> str:
    rows = sum(len(rows) for name, rows in request.items() if name != "application")
    return number(rows, "en")


def test_an_applicant_is_compared_with_those_that_the_model_learnt_from(
    service: Service,
) -> None:
    page = in_detail(asked(), "similar")
    address = f"{service.url}/predictions/{_decision(service)}/explanation"
    (first, *_) = requests.get(address, timeout=60).json()["causes"]
    chosen = [step["feature"] for step in first["features"]][:2]
    page.multiselect(key="compared").set_value(chosen).run()
    for place, name in enumerate(("probability_of_default", *chosen)):
        found = requests.get(f"{service.url}/model/features/{name}", timeout=60).json()
        table = page.dataframe[place].value
        assert table.iloc[:-1, 1].to_list() == found["counts"]
        assert (table.iloc[:, 3] == TEXTS["en"]["here"]).sum() <= 1
    assert "of the applicants" in words(page)


def test_what_if_shows_the_answer_before_and_after_and_records_nothing(
    service: Service, examples: Path
) -> None:
    page = in_detail(asked(), "what_if")
    assert TEXTS["en"]["nothing_changed"] in words(page)
    recorded = len(list(service.store.decisions.search()))
    rows = json.loads((examples / "1.json").read_bytes())
    page.number_input(key=f"what_if_{_decision(service)}_AMT_CREDIT").set_value(45_000.0).run()
    rows["application"]["AMT_CREDIT"] = 45_000.0
    after = requests.post(f"{service.url}/what-if", json=rows, timeout=60).json()
    shown = [metric.value for metric in page.metric]
    assert (
        f"{percent(after['probability_of_default'], 'en')} · {TEXTS['en'][after['decision']]}"
        in shown
    )
    assert len(list(service.store.decisions.search())) == recorded
    # What was tried belongs to that decision.
    page.button(key="ask").click().run()
    begun = page.number_input(key=f"what_if_{_decision(service)}_AMT_CREDIT").value
    assert begun == json.loads((examples / "1.json").read_bytes())["application"]["AMT_CREDIT"]
    assert TEXTS["en"]["nothing_changed"] in words(page)


def _decision(service: Service) -> str:
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    return newest.id


def test_a_wrong_setting_is_said_on_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("soon", "0", "nan"):
        monkeypatch.setenv("API_TIMEOUT", value)
        page = AppTest.from_file(APP, default_timeout=90).run()
        assert not page.exception
        assert page.error[0].value.startswith("API_TIMEOUT: ")
    monkeypatch.setenv("API_TIMEOUT", "")
    monkeypatch.setenv("EXAMPLES_DIR", "")
    found = Settings.from_environment()
    assert (found.timeout, found.examples) == (15.0, Path("data/examples"))


MOTIVE = "The employer has closed.\nOwes 10\u202f000\u00a0€ *elsewhere*:\tsee mail."


def test_an_officer_decides_otherwise(service: Service) -> None:
    page = asked()
    page.radio(key="override_decision_0").set_value("refuse")
    page.text_area(key="override_motive_0").set_value(MOTIVE)
    sent = next(one for one in page.button if one.label == TEXTS["en"]["override_send"])
    sent.click().run()
    assert TEXTS["en"]["who_and_why"] in words(page)
    page.text_input(key="actor").set_value("C. Martin")
    next(one for one in page.button if one.label == TEXTS["en"]["override_send"]).click().run()
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    (kept,) = service.store.outcomes.overrides(newest.id)
    assert (kept.decision, kept.actor, kept.motive) == (
        "refuse", "C. Martin", MOTIVE,
    )  # fmt: skip
    said = words(page)
    assert TEXTS["en"]["override_kept"] in said
    assert MOTIVE in said
    # The officer's decision stands on top, the model's below it.
    assert page.error[0].value.startswith(f"**{TEXTS['en']['refuse']}.** Decided by `C. Martin`")
    assert TEXTS["en"]["model_view"].partition("{")[0] in said
    assert TEXTS["en"]["reasons_heading"] in [item.value for item in page.subheader]
    page = in_detail(page.button(key="ask").click().run(), "history")
    known = requests.get(f"{service.url}/applicants/{newest.applicant}/predictions", timeout=60)
    # The one that was on the screen is an earlier one now, and the new one is not.
    earlier = [one for one in known.json()["decisions"] if one["id"] != _decision(service)]
    assert newest.id in [one["id"] for one in earlier]
    assert len(page.dataframe[0].value) == len(earlier)


def press(page: AppTest, text: str, language: str = "en") -> AppTest:
    """Press the first button of a text."""
    label = TEXTS[language][text]
    return next(button for button in page.button if button.label == label).click().run()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_loan_that_would_be_accepted_is_taken_and_decided_on(
    service: Service, sample: Dataset, language: Any
) -> None:
    asked_for = (
        (number, requests.post(f"{service.url}/offers", json={"SK_ID_CURR": number}, timeout=60))
        for number in serving.applicants(sample, 200)
    )
    number = next(own for own, found in asked_for if found.json()["outcome"] == "offers")
    page = opened(language, "number")
    page.text_input(key="number").set_value(str(number)).run()
    page = page.button(key="ask").click().run()
    origin = _decision(service)
    page = in_detail(page, "offers", language)
    label = TEXTS[language]["take_offer"]
    assert all(button.disabled for button in page.button if button.label == label)
    page.text_input(key="actor").set_value("C. Martin").run()
    page = press(page, "take_offer", language)
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    assert (newest.applicant, newest.decision) == (str(number), "accept")
    assert newest.actor == "C. Martin"
    assert newest.counter_offer_to == origin
    assert f"**{TEXTS[language]['accept']}.**" in words(page)
    assert TEXTS[language]["counter_offer"].format(id=origin) in words(page)


def reasons_of(service: Service, number: str) -> list[dict[str, Any]]:
    """The reasons of a decision, as the API has them."""
    record = requests.get(f"{service.url}/predictions/{number}", timeout=60).json()
    return list(record["reasons"])


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_review_is_opened_taken_on_and_decided(service: Service, language: Any) -> None:
    texts = TEXTS[language]
    page = asked(language)
    page.text_input(key="actor").set_value("C. Martin").run()
    page = in_detail(page, "review", language)
    page = press(page, "contest_send", language)
    assert texts["contest_empty"] in words(page)
    page.text_area(key="contest_words_0").set_value("My income has risen since.")
    page = press(page, "contest_send", language)
    assert texts["contest_kept"] in words(page)
    assert "My income has risen since." in words(page)
    (waiting,) = service.store.reviews.of(_decision(service))
    queued = words(at_tab(page, "queue", language))
    contested = service.store.decisions.find(waiting.prediction_id)
    assert contested is not None
    assert contested.applicant in page.dataframe[0].value.iloc[:, 0].to_list()
    assert texts["queue_referred"].partition("(")[0] in queued
    page.selectbox(key="queue_chosen").set_value(waiting.id).run()
    # Whoever decides sees what was decided and why, in what it is decided on.
    said = words(page).replace("\\", "")
    assert f"**{texts[contested.decision]}.**" in said
    assert all(reason["texts"][language] in said for reason in reasons_of(service, contested.id))
    # On a telephone the column with the name is folded away.
    page.text_input(key="actor").set_value("").run()
    page.text_input(key=f"take_actor_{waiting.id}").set_value("C. Martin").run()
    page = press(page, "review_take", language)
    page.text_input(key="actor").set_value("C. Martin").run()
    page = in_detail(at_tab(page, "applicant", language), "review", language)
    assert texts["review_assigned"].format(who="C. Martin") in words(page)
    page = press(page, "ruling_send", language)
    assert texts["who_and_why"] in words(page)
    page.radio(key=f"ruling_decision_{waiting.id}").set_value("refuse")
    page.text_area(key=f"ruling_motive_{waiting.id}").set_value("The papers do not show it.")
    page = press(page, "ruling_send", language)
    assert texts["ruling_kept"] in words(page)
    (decided,) = service.store.reviews.of(waiting.prediction_id)
    assert (decided.decision, decided.actor) == ("refuse", "C. Martin")
    assert decided.motive == "The papers do not show it."


def test_who_may_not_change_the_policy_is_not_asked_to(
    environment: Environment, keyed: Service
) -> None:
    environment.setenv("API_URL", keyed.url)
    page = at_tab(with_key(opened(), keyed, "score", "read"), "model")
    assert TEXTS["en"]["champion"] in words(page)
    assert TEXTS["en"]["policy"] not in words(page)
    for told in ("exploration_off", "exploration_ethics"):
        assert TEXTS["en"][told] in words(page)
    page = at_tab(with_key(page, keyed, "score", "admin"), "model")
    assert TEXTS["en"]["policy"] in words(page)


def test_another_applicant_does_not_keep_the_answer() -> None:
    page = asked()
    assert page.dataframe
    page.selectbox(key="sample").select_index(1).run()
    assert not page.dataframe


def test_an_uploaded_file_goes_before_the_samples() -> None:
    page = opened()
    page.file_uploader[0].upload("mine.json", b'{"application": {}}', "application/json")
    page.run().button(key="ask").click().run()
    assert TEXTS["en"]["refused"] in words(page)


class _Between(BaseHTTPRequestHandler):
    """Between the page and the API: what is sent is kept, and some of it meets a failure."""

    service = ""
    fails: ClassVar[dict[int, int]] = {}
    batches: ClassVar[list[tuple[str, list[dict[str, Any]]]]] = []
    reads: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/applications/read"):
            self.reads.append(body)
        if self.path == "/predict/batch":
            self.batches.append((self.headers["Idempotency-Key"], json.loads(body)))
            if status := self.fails.pop(len(self.batches), None):
                told = {"detail": "away", "errors": []}
                return self._answer(status, json.dumps(told).encode())
        return self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        sent = {k: v for k, v in self.headers.items() if k not in ("Host", "Connection")}
        asked = requests.request(
            self.command, f"{self.service}{self.path}", data=body, headers=sent, timeout=60
        )
        self._answer(asked.status_code, asked.content)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def between(environment: Environment, service: Service) -> Iterator[type[_Between]]:
    """The page's API is one that keeps what it is sent."""
    own: dict[str, Any] = {"service": service.url, "fails": {}, "batches": [], "reads": []}
    handler = type("Between", (_Between,), own)
    with _answering(handler) as (url, _):
        environment.setenv("API_URL", url)
        yield handler


def uploaded(
    content: str | bytes, name: str = "many.csv", language: str = "en", page: AppTest | None = None
) -> AppTest:
    page = at_tab(page or opened(language), "batch", language)
    raw = content.encode() if isinstance(content, str) else content
    page.file_uploader(key="batch_file").upload(name, raw, "application/octet-stream")
    return page.run()


def sent(page: AppTest) -> Any:
    """The table of results, after all that is left was sent."""
    page.button(key="batch_send").click().run()
    assert not page.exception
    titles = {words[text]: name for words in TEXTS.values() for name, text in COLUMNS.items()}
    return page.dataframe[0].value.rename(columns=titles)


def many(sample: Dataset, rows: int = 105) -> Any:
    return sample.frames("train")["application"].head(rows).collect().to_pandas()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_of_many_is_decided_on(service: Service, sample: Dataset, ending: str) -> None:
    rows = many(sample)
    rows.loc[3, "AMT_CREDIT"] = -5.0
    content = rows.to_csv(index=False, sep=";") if ending == "csv" else rows.to_parquet()
    page = uploaded(content, f"many.{ending}")
    table = sent(page)
    assert table["SK_ID_CURR"].to_list() == rows["SK_ID_CURR"].to_list()
    wrong = table["decision"] == TEXTS["en"]["batch_wrong"]
    assert wrong.to_list() == table["id"].isna().to_list() == [i == 3 for i in range(105)]
    assert "AMT_CREDIT" in table.loc[3, "problem"]
    assert table.columns[-1] == "problem"
    assert page.metric[3].value == "1"
    recorded = list(service.store.decisions.search(limit=104, newest_first=True))
    assert {one.id for one in recorded} == set(table["id"].dropna())
    # Known applicants, of whom the file has no history.
    assert set(table["history"].dropna()) <= {
        TEXTS["en"][f"history_{one}"] for one in ("stored", "none")
    }
    assert table["known"].drop(3).between(0, 1).all()


def test_every_door_decides_alike_on_a_file(service: Service, sample: Dataset) -> None:
    """Parquet with the number as index, float32, and CSV: the same cells, the same decisions."""
    rows = many(sample, 20)
    by_name = {
        "plain.csv": rows.to_csv(index=False),
        "index.parquet": rows.set_index("SK_ID_CURR").to_parquet(),
        "wide.parquet": rows.astype({"AMT_CREDIT": "float32"}).to_parquet(),
        "french.csv": rows.to_csv(index=False, sep=";", decimal=","),
        "indexed.csv": rows.assign(note="x").to_csv(),
    }
    posted = [
        requests.post(f"{service.url}/predict", json=serving_row(row), timeout=60).json()
        for row in rows.drop(columns="TARGET").to_dict("records")
    ]
    for name, content in by_name.items():
        table = sent(uploaded(content, name))
        probabilities = [one["probability_of_default"] for one in posted]
        assert table["probability_of_default"].to_list() == probabilities, name


def serving_row(row: dict[Any, Any]) -> dict[str, Any]:
    return {"application": {k: v for k, v in row.items() if v is not None and v == v}}


@pytest.mark.parametrize("content", ["SK_ID_CURR\n{}", "SK_ID_CURR,TARGET\n{},0.5"])
def test_a_file_of_numbers_alone_is_decided_on_by_number(service: Service, content: str) -> None:
    head, _, row = content.partition("\n")
    page = uploaded("\n".join([head, *(row.format(one) for one in service.numbers)]))
    assert TEXTS["en"]["batch_by_number"] in words(page)
    table = sent(page)
    assert table["id"].notna().all()
    assert "problem" not in table
    recorded = list(service.store.decisions.search(limit=2, newest_first=True))
    assert {one.source for one in recorded} == {"id"}


def test_a_wrong_cell_spoils_its_own_row_and_results_can_be_sent_again(sample: Dataset) -> None:
    rows = many(sample, 6).astype({"AMT_CREDIT": object})
    rows.loc[2, "AMT_CREDIT"] = "twelve"
    rows.loc[4, "AMT_CREDIT"] = float("inf")
    page = uploaded(rows.to_csv(index=False))
    table = sent(page)
    wrong = table["decision"] == TEXTS["en"]["batch_wrong"]
    assert wrong.to_list() == table["id"].isna().to_list() == [i in (2, 4) for i in range(6)]
    # The page's own export in French, with semicolons and decimal commas.
    again = uploaded(table.to_csv(index=False, sep=";", decimal=","), "decisions.csv")
    said = words(again)
    assert TEXTS["en"]["batch_by_number"] in said
    assert TEXTS["en"]["batch_dropped_columns"].partition("{")[0] in said
    assert sent(again)["id"].notna().all()


@pytest.mark.parametrize(("language", "status"), [("fr", 503), ("en", 429), ("fr", 500)])
def test_what_was_decided_is_kept_and_again_goes_on_where_it_stopped(
    service: Service, between: type[_Between], sample: Dataset, language: Any, status: int
) -> None:
    rows = many(sample, 150)
    content = rows[["SK_ID_CURR"]].to_csv(index=False)
    before = len(list(service.store.decisions.search()))
    between.fails[2] = status
    page = uploaded(content, language=language)
    assert len(sent(page)) == 100
    told = TEXTS[language]["batch_interrupted"].format(done="100", all="150")
    assert told in words(page)
    # Neither another tab nor another language loses it.
    other = "en" if language == "fr" else "fr"
    page = at_tab(page, "applicant", language)
    page.radio(key="language").set_value(other).run()
    page = at_tab(page, "batch", other)
    assert TEXTS[other]["batch_interrupted"].format(done="100", all="150") in words(page)
    assert page.button(key="batch_send").label == TEXTS[other]["batch_again"]
    decided = sent(page)["id"].to_list()
    assert len(set(decided)) == 150
    assert not page.button
    assert [len(items) for _, items in between.batches] == [100, 50, 50]
    keys = [key for key, _ in between.batches]
    assert keys[0] != keys[1] == keys[2]
    assert len(list(service.store.decisions.search())) == before + 150
    # Another visit, another language: the first answers.
    assert sent(uploaded(content, language=language))["id"].to_list() == decided
    assert len(list(service.store.decisions.search())) == before + 150
    assert len(between.reads) == 2


def test_a_file_in_half_precision_is_refused_in_words(sample: Dataset) -> None:
    rows = many(sample, 3).astype({"AMT_CREDIT": "float16"})
    page = uploaded(rows.to_parquet(), "half.parquet")
    assert "float16" in words(page)
    assert "AMT_CREDIT" in words(page)
    assert not page.button


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"PAR1nothing", "batch_unreadable"),
        ("a.csv", b"\xff\xfe\x00", "batch_unreadable"),
        ("a.csv", b"", "batch_empty"),
        ("a.csv", b"SK_ID_CURR,AMT_CREDIT\n", "batch_unreadable"),
        ("a.csv", b"A,B\n1,2", "batch_unreadable"),
        ("a.csv", b"SK_ID_CURR\n" + b"1\n" * 5001, "batch_unreadable"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(
    sample: Dataset, name: str, content: bytes, said: str
) -> None:
    page = uploaded(many(sample, 2).to_csv(index=False))
    sent(page)
    page = uploaded(content, name, page=page)
    assert TEXTS["en"][said].partition("{")[0] in words(page)
    # Nothing of the file before it is shown beside it.
    assert not page.button
    assert not page.dataframe


def test_what_monitoring_found_is_shown(service: Service, tmp_path: Path) -> None:
    page = at_tab(opened(), "monitoring")
    assert TEXTS["en"]["never_looked"] in words(page)
    asked()
    (one,) = list(service.store.decisions.search(limit=1, newest_first=True))
    now = datetime.now(UTC)
    service.store.outcomes.record([Outcome(one.applicant, one.id, True, now, now, "test")])
    command = ["monitor", "--database", service.store.url, "--out", str(tmp_path)]
    assert CliRunner().invoke(command_line, command).exit_code in (0, 3)
    page = at_tab(opened(), "monitoring")
    said = words(page)
    kept = service.store.reports.find("monitoring")
    assert isinstance(kept, Report)
    told = json.loads(kept.values)
    shown = TEXTS["en"]["model_decided"].format(
        version="0", decisions=number(told["models"][0]["decisions"], "en")
    )
    assert shown in said
    verdicts = [TEXTS["en"][f"verdict_{grave}"] for grave in ("fine", "warning", "critical")]
    assert sum(verdict.partition("{")[0] in said for verdict in verdicts) == 1
    psi = round(told["models"][0]["comparison"]["weighted_psi"], 3)
    assert page.metric[0].value == number(psi, "en", 3)


@pytest.mark.parametrize(
    ("language", "family", "source"),
    [
        ("fr", "Arbres boostés", "800 demandeurs (Home Credit, Kaggle)"),
        ("en", "Gradient boosting", "800 applicants (Home Credit, Kaggle)"),
    ],
)
def test_the_model_and_what_it_was_measured_to_do_are_shown(
    sample_validation: Validation, language: Any, family: str, source: str
) -> None:
    page = at_tab(opened(language), "model", language)
    said, texts = words(page), TEXTS[language]
    for told in ("champion", "no_challenger", "cross_validated"):
        assert texts[told] in said
    rows = dict(page.table[0].value.to_numpy())
    assert (rows[texts["family"]], rows[texts["learnt_from"]]) == (family, source)
    measured, shown = sample_validation.metrics, {one.label: one.value for one in page.metric}
    for name in ("auc", "ks", "brier", "ece", "business_cost"):
        assert shown[texts[f"figure_{name}"]] == number(measured[name], language, 3)
    assert shown[texts["figure_refused"]] == percent(measured["refused"], language)


def test_what_the_model_looks_at_is_shown(service: Service) -> None:
    page = at_tab(opened(), "model")
    found = requests.get(f"{service.url}/model/features", timeout=60).json()["features"]
    table = page.dataframe[0].value
    assert table.iloc[:, 0].to_list() == [one["text"] for one in found[:20]]


def test_the_policy_is_changed_with_who_and_why(service: Service) -> None:
    page = at_tab(opened(), "model")
    page.selectbox(key="strategy").set_value("split")
    page.slider(key="challenger_share").set_value(25)
    page.button[0].click().run()
    for field in ("motive", "actor"):
        assert TEXTS["en"][f"{field}_wrong"] in words(page)
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="policy_motive").set_value("To try the new one.")
    page.button[0].click().run()
    assert TEXTS["en"]["policy_kept"] in words(page)
    found = service.store.models.policy()
    assert (found.strategy, found.challenger_share) == ("split", 0.25)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_exploration_is_switched_on_with_who_and_why(service: Service, language: Any) -> None:
    off = {"explore_share": 0.0, "explore_bound": 0.3125, "explore_budget": 5.5}
    service.store.models.change_policy(off, "A test", "to begin")
    page = at_tab(opened(language), "model", language)
    assert page.text_input(key="explore_bound").value == {"fr": "31,25", "en": "31.25"}[language]
    assert TEXTS[language]["exploration_off"] in words(page)
    assert TEXTS[language]["exploration_ethics"] in words(page)
    page.text_input(key="explore_share").set_value("2,5")
    page.button(key="exploration_send").click().run()
    assert TEXTS[language]["motive_wrong"] in words(page)
    assert TEXTS[language]["exploration_off"] in words(page)
    assert service.store.models.policy().explore_share == 0.0
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="exploration_motive").set_value("Decided by the committee.")
    page.button(key="exploration_send").click().run()
    found = service.store.models.policy()
    # What was not changed is sent as it was.
    assert (found.explore_share, found.explore_bound, found.explore_budget) == (0.025, 0.3125, 5.5)
    said = words(page)
    assert TEXTS[language]["exploration_off"] not in said
    figures = {
        "explore_bound": percent(0.3125, language), "explore_share": percent(0.025, language),
        "explore_spent": "0", "explore_budget": number(5.5, language),
    }  # fmt: skip
    assert TEXTS[language]["exploration_on"].format(**figures) in said
    service.store.models.change_policy(off, "A test", "it is over")


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (("200", "30", "40"), {"explore_share"}),
        (("2", "5", "40"), {"explore_bound"}),
        (("2", "30", "3"), {"explore_budget"}),
        (("2", "33.33", "3.33"), {"explore_budget"}),
        (("2", "5", "0.4"), {"explore_bound", "explore_budget"}),
    ],
)
def test_what_is_wrong_with_exploration_is_told_at_its_field(
    service: Service, scorer: Scorer, language: Any, given: tuple[str, ...], wrong: set[str]
) -> None:
    page = at_tab(opened(language), "model", language)
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="exploration_motive").set_value("Decided by the committee.")
    for name, value in zip(EXPLORED, given, strict=True):
        page.text_input(key=name).set_value(value)
    page.button(key="exploration_send").click().run()
    assert not page.exception
    least = {"30": "3", "33.33": number(3.34, language, 2), "5": number(0.5, language, 2)}
    figures = {
        "explore_floor": percent(math.ceil(1e4 * scorer.refer_band[1]) / 1e4, language, 2),
        "explore_bound": percent(float(given[1]) / 100, language), "least": least[given[1]],
    }  # fmt: skip
    said = {TEXTS[language][f"{name}_wrong"].format(**figures) for name in wrong}
    assert {told.value for told in page.error} == said
    assert TEXTS[language]["exploration_off"] in words(page)
    assert tuple(page.text_input(key=name).value for name in EXPLORED) == given
    assert service.store.models.policy().explore_share == 0.0


@pytest.mark.parametrize("language", ["fr", "en"])
def test_what_is_no_number_is_told_at_its_field_with_all_else_that_is_wrong(
    service: Service, language: Any
) -> None:
    page = at_tab(opened(language), "model", language)
    for name, value in zip(EXPLORED, ("nan", "", "1,5,0"), strict=True):
        page.text_input(key=name).set_value(value)
    page.button(key="exploration_send").click().run()
    texts = TEXTS[language]
    told = [texts[name] for name in (*["no_number"] * 3, "motive_wrong", "actor_wrong")]
    assert [one.value for one in page.error] == told
    assert service.store.models.policy().explore_share == 0.0


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_limit_that_is_told_is_enough(service: Service, scorer: Scorer, language: Any) -> None:
    page = at_tab(opened(language), "model", language)
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="exploration_motive").set_value("Decided by the committee.")
    floor = number(math.ceil(1e4 * scorer.refer_band[1]) / 100 + 0.01, language, 2)
    for name, value in zip(EXPLORED, ("1", floor, "2"), strict=True):
        page.text_input(key=name).set_value(value)
    page.button(key="exploration_send").click().run()
    assert [one.value for one in page.success] == [TEXTS[language]["policy_kept"]]
    put_policy(service, explore_share=0.0)


def put_policy(service: Service, **changes: Any) -> None:
    sent = {"actor": "A test", "motive": "to see it", **changes}
    assert requests.put(f"{service.url}/policy", json=sent, timeout=60).status_code == 200


@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_acceptance_by_chance_is_told_apart_wherever_it_is_listed(
    service: Service, sample: Dataset, language: Any
) -> None:
    texts = TEXTS[language]
    put_policy(service, explore_share=1.0, explore_bound=1.0, explore_budget=1e6)
    rows = many(sample)
    table = sent(uploaded(rows.to_csv(index=False), language=language))
    records = {own: service.store.decisions.find(own) for own in table["id"]}
    chosen = [own for own, kept in records.items() if kept and kept.exploration == "drawn"]
    assert table["id"][table["decision"] == texts["drawn"]].to_list() == chosen != []
    kept = records[chosen[0]]
    assert kept is not None
    page = opened(language, "number")
    page.text_input(key="number").set_value(kept.applicant).run()
    page = in_detail(page.button(key="ask").click().run(), "history", language)
    put_policy(service, explore_share=0.0)
    assert texts["drawn"] in page.dataframe[0].value.iloc[:, 1].to_list()
    assert f"**{texts['drawn']}.**" in words(page)
    assert texts["offers_drawn"] in words(in_detail(page, "offers", language))
    override = {"decision": "refuse", "actor": "A. Roy", "motive": "The papers are forged."}
    made = _decision(service)
    requests.post(f"{service.url}/predictions/{made}/override", json=override, timeout=60)
    said = words(page.run())
    assert texts["model_view"].format(view=texts["drawn"]) in said
    assert texts["offers_drawn"] not in said


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_policy_that_somebody_else_has_changed_is_told_and_not_overwritten(
    service: Service, language: Any
) -> None:
    service.store.models.change_policy(
        {"strategy": "champion", "refer_all": False}, "A test", "to begin"
    )
    page = at_tab(opened(language), "model", language)
    page.slider(key="challenger_share").set_value(40)
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="policy_motive").set_value("To try the new one.")
    seen = service.store.models.change_policy({"refer_all": True}, "Zoë", "a flood")
    page.button[0].click().run()
    assert TEXTS[language]["changed"] in words(page)
    assert service.store.models.policy().number == seen.number
    # The form shows what it is now, and can be sent again.
    assert page.checkbox(key="refer_all").value
    page.slider(key="challenger_share").set_value(40)
    page.button[0].click().run()
    assert TEXTS[language]["changed"] not in words(page)
    assert TEXTS[language]["policy_kept"] in words(page)
    now = service.store.models.policy()
    assert (now.challenger_share, now.refer_all) == (0.4, True)
    # What was kept is what is seen from then on.
    page.slider(key="challenger_share").set_value(50)
    page.button[0].click().run()
    assert TEXTS[language]["policy_kept"] in words(page)
    service.store.models.change_policy({"refer_all": False}, "Zoë", "it is over")


@pytest.mark.parametrize("form", ["policy", "exploration"])
def test_a_change_that_comes_too_late_is_told_in_its_own_form(service: Service, form: str) -> None:
    page = at_tab(opened(), "model")
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key=f"{form}_motive").set_value("Decided by the committee.")
    service.store.models.change_policy({"refer_all": False}, "Zoë", "at the same time")
    page.button(key=f"{form}_send").click().run()
    assert TEXTS["en"]["changed"] in words(page)
    forms = [block for block in page.main if block.type == "form"]
    told = {block.proto.form.form_id: len(block.get("error")) for block in forms}
    assert told == {"policy": 0, "exploration": 0, form: 1}


@pytest.fixture(scope="module")
def keyed(
    small_model: Path, sample: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that asks for keys."""
    folder = tmp_path_factory.mktemp("keyed")
    store = Store(f"sqlite:///{folder / 'scoring.db'}")
    store.migrate()
    with serving.running_api(small_model, folder / "log", {"REQUIRE_KEYS": "yes"}) as url:
        yield Service(url, store, serving.applicants(sample, 1))
    store.close()


def with_key(page: AppTest, keyed: Service, *scopes: str) -> AppTest:
    _, key = keyed.store.keys.add("officer", scopes)
    return page.text_input(key="api_key").set_value(key).run()


def test_each_visitor_types_a_key_of_their_own(environment: Environment, keyed: Service) -> None:
    environment.setenv("API_URL", keyed.url)
    environment.setenv("API_KEY", keyed.store.keys.add("page", ["score"])[1])
    page = asked()
    assert TEXTS["en"]["no_key"] in words(page)
    assert page.text_input(key="api_key").value == ""
    page = with_key(page, keyed, "score").button(key="ask").click().run()
    assert TEXTS["en"]["model_said"].partition("{")[0] in words(page)
    assert TEXTS["en"]["no_scope"] in words(at_tab(page, "monitoring"))
    assert TEXTS["en"]["no_key"] in words(asked())


def test_all_visitors_act_with_one_key_where_it_is_so_set(
    environment: Environment, keyed: Service
) -> None:
    environment.setenv("API_URL", keyed.url)
    environment.setenv("API_KEY", keyed.store.keys.add("page", ["score"])[1])
    environment.setenv("API_KEY_FOR_ALL", "yes")
    page = asked()
    assert page.text_input(key="api_key").value == ""
    assert TEXTS["en"]["shared_key"] in words(page)
    assert TEXTS["en"]["model_said"].partition("{")[0] in words(page)
    # Who has a key of their own acts with that.
    assert TEXTS["en"]["no_key"] in words(page.text_input(key="api_key").set_value("cs_x").run())


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_key_that_may_not_read_is_told_in_words(
    environment: Environment, keyed: Service, language: Any
) -> None:
    environment.setenv("API_URL", keyed.url)
    page = with_key(opened(language, "number"), keyed, "score")
    page.text_input(key="number").set_value(str(keyed.numbers[0])).run()
    assert TEXTS[language]["no_read"] in words(page)
    assert not page.button
    page.radio(key="source").set_value("file").run().button(key="ask").click().run()
    # The decision on the screen is none of the earlier ones.
    page.button(key="ask").click().run()
    page = in_detail(page, "history", language)
    assert TEXTS[language]["own_only"] in words(page)
    assert len(page.dataframe[0].value) >= 1


@pytest.mark.parametrize("language", ["fr", "en"])
def test_who_decides_after_another_is_told_and_keeps_what_was_typed(
    service: Service, language: Any
) -> None:
    page = asked(language)
    page.text_input(key="actor").set_value("C. Martin").run()
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    other = {"decision": "accept", "actor": "J. Dupont", "motive": "I know the employer."}
    address = f"{service.url}/predictions/{newest.id}/override"
    assert requests.post(address, json=other, timeout=60).status_code == 201
    page.radio(key="override_decision_0").set_value("refuse")
    page.text_area(key="override_motive_0").set_value("The employer has closed.")
    for told in ("changed", "override_kept"):
        label = TEXTS[language]["override_send"]
        next(one for one in page.button if one.label == label).click().run()
        said = words(page)
        assert TEXTS[language][told] in said
        assert "I know the employer." in said
    kept = service.store.outcomes.overrides(newest.id)
    assert [one.actor for one in kept] == ["J. Dupont", "C. Martin"]


def test_what_answers_does_not_get_the_key_shown_or_sent_on(environment: Environment) -> None:
    """Something that repeats what it was sent, and something that sends the page elsewhere."""
    environment.setenv("API_KEY", SECRET)
    environment.setenv("API_KEY_FOR_ALL", "yes")
    with _answering(_Echo) as (url, _):
        environment.setenv("API_URL", url.replace("//", "//ann:password@"))
        said = words(asked())
        assert TEXTS["en"]["failed"] in said
        assert SECRET not in said
        assert "password" not in said
    with _answering(_Echo) as (elsewhere, asked_there):
        handler = type("Sent", (_Redirect,), {"where": elsewhere})
        with _answering(handler) as (url, asked_here):
            environment.setenv("API_URL", url)
            assert TEXTS["en"]["failed"] in words(asked())
            assert asked_here
            assert asked_there == []


SECRET = "cs_0123456789ab_" + "s" * 43


class _Echo(BaseHTTPRequestHandler):
    """Answers each request with its own headers, as a problem."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        body = json.dumps({"detail": str(self.headers)}).encode()
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Redirect(_Echo):
    """Sends each request on to another address."""

    where = ""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(307)
        self.send_header("Location", self.where)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def _answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[tuple[str, list[str]]]:
    """A server of this process, with the addresses that it was asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        asked_for: list[str] = []
        server.asked = asked_for  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked_for
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_demonstration_says_so_on_every_tab(
    environment: Environment, scorer: Scorer, tmp_path: Path, language: Any
) -> None:
    assert TEXTS[language]["demonstration"] not in words(opened(language))
    made_up = replace(scorer, lineage={"training": {"source": "synthetic"}})
    made_up.save(tmp_path / "champion")
    with serving.running_api(tmp_path / "champion", tmp_path / "log") as url:
        environment.setenv("API_URL", url)
        page = opened(language)
        assert TEXTS[language]["demonstration"] in words(page)
        assert TEXTS[language]["demonstration"] in words(at_tab(page, "model", language))


def test_it_asks_for_patience(environment: Environment, small_model: Path, tmp_path: Path) -> None:
    with serving.running_api(small_model, tmp_path / "log", {"RATE_LIMIT": "3/hour"}) as url:
        environment.setenv("API_URL", url)
        page = asked()
        for _ in range(3):
            page.button(key="ask").click().run()
        assert TEXTS["en"]["too_often"] in words(page)


def test_it_says_that_the_api_is_down(environment: Environment) -> None:
    url = f"http://127.0.0.1:{serving.free_port()}"
    environment.setenv("API_URL", url)
    said = words(asked())
    assert TEXTS["en"]["down"] in said
    assert url in said


def test_it_says_that_the_api_is_slow(environment: Environment) -> None:
    environment.setenv("API_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment.setenv("API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert TEXTS["en"]["slow"] in words(asked())


def test_it_says_that_the_api_is_not_ready(environment: Environment, tmp_path: Path) -> None:
    with serving.running_api(tmp_path / "no model", tmp_path / "log") as url:
        environment.setenv("API_URL", url)
        assert TEXTS["en"]["not_ready"] in words(asked())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"application": {"SK_ID_CURR": "x"}}', "/application/SK_ID_CURR"),
        ('{"application": []}', "/application"),
        ("[1]", None),
        ('{"application": NaN}', "/application"),
        ('{"application": {"AMT_ANNUITY": NaN}}', "/application/AMT_ANNUITY"),
        ('{"application": {"AMT_ANNUITY": 1e999}}', "/application/AMT_ANNUITY"),
        ("\x00", None),
    ],
)
def test_it_shows_what_the_api_refuses(
    environment: Environment, tmp_path: Path, body: str, field: str | None
) -> None:
    (tmp_path / "wrong.json").write_text(body)
    environment.setenv("EXAMPLES_DIR", str(tmp_path))
    page = asked()
    assert TEXTS["en"]["refused"] in words(page)
    if field:
        assert f"**{field}**" in words(page).replace("\\", "")


def test_it_says_that_something_else_answers(environment: Environment) -> None:
    with _file_server() as url:
        environment.setenv("API_URL", url)
        assert TEXTS["en"]["failed"] in words(asked())


@contextmanager
def _file_server() -> Iterator[str]:
    """A web server that is no API of ours."""
    port = serving.free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=APP.rsplit("/", 1)[0], stdout=quiet, stderr=quiet) as server:
        url = f"http://127.0.0.1:{port}"
        try:
            assert serving.wait_until_it_answers(url, server)
            yield url
        finally:
            server.terminate()


def test_without_samples_it_says_how_to_make_some(environment: Environment, tmp_path: Path) -> None:
    environment.setenv("EXAMPLES_DIR", str(tmp_path / "nowhere"))
    page = opened()
    assert "scoring examples" in words(page)
    assert not page.button


def test_samples_are_sorted_as_numbers_are(tmp_path: Path) -> None:
    for name in ("100", "99", "x"):
        (tmp_path / f"{name}.json").touch()
    (tmp_path / "notes.txt").touch()
    assert [path.stem for path in sample_files(tmp_path)] == ["x", "99", "100"]


def test_both_languages_say_everything() -> None:
    assert TEXTS["fr"].keys() == TEXTS["en"].keys()
    for name, text in TEXTS["en"].items():
        placeholders = [part.split("}")[0] for part in text.split("{")[1:]]
        for placeholder in placeholders:
            assert f"{{{placeholder}}}" in TEXTS["fr"][name]


def test_numbers_are_written_as_each_language_does() -> None:
    assert (percent(0.0714, "en"), percent(0.0714, "fr")) == ("7.1%", "7,1\u00a0%")
    assert (number(432000.0, "en"), number(432000.0, "fr")) == ("432,000", "432\u202f000")
    assert (number(0.12345, "en"), number(1.5, "fr")) == ("0.1235", "1,50")


def test_the_page_knows_nothing_of_the_service_or_the_library() -> None:
    code = "import sys, dashboard.page; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=serving.ROOT, capture_output=True, text=True, check=True
    )
    assert {"api", "scoring"} & set(done.stdout.split()) == set()
