"""The page, as Streamlit runs it, against a real API and against none."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
import serving
from streamlit.testing.v1 import AppTest

from dashboard.charts import gauge, reason_bars
from dashboard.samples import sample_files
from dashboard.texts import TEXTS, number, percent
from scoring.dataset import Dataset
from scoring.scorer import Scorer

APP = str(serving.ROOT / "dashboard" / "app.py")


@pytest.fixture(scope="module")
def examples(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    for place, applicant in enumerate(serving.applicants(sample, 2), start=1):
        body = json.dumps(serving.request_of(sample, applicant))
        (folder / f"{place}.json").write_text(body)
    return folder


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, examples: Path) -> pytest.MonkeyPatch:
    monkeypatch.setenv("EXAMPLES_DIR", str(examples))
    monkeypatch.setenv("API_TIMEOUT", "60")
    return monkeypatch


def opened(language: str = "en") -> AppTest:
    page = AppTest.from_file(APP, default_timeout=90).run()
    return page.radio(key="language").set_value(language).run()


def words(page: AppTest) -> str:
    assert not page.exception
    places = (page.title, page.subheader, page.markdown, page.caption, page.info)
    boxes = (page.success, page.error, page.warning)
    return "\n".join(str(item.value) for kind in (*places, *boxes) for item in kind)


def asked(language: str = "en") -> AppTest:
    return opened(language).button[0].click().run()


def test_it_opens_in_french_with_the_samples(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("API_URL", "http://127.0.0.1:9")
    page = AppTest.from_file(APP, default_timeout=90).run()
    assert TEXTS["fr"]["title"] in words(page)
    assert page.selectbox(key="sample").options == ["1", "2"]
    assert page.metric[0].label == TEXTS["fr"]["credit"]


@pytest.mark.parametrize("language", ["fr", "en"])
def test_it_shows_the_decision_of_the_api(
    environment: pytest.MonkeyPatch, api_url: str, examples: Path, language: Any
) -> None:
    environment.setenv("API_URL", api_url)
    page = asked(language)
    body = (examples / "1.json").read_bytes()
    answer = requests.post(
        f"{api_url}/predict", data=body, headers={"Content-Type": "application/json"}, timeout=60
    ).json()
    said = words(page)
    assert f"**{TEXTS[language][answer['decision']]}.**" in said
    assert percent(answer["probability_of_default"], language) in said
    assert percent(answer["cutoff"], language) in said
    assert TEXTS[language]["model"].format(**answer["model"]) in said
    table = page.dataframe[0].value
    assert len(table) == len(answer["reasons"])
    first = answer["reasons"][0]
    named = first["texts"].get(language) or first["feature"].replace("__", " · ")
    assert table.iloc[0, 0] == named
    assert len(page.get("plotly_chart")) == 2
    assert [item.label for item in page.expander] == [
        TEXTS[language]["request"],
        TEXTS[language]["answer"],
    ]


def test_a_referred_application_and_reasons_in_words(
    environment: pytest.MonkeyPatch, small_model: Path, tmp_path: Path
) -> None:
    scorer = Scorer.load(small_model)
    texts = {f.name: {"en": f"Said of {f.name}"} for f in scorer.features}
    replace(scorer, refer_band=(0.001, 0.999), texts=texts).save(tmp_path / "model")
    with serving.running_api(tmp_path / "model", tmp_path / "log") as url:
        environment.setenv("API_URL", url)
        page = asked("en")
        said = words(page)
        assert f"**{TEXTS['en']['refer']}.**" in said
        assert "from 0.1% to 99.9%, an officer decides" in said
        assert page.dataframe[0].value.iloc[0, 0].startswith("Said of ")
        # No French words in this model: the feature's name is better than nothing.
        french = page.radio(key="language").set_value("fr").run()
        assert "Said of" not in french.dataframe[0].value.iloc[0, 0]


def test_another_applicant_does_not_keep_the_answer(
    environment: pytest.MonkeyPatch, api_url: str
) -> None:
    environment.setenv("API_URL", api_url)
    page = asked()
    assert page.dataframe
    page.selectbox(key="sample").select_index(1).run()
    assert not page.dataframe
    assert not page.expander


def test_an_uploaded_file_goes_before_the_samples(
    environment: pytest.MonkeyPatch, api_url: str
) -> None:
    environment.setenv("API_URL", api_url)
    page = opened()
    page.file_uploader[0].upload("mine.json", b'{"application": {}}', "application/json")
    page.run().button[0].click().run()
    assert TEXTS["en"]["refused"] in words(page)


def test_it_says_that_the_api_is_down(environment: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{serving.free_port()}"
    environment.setenv("API_URL", url)
    said = words(asked())
    assert TEXTS["en"]["down"] in said
    assert url in said


def test_it_says_that_the_api_is_slow(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("API_TIMEOUT", "0.2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment.setenv("API_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert TEXTS["en"]["slow"] in words(asked())


def test_it_says_that_the_api_is_not_ready(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
    environment: pytest.MonkeyPatch, api_url: str, tmp_path: Path, body: str, field: str | None
) -> None:
    (tmp_path / "wrong.json").write_text(body)
    environment.setenv("EXAMPLES_DIR", str(tmp_path))
    environment.setenv("API_URL", api_url)
    page = asked()
    assert TEXTS["en"]["refused"] in words(page)
    if field:
        assert field in page.dataframe[0].value.iloc[:, 0].to_list()


def test_it_says_that_something_else_answers(environment: pytest.MonkeyPatch) -> None:
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


def test_without_samples_it_says_how_to_make_some(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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


@pytest.mark.parametrize(("pd", "cutoff"), [(0.0, 0.09), (0.09, 0.09), (1.0, 0.09), (0.2, 0.9)])
def test_the_gauge_holds_both_figures(pd: float, cutoff: float) -> None:
    drawn = gauge(pd, cutoff, (cutoff, cutoff), TEXTS["en"], "en").data[0]
    low, high = drawn.gauge.axis.range
    assert low <= 100 * pd <= high <= 100
    assert low < drawn.gauge.threshold.value == 100 * cutoff <= high
    assert drawn.value == 100 * pd


def test_the_gauge_shows_where_an_officer_decides() -> None:
    drawn = gauge(0.08, 0.09, (0.05, 0.5), TEXTS["en"], "en").data[0].gauge
    assert [step.range for step in drawn.steps][:2] == [(0, 5), (5, 50)]
    assert len({step.color for step in drawn.steps}) == 3
    assert drawn.axis.range[1] > 50


def test_bars_keep_features_of_one_name_apart() -> None:
    bars = reason_bars(["same", "same"], [0.5, 0.2], "axis").data[0]
    assert len(set(bars.y)) == 2


def test_the_page_knows_nothing_of_the_service_or_the_library() -> None:
    code = "import sys, dashboard.page; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=serving.ROOT, capture_output=True, text=True, check=True
    )
    assert {"api", "scoring"} & set(done.stdout.split()) == set()
