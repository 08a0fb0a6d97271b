"""The page, as Streamlit runs it, against a real API and against none."""

from __future__ import annotations

import json
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
from typing import Any

import pytest
import requests
import serving
from serving import Service
from sqlalchemy import select
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from dashboard.samples import sample_files
from dashboard.settings import Settings
from dashboard.texts import TEXTS, number, percent, signed
from scoring.__main__ import app as command_line
from scoring.dataset import Dataset
from scoring.scorer import Scorer
from scoring.store import Outcome, Report, Store
from scoring.store.schema import reads

APP = str(serving.ROOT / "dashboard" / "app.py")
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
    explained = requests.get(
        f"{service.url}/predictions/{answer['id']}/explanation", headers=headers, timeout=60
    ).json()["contributions"]
    table = page.dataframe[0].value
    assert len(table) == len(explained)
    assert table.iloc[0, 0] == explained[0]["text"]
    assert table.iloc[0, 3] == signed(explained[0]["contribution"], language, 3)
    assert len(page.get("plotly_chart")) == 2


def test_a_known_applicant_is_found_by_number(service: Service) -> None:
    page = opened(source="number")
    page.text_input(key="number").set_value(str(service.numbers[0])).run()
    assert page.metric[0].label == TEXTS["en"]["credit"]
    page.button(key="ask").click().run()
    # Each click draws the page anew, and the applicant is looked at once.
    with service.store._reading() as connection:
        looks = connection.execute(select(reads.c.what, reads.c.applicant)).all()
    assert looks == [("applicant", str(service.numbers[0]))]
    (newest,) = list(service.store.predictions(limit=1, newest_first=True))
    assert (newest.applicant, newest.source) == (str(service.numbers[0]), "id")
    assert newest.id in words(page)


@pytest.mark.parametrize(("typed", "said"), [("x1", "not_a_number"), ("999999", "missing")])
def test_a_number_of_nobody_is_told(typed: str, said: str) -> None:
    page = opened(source="number")
    page.text_input(key="number").set_value(typed).run()
    assert TEXTS["en"][said] in words(page)
    assert not page.button


def test_a_form_is_made_from_the_document_and_begins_with_the_last_application(
    examples: Path,
) -> None:
    page = asked()
    before = json.loads((examples / "1.json").read_bytes())
    page.radio(key="source").set_value("form").run()
    number = before["application"]["SK_ID_CURR"]
    credit = page.number_input(key=f"form_{number}_AMT_CREDIT")
    assert credit.value == before["application"]["AMT_CREDIT"]
    kind = page.selectbox(key=f"form_{number}_NAME_CONTRACT_TYPE")
    assert kind.options == ["Cash loans", "Revolving loans"]
    credit.set_value(1_234_567.0)
    page.button[0].click().run()
    assert page.metric[0].value == "1,234,567"
    # The histories stay with the application.
    assert page.metric[3].value == number_of_rows(before)


def number_of_rows(request: dict[str, Any]) -> str:
    rows = sum(len(rows) for name, rows in request.items() if name != "application")
    return number(rows, "en")


def test_an_applicant_is_compared_with_those_that_the_model_learnt_from(
    service: Service,
) -> None:
    page = in_detail(asked(), "comparison")
    chosen = page.multiselect(key="compared").value
    assert len(chosen) == 3
    found = requests.get(f"{service.url}/model/features/{chosen[0]}", timeout=60).json()
    table = page.dataframe[0].value
    assert table.iloc[:-1, 1].to_list() == found["counts"]
    assert (table.iloc[:, 3] == TEXTS["en"]["here"]).sum() <= 1
    assert "of the applicants" in words(page)


def test_what_if_shows_the_answer_before_and_after_and_records_nothing(
    service: Service, examples: Path
) -> None:
    page = in_detail(asked(), "what_if")
    assert TEXTS["en"]["nothing_changed"] in words(page)
    recorded = len(list(service.store.predictions()))
    rows = json.loads((examples / "1.json").read_bytes())
    key = f"what_if_{rows['application']['SK_ID_CURR']}_EXT_SOURCE_3"
    page.number_input(key=key).set_value(0.01).run()
    rows["application"]["EXT_SOURCE_3"] = 0.01
    after = requests.post(f"{service.url}/what-if", json=rows, timeout=60).json()
    shown = [metric.value for metric in page.metric]
    assert (
        f"{percent(after['probability_of_default'], 'en')} · {TEXTS['en'][after['decision']]}"
        in shown
    )
    assert len(list(service.store.predictions())) == recorded


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
    page = in_detail(asked(), "history")
    page.radio(key="override_decision_0").set_value("refuse")
    page.text_area(key="override_motive_0").set_value(MOTIVE)
    sent = next(one for one in page.button if one.label == TEXTS["en"]["override_send"])
    sent.click().run()
    assert TEXTS["en"]["who_and_why"] in words(page)
    page.text_input(key="actor").set_value("C. Martin")
    next(one for one in page.button if one.label == TEXTS["en"]["override_send"]).click().run()
    (newest,) = list(service.store.predictions(limit=1, newest_first=True))
    (kept,) = service.store.overrides(newest.id)
    assert (kept.decision, kept.actor, kept.motive) == (
        "refuse", "C. Martin", MOTIVE,
    )  # fmt: skip
    said = words(page)
    assert TEXTS["en"]["override_kept"] in said
    assert MOTIVE in said
    assert newest.id in page.dataframe[0].value["id"].to_list()


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


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_of_many_is_decided_on(service: Service, sample: Dataset, ending: str) -> None:
    rows = sample.frames("train")["application"].head(105).collect().to_pandas()
    rows.loc[3, "AMT_CREDIT"] = -5.0
    content = rows.to_csv(index=False, sep=";") if ending == "csv" else rows.to_parquet()
    page = at_tab(opened(), "batch")
    raw = content.encode() if isinstance(content, str) else content
    page.file_uploader(key="batch_file").upload(f"many.{ending}", raw, "text/csv")
    page.run().button(key="batch_send").click().run()
    table = page.dataframe[0].value
    assert table["SK_ID_CURR"].to_list() == rows["SK_ID_CURR"].to_list()
    assert table["decision"].isna().to_list() == [i == 3 for i in range(105)]
    assert "AMT_CREDIT" in table.loc[3, "problem"]
    assert page.metric[3].value == "1"
    recorded = list(service.store.predictions(limit=104, newest_first=True))
    assert {one.id for one in recorded} == set(table["id"].dropna())


def test_a_file_of_numbers_alone_is_decided_on_by_number(service: Service) -> None:
    page = at_tab(opened(), "batch")
    content = "SK_ID_CURR\n" + "\n".join(map(str, service.numbers))
    page.file_uploader(key="batch_file").upload("numbers.csv", content.encode(), "text/csv")
    page.run().button(key="batch_send").click().run()
    assert page.dataframe[0].value["decision"].notna().all()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.parquet", b"nothing", "batch_unreadable"),
        ("a.csv", b"\xff\xfe\x00", "batch_unreadable"),
        ("a.csv", b"", "batch_unreadable"),
        ("a.csv", b"A,B\n1,2", "batch_no_number"),
        ("a.csv", b"SK_ID_CURR\n" + b"1\n" * 5001, "batch_too_long"),
    ],
)
def test_a_file_that_cannot_be_used_is_told(name: str, content: bytes, said: str) -> None:
    page = at_tab(opened(), "batch")
    page.file_uploader(key="batch_file").upload(name, content, "text/csv")
    page.run()
    assert TEXTS["en"][said].partition("{")[0] in words(page)
    assert not page.button


def test_what_monitoring_found_is_shown(service: Service, tmp_path: Path) -> None:
    page = at_tab(opened(), "monitoring")
    assert TEXTS["en"]["never_looked"] in words(page)
    asked()
    (one,) = list(service.store.predictions(limit=1, newest_first=True))
    now = datetime.now(UTC)
    service.store.record_outcomes([Outcome(one.applicant, one.id, True, now, now, "test")])
    command = ["monitor", "--database", service.store.url, "--out", str(tmp_path)]
    assert CliRunner().invoke(command_line, command).exit_code in (0, 3)
    page = at_tab(opened(), "monitoring")
    said = words(page)
    kept = service.store.report("monitoring")
    assert isinstance(kept, Report)
    told = json.loads(kept.values)
    shown = TEXTS["en"]["model_decided"].format(
        version="0", decisions=number(told["models"][0]["decisions"], "en")
    )
    assert shown in said
    assert TEXTS["en"]["alerts"] in said
    psi = round(told["models"][0]["comparison"]["weighted_psi"], 3)
    assert page.metric[0].value == number(psi, "en", 3)


def test_the_model_and_what_it_looks_at_are_shown(service: Service) -> None:
    said = words(at_tab(opened("fr"), "model", "fr"))
    assert TEXTS["fr"]["champion"] in said
    assert TEXTS["fr"]["no_challenger"] in said
    page = at_tab(opened(), "model")
    found = requests.get(f"{service.url}/model/features", timeout=60).json()["features"]
    table = page.dataframe[0].value
    assert table.iloc[:, 0].to_list() == [one["text"] for one in found[:20]]


def test_the_policy_is_changed_with_who_and_why(service: Service) -> None:
    page = at_tab(opened(), "model")
    page.selectbox(key="strategy").set_value("split")
    page.slider(key="challenger_share").set_value(25)
    send = page.button[0]
    send.click().run()
    assert TEXTS["en"]["who_and_why"] in words(page)
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="policy_motive").set_value("To try the new one.")
    page.button[0].click().run()
    assert TEXTS["en"]["policy_kept"] in words(page)
    found = service.store.policy()
    assert (found.strategy, found.challenger_share) == ("split", 0.25)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_policy_that_somebody_else_has_changed_is_told_and_not_overwritten(
    service: Service, language: str
) -> None:
    service.store.change_policy({"strategy": "champion", "refer_all": False}, "A test", "to begin")
    page = at_tab(opened(language), "model", language)
    page.slider(key="challenger_share").set_value(40)
    page.text_input(key="actor").set_value("C. Martin")
    page.text_input(key="policy_motive").set_value("To try the new one.")
    seen = service.store.change_policy({"refer_all": True}, "Zoë", "a flood")
    page.button[0].click().run()
    assert TEXTS[language]["changed"] in words(page)
    assert service.store.policy().number == seen.number
    # The form shows what it is now, and can be sent again.
    assert page.checkbox(key="refer_all").value
    page.slider(key="challenger_share").set_value(40)
    page.button[0].click().run()
    assert TEXTS[language]["changed"] not in words(page)
    assert TEXTS[language]["policy_kept"] in words(page)
    now = service.store.policy()
    assert (now.challenger_share, now.refer_all) == (0.4, True)
    # What was kept is what is seen from then on.
    page.slider(key="challenger_share").set_value(50)
    page.button[0].click().run()
    assert TEXTS[language]["policy_kept"] in words(page)
    service.store.change_policy({"refer_all": False}, "Zoë", "it is over")


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
    _, key = keyed.store.add_key("officer", scopes)
    return page.text_input(key="api_key").set_value(key).run()


def test_each_visitor_types_a_key_of_their_own(environment: Environment, keyed: Service) -> None:
    environment.setenv("API_URL", keyed.url)
    environment.setenv("API_KEY", keyed.store.add_key("page", ["score"])[1])
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
    environment.setenv("API_KEY", keyed.store.add_key("page", ["score"])[1])
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
    page = in_detail(page, "history", language)
    assert TEXTS[language]["own_only"] in words(page)
    assert len(page.dataframe[0].value) >= 1


@pytest.mark.parametrize("language", ["fr", "en"])
def test_who_decides_after_another_is_told_and_keeps_what_was_typed(
    service: Service, language: Any
) -> None:
    page = in_detail(asked(language), "history", language)
    page.text_input(key="actor").set_value("C. Martin").run()
    (newest,) = list(service.store.predictions(limit=1, newest_first=True))
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
    kept = service.store.overrides(newest.id)
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
        ('{"application": NaN}', None),
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
        assert field in page.dataframe[0].value.iloc[:, 0].to_list()


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
    assert (percent(0.0714, "en"), percent(0.0714, "fr")) == ("7.1%", "7,1\u202f%")
    assert (number(432000.0, "en"), number(432000.0, "fr")) == ("432,000", "432\u202f000")
    assert (number(0.12345, "en"), number(1.5, "fr")) == ("0.1235", "1,50")


def test_the_page_knows_nothing_of_the_service_or_the_library() -> None:
    code = "import sys, dashboard.page; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=serving.ROOT, capture_output=True, text=True, check=True
    )
    assert {"api", "scoring"} & set(done.stdout.split()) == set()
