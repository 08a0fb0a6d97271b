"""The page as people use it: journeys in a browser, against a real API and a real page.

With SCREENSHOTS set to a folder, each journey leaves its pictures there: `make screenshots`.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    FloatRect,
    Locator,
    Page,
    Response,
    expect,
    sync_playwright,
)
from typer.testing import CliRunner

from api.http.access import TRUST_SECONDS
from dashboard.texts import TEXTS, Language, percent
from scoring.__main__ import app as command_line
from scoring.data.dataset import Dataset
from scoring.data.requests import rows_of
from scoring.features.wording import describe
from tests.helpers import serving

pytestmark = pytest.mark.system

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = {"width": 1280, "height": 2400}, {"width": 390, "height": 3200}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no browser is installed: apt-get install chromium")
    with sync_playwright() as play:
        # Without a graphics card its emulation draws what the browser draws as well by itself.
        options = ["--no-sandbox", "--disable-gpu"]
        found = play.chromium.launch(executable_path=program, args=options)
        yield found
        found.close()


@contextmanager
def running_page(service: serving.Service, log: Path, **environment: str) -> Iterator[str]:
    """A running page; yields its address."""
    port = serving.free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", "dashboard/app.py",
        "--server.address", "127.0.0.1", "--server.port", str(port),
    ]  # fmt: skip
    own = {**os.environ, "API_URL": service.url, "EXAMPLES_DIR": "nowhere", **environment}
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=serving.ROOT, env=own, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        assert serving.wait_until_it_answers(f"{url}/_stcore/health", server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture(scope="module")
def address(service: serving.Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page that the journeys share."""
    with running_page(service, tmp_path_factory.mktemp("streamlit") / "log") as url:
        yield url


# The same steps with other words: `make screenshots` takes both.
@pytest.fixture(params=["fr", pytest.param("en", marks=pytest.mark.slow)])
def language(request: pytest.FixtureRequest) -> Language:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def page(browser: Browser, address: str, language: Language) -> Iterator[Page]:
    """The page in a language; it asks nobody on the internet for anything."""
    opened = browser.new_page(viewport=WIDE, locale=language, reduced_motion="reduce")
    opened.set_default_timeout(60_000)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address)
    opened.get_by_role("heading", name=TEXTS["fr"]["title"]).wait_for()
    if language == "en":
        opened.get_by_text("English").click()
        opened.get_by_role("heading", name=TEXTS["en"]["title"]).wait_for()
    yield opened
    outside = [url for url in asked if not url.startswith((address, "data:", "blob:", "ws:"))]
    opened.close()
    assert outside == []


def settled(page: Page) -> None:
    """Wait until Streamlit has drawn everything."""
    page.wait_for_timeout(300)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def looked_at(page: Page, name: str, language: Language) -> None:
    """No serious finding of axe-core at either width, and nothing wider than the screen."""
    folder = os.environ.get("SCREENSHOTS")
    for viewport in (WIDE, NARROW):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        settled(page)
        found = Axe().run(page).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        if folder:
            path = Path(folder) / f"{name}_{language}_{viewport['width']}.png"
            page.screenshot(path=path, clip=filled(page, viewport))
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    settled(page)


def filled(page: Page, viewport: dict[str, int]) -> FloatRect:
    """The upper part of the window, down to the last thing that is seen."""
    ends = page.get_by_test_id("stMainBlockContainer").get_by_test_id("stVerticalBlock")
    below = max((box["y"] + box["height"] for box in map(_box, ends.all()) if box), default=0)
    height = min(below + 40, viewport["height"])
    return {"x": 0, "y": 0, "width": viewport["width"], "height": height}


def _box(found: Locator) -> FloatRect | None:
    return found.bounding_box() if found.is_visible() else None


def go_to(page: Page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()
    settled(page)


def decide_on(page: Page, number: int, texts: dict[str, str]) -> None:
    page.get_by_role("textbox", name=texts["number"]).fill(str(number))
    page.keyboard.press("Enter")
    page.get_by_role("button", name=texts["ask"]).click()
    page.get_by_test_id("stAlert").first.wait_for()
    settled(page)


def test_a_known_applicant_is_decided_on_and_the_reasons_are_read(
    page: Page, service: serving.Service, language: Language
) -> None:
    texts = TEXTS[language]
    decide_on(page, service.numbers[0], texts)
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    assert newest.applicant == str(service.numbers[0])
    shown = page.get_by_test_id("stAlert").first.inner_text()
    assert texts[newest.decision] in shown
    assert percent(newest.pd, language) in shown
    looked_at(page, "decision", language)
    go_to(page, texts["similar_tab"])
    expect(page.get_by_text(texts["comparison_intro"])).to_be_visible()
    looked_at(page, "similar", language)


def test_a_changed_value_changes_the_answer_and_nothing_is_recorded(
    page: Page, service: serving.Service, language: Language
) -> None:
    texts = TEXTS[language]
    decide_on(page, service.numbers[0], texts)
    go_to(page, texts["what_if_tab"])
    recorded = len(list(service.store.decisions.search()))
    credit = page.get_by_role("spinbutton").first
    credit.fill("3000000")
    credit.press("Enter")
    after = page.get_by_text(texts["reasons_after"])
    after.or_(page.get_by_text(texts["against_after"])).wait_for()
    settled(page)
    values = page.get_by_test_id("stMetricValue").all_inner_texts()
    assert values[-2] != values[-1]
    assert len(list(service.store.decisions.search())) == recorded
    looked_at(page, "what_if", language)


def test_an_officer_decides_otherwise_with_a_motive(
    page: Page, service: serving.Service, language: Language
) -> None:
    texts = TEXTS[language]
    page.get_by_role("textbox", name=texts["actor"]).fill("C. Martin")
    decide_on(page, service.numbers[1], texts)
    page.get_by_text(texts["override"], exact=True).first.click()
    form = page.get_by_test_id("stForm").first
    form.get_by_text(texts["refuse"], exact=True).click()
    form.get_by_role("textbox", name=texts["motive"]).fill("The employer has closed.")
    page.get_by_role("button", name=texts["override_send"]).click()
    page.get_by_text(texts["override_kept"]).wait_for()
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    (kept,) = service.store.outcomes.overrides(newest.id)
    assert (kept.decision, kept.actor) == ("refuse", "C. Martin")
    looked_at(page, "override", language)


def test_a_file_of_many_comes_back_with_decisions(
    page: Page, service: serving.Service, sample: Dataset, language: Language, tmp_path: Path
) -> None:
    texts = TEXTS[language]
    numbers = serving.applicants(sample, 30)
    sent = tmp_path / "applicants.csv"
    sent.write_text("SK_ID_CURR\n" + "\n".join(map(str, [*numbers, 1])))
    go_to(page, texts["batch_tab"])
    page.locator("input[type=file]").set_input_files(sent)
    page.get_by_role("button", name=texts["batch_send"]).click()
    with page.expect_download() as taken:
        page.get_by_role("button", name=texts["batch_take"]).click()
    content = Path(taken.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(content.splitlines(), delimiter=";" if language == "fr" else ","))
    assert [int(row[texts["number"]]) for row in rows] == [*numbers, 1]
    known = {
        decided.id: texts[decided.decision]
        for decided in service.store.decisions.search(limit=30, newest_first=True)
    }
    assert {row[texts["identity"]]: row[texts["decision"]] for row in rows[:-1]} == known
    assert rows[-1][texts["batch_wrong"]]
    looked_at(page, "batch", language)


def test_a_form_is_decided_on_as_it_is_and_the_next_one_begins_empty(
    page: Page, service: serving.Service, language: Language
) -> None:
    texts = TEXTS[language]
    decide_on(page, service.numbers[0], texts)
    page.get_by_text(texts["source_form"], exact=True).click()
    page.get_by_text(texts["begin_empty"], exact=True).wait_for()
    credit = page.get_by_role("spinbutton", name=describe("AMT_CREDIT", language))
    expect(credit).to_have_value("")
    page.get_by_role("radiogroup", name=texts["begin"]).get_by_text(str(service.numbers[0])).click()
    expect(credit).not_to_have_value("")
    credit.fill("1234567")
    # Straight from the field to the button.
    page.get_by_role("button", name=texts["ask"]).click()
    page.get_by_role("button", name=texts["form_another"]).wait_for()
    settled(page)
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    sent = rows_of(newest.rows or b"", int(newest.applicant))
    assert sent["application"][0]["AMT_CREDIT"] == 1_234_567.0
    assert percent(newest.pd, language) in page.get_by_test_id("stAlert").first.inner_text()
    expect(page.get_by_role("spinbutton")).to_have_count(0)
    looked_at(page, "form_decided", language)
    page.get_by_role("button", name=texts["form_another"]).click()
    expect(credit).to_have_value("")
    # What is typed stays when the words change.
    credit.fill("555")
    other = "English" if language == "fr" else "Français"
    page.get_by_text(other, exact=True).click()
    page.get_by_text(TEXTS["en" if language == "fr" else "fr"]["begin_empty"]).wait_for()
    words = describe("AMT_CREDIT", "en" if language == "fr" else "fr")
    expect(page.get_by_role("spinbutton", name=words)).to_have_value("555")


def test_a_first_application_is_entered_from_nothing(
    page: Page, service: serving.Service, language: Language
) -> None:
    texts = TEXTS[language]
    page.get_by_text(texts["source_form"], exact=True).click()
    page.get_by_text(texts["required_group"]).wait_for()
    settled(page)
    looked_at(page, "form", language)
    kind = describe("NAME_CONTRACT_TYPE", language)
    page.get_by_role("combobox", name=kind).click()
    page.get_by_role("option").first.click()
    for column, typed in (
        ("AMT_INCOME_TOTAL", "135000"), ("AMT_CREDIT", "450000"), ("DAYS_BIRTH", "34"),
        ("AMT_ANNUITY", "24750"), ("DAYS_EMPLOYED", "2.5"), ("EXT_SOURCE_2", "0.42"),
    ):  # fmt: skip
        page.get_by_role("spinbutton", name=describe(column, language)).fill(typed)
    page.get_by_role("button", name=texts["ask"]).click()
    page.get_by_role("button", name=texts["form_another"]).wait_for()
    settled(page)
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    (sent,) = rows_of(newest.rows or b"", int(newest.applicant))["application"]
    assert (sent["DAYS_BIRTH"], sent["DAYS_EMPLOYED"]) == (-12_419, -914)
    assert int(newest.applicant) >= 1_000_000_000
    expect(page.get_by_text("34 ans" if language == "fr" else "34 years")).to_be_visible()
    heading = "reasons_heading" if newest.decision == "refuse" else "weighed_against"
    expect(page.get_by_text(texts[heading])).to_be_visible()


def test_of_a_person_who_is_erased_the_page_shows_what_remains(
    page: Page, service: serving.Service, sample: Dataset, language: Language, tmp_path: Path
) -> None:
    texts = TEXTS[language]
    number = serving.applicants(sample, 40)[-1 if language == "fr" else -2]
    decide_on(page, number, texts)
    (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
    go_to(page, texts["review_tab"])
    page.get_by_role("textbox", name=texts["contest_words"]).fill("My income has risen.")
    page.get_by_role("button", name=texts["contest_send"]).click()
    page.get_by_text(texts["contest_kept"]).wait_for()
    command = ["person", str(number), "erase", "--yes"]
    options = ["--database", service.store.url, "--mlruns", str(tmp_path)]
    assert CliRunner().invoke(command_line, command + options).exit_code == 0
    for tab in ("queue_tab", "applicant_tab"):
        go_to(page, texts[tab])
    remains = page.get_by_test_id("stAlert").filter(has_text=texts["erased"][:40])
    assert texts[newest.decision] in remains.inner_text()
    expect(page.get_by_test_id("stAlert")).to_have_count(1)
    for gone in ("reasons_heading", "weighed_against", "offers_tab", "review_tab", "override"):
        expect(page.get_by_text(texts[gone], exact=True)).to_have_count(0)
    looked_at(page, "erased", language)
    assert service.store.reviews.of(newest.id) == []
    notice = requests.get(f"{service.url}/predictions/{newest.id}/notice", timeout=30)
    assert (notice.status_code, "erased" in notice.json()["detail"]) == (410, True)
    offers = requests.post(f"{service.url}/offers", json={"SK_ID_CURR": number}, timeout=30)
    assert offers.status_code == 404


def test_those_in_charge_see_what_was_found_and_change_the_policy(
    page: Page, service: serving.Service, language: Language, tmp_path: Path
) -> None:
    texts = TEXTS[language]
    command = ["monitor", "--database", service.store.url, "--out", str(tmp_path)]
    assert CliRunner().invoke(command_line, command).exit_code in (0, 3)
    page.get_by_role("textbox", name=texts["actor"]).fill("C. Martin")
    go_to(page, texts["monitoring_tab"])
    page.get_by_text(texts["whole_report"]).first.click()
    frame = page.frame_locator("iframe").first
    expect(frame.get_by_role("heading", level=1)).to_contain_text(
        {"en": "Monitoring", "fr": "Surveillance"}[language]
    )
    looked_at(page, "monitoring", language)
    go_to(page, texts["model_tab"])
    share = "split" if language == "fr" else "shadow"
    page.get_by_role("combobox", name=texts["strategy"]).click()
    page.get_by_role("option", name=texts[f"strategy_{share}"]).click()
    page.get_by_role("textbox", name=texts["motive"]).first.fill("To try the new one.")
    page.get_by_role("button", name=texts["policy_send"], exact=True).click()
    page.get_by_text(texts["policy_kept"]).wait_for()
    assert service.store.models.policy().strategy == share
    looked_at(page, "model", language)
    for name, value in (("share", "2"), ("bound", "30"), ("budget", "40")):
        label = texts[f"explore_{name}"].partition(" (")[0]
        page.get_by_role("textbox", name=label).fill(value)
    page.get_by_role("textbox", name=texts["motive"]).last.fill("Decided by the committee.")
    page.get_by_role("button", name=texts["exploration_send"]).click()
    expect(page.get_by_text(texts["exploration_off"])).to_have_count(0)
    changed = service.store.models.policy()
    assert (changed.explore_share, changed.explore_bound, changed.explore_budget) == (0.02, 0.3, 40)
    page.get_by_text(texts["exploration_ethics"]).scroll_into_view_if_needed()
    looked_at(page, "exploration", language)
    service.store.models.change_policy({"explore_share": 0.0}, "A test", "it is over")


def test_nothing_that_a_browser_receives_holds_the_key_of_the_page(
    browser: Browser, service: serving.Service, tmp_path: Path
) -> None:
    texts = TEXTS["fr"]
    key, secret = service.store.keys.add("page", ["score", "read", "outcome", "admin"])
    received: list[bytes] = []

    def keep(payload: str | bytes) -> None:
        received.append(payload if isinstance(payload, bytes) else payload.encode())

    shared = {"API_KEY": secret, "API_KEY_FOR_ALL": "yes"}
    with running_page(service, tmp_path / "log", **shared) as address:
        page = browser.new_page(viewport=WIDE)  # type: ignore[arg-type]
        page.set_default_timeout(60_000)
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))
        page.on("websocket", lambda socket: socket.on("framereceived", keep))
        page.goto(address)
        page.get_by_role("heading", name=texts["title"]).wait_for()
        decide_on(page, service.numbers[0], texts)
        (newest,) = list(service.store.decisions.search(limit=1, newest_first=True))
        assert newest.caller == key.id
        for name in ("similar", "what_if", "history", "batch", "monitoring", "model"):
            go_to(page, texts[f"{name}_tab"])
        service.store.keys.revoke(key.id)
        page.wait_for_timeout(1000 * TRUST_SECONDS)
        go_to(page, texts["monitoring_tab"])
        page.get_by_text(texts["no_key"]).first.wait_for()
        content = [page.content().encode(), *(one.body() for one in answers if one.ok)]
        page.close()
    everything = b"\n".join([*received, *content])
    # All of it was kept: what the page shows is in it.
    assert newest.id.encode() in everything
    assert texts["no_key"].encode() in everything
    assert secret.encode() not in everything
    assert secret.split("_", 2)[-1].encode() not in everything
    log = (tmp_path / "log").read_bytes()
    assert secret.encode() not in log
