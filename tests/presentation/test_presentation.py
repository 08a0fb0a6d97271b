"""The talk's slides, what they show as it is, and the deliverables of the course."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from presentation import evidence
from presentation.charts import Line
from presentation.content import ContentError, French, read_slides
from presentation.deck import Deck, _bars_of
from presentation.deliverables import DeliverablesError, Naming, pack
from presentation.drawing import Printed
from presentation.evidence import EvidenceError
from presentation.figures import Figures, MissingFigureError
from scoring.files import LIST
from tests.helpers import serving, slides

DUPONT = Naming("Dupont", "Jean", "012027")
LONG = 30 * "some words "

NAMES = {
    "auc": 0.7512,
    "rate": 0.08,
    "applicants": 12_345,
    "source": "synthetic",
    "families": [{"name": "dummy", "cost": 0.8}, {"name": "lightgbm", "cost": -0.5}],
    "nothing": [],
    "page": slides.PICTURE,
    "line": [Line([(0.0, 1.0), (1.0, 3.0)]), Line([(0.5, 2.0)], style="o")],
    "ls": Printed("ls", "a\nb"),
    "long": Printed("ls", "\n".join("abcdefgh" * 5)),
    "words": Printed("ls", LONG),
}
WORDS = {
    "families": {"dummy": "Référence"},
    "choices": {
        "people": {"of": "source", "synthetic": "demandeurs\nfictifs", "otherwise": "{auc:.1f}"},
    },
}
FRENCH = French(NAMES, WORDS)
TABLE = {
    "rows": "families", "header": ["Famille", "Coût"], "row": ["{row[name]}", "{row[cost]:.1f}"],
    "strong": "families[1]",
}  # fmt: skip
BARS = {
    "rows": "families", "label": "{row[name]:families}", "values": {"coût": "row[cost]"},
    "axis": "coût", "alt": "coûts",
}  # fmt: skip
LINES = {
    "name": "line", "series": ["a", "b"], "axes": ["x (m)", "y"], "forms": [".0f", ".0%"],
    "alt": "lines",
}  # fmt: skip


def talk(tmp_path: Path, *texts: dict[str, Any]) -> Path:
    """A presentation of slides with these places and what stands there."""
    deck = Deck("A talk", "Jean")
    for text in texts:
        deck.add({"title": "A message", "notes": "What is said.", "seconds": 40, **text}, FRENCH)
    assert (len(deck), deck.seconds) == (len(texts), 40 * len(texts))
    deck.save(tmp_path / "talk.pptx")
    return tmp_path / "talk.pptx"


def test_each_kind_of_thing_on_a_slide_is_whole(tmp_path: Path) -> None:
    made = talk(
        tmp_path,
        {"body": {"cover": {"content": ["one", "{applicants}"]}}},
        {
            "left": {"bullets": {"content": ["**strong** and not"]}},
            "right": {"table": TABLE},
            "depth": 2.5,
            "foot": {"says": {"content": "{people}"}},
        },
        {"left": {"bars": BARS}},
        {"right": {"lines": LINES}},
        {"body": {"shown": {"name": "page", "alt": "a picture", "caption": "a caption"}}},
        {"body": {"terminal": {"name": "ls"}}, "depth": 2.5,
         "foot": {"picture": {"name": "page", "alt": "a picture", "part": [0.0, 0.0, 1.0, 0.5]}}},
        {"body": {"steps": {"content": [["git push", "any branch"], ["tests", "all"]]}}},
    )  # fmt: skip
    slides.check(made)
    words = list(slides.words(made))
    assert {"strong and not", "12\u202f345", "demandeurs fictifs", "−0,5", "$ ls", "tests"} <= {
        word.replace("-", "−") for word in words
    }
    assert slides.bold(made) >= {"strong", "lightgbm", "−0,5"}


def test_a_table_without_rows_has_its_header_alone(tmp_path: Path) -> None:
    table = {"header": ["what", "how much"], "rows": "nothing", "row": ["{row}", "{row}"]}
    made = talk(tmp_path, {"body": {"table": table}})
    slides.check(made)
    assert list(slides.words(made)) == ["A message", "what", "how much"]


def test_a_file_of_slides_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "1_first.toml").write_text("[[slides]]\ntitle = A message\n")
    with pytest.raises(ContentError, match=r"1_first\.toml: Invalid value .at line 2"):
        list(read_slides(tmp_path))


def test_bars_leave_room_for_themselves_beside_long_names(tmp_path: Path) -> None:
    bars = BARS | {"label": "{row[name]}, " + 8 * "et autant de mots "}
    slides.check(talk(tmp_path, {"columns": 0.4, "left": {"bars": bars}}))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (
            "{auc:.3f} et {rate:.1%}, {rate:+.2f} : 8 %",
            "0,751 et 8,0\u00a0%, +0,08\u00a0: 8\u00a0%",
        ),
        ("{rate:g} de\n  {applicants} {people}", "0,08 de 12\u202f345 demandeurs fictifs"),
        ("{families[0][name]:families}", "Référence"),
        ("{families[1][name]:families}", "lightgbm"),
        ("{{}}", "{}"),
    ],
)
def test_figures_are_written_as_french_does(text: str, written: str) -> None:
    assert FRENCH.filled(text) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"title": "{ac:.3f}"}, r"slide '\{ac:.3f\}': there is nothing named 'ac'"),
        ({"notes": "{auc.low}"}, "there is nothing named 'auc.low'"),
        ({"notes": "{auc:three}"}, "0.7512 cannot be written as 'three'"),
        ({"notes": "{source:people}"}, "words.toml has no section 'people' for 'synthetic'"),
        ({"notes": "a } alone"}, "'a } alone': Single '}'"),
        ({"body": {"picture": {"name": "pge", "alt": "-"}}}, "there is nothing named 'pge'"),
        ({"body": {"bars": BARS | {"rows": "family"}}}, "there is nothing named 'family'"),
        ({"body": {"table": TABLE | {"row": ["{row[nme]}", ""]}}}, r"nothing named 'row\[nme\]'"),
        ({"body": {"table": TABLE | {"row": ["a"]}}}, "under Famille . Coût has more or fewer"),
        ({"body": {"pictures": {}}}, "there is no kind of content 'pictures', only cover,"),
        ({"middle": {"says": {"content": "a"}}}, "there is no place 'middle', only body, left"),
        ({"body": {"picture": {"name": "page"}}}, "alt: Missing required"),
        ({"body": {"says": {"content": "a", "sise": 3}}}, "sise: Unexpected keyword"),
        ({"body": {"says": {"content": "a", "size": 13}}}, "size: .* greater than or equal to 14"),
        ({"left": {"bars": BARS | {"size": 13}}}, "size: .* greater than or equal to 14"),
        ({"seconds": "long"}, "seconds: Input should be a valid integer"),
        ({"body": {"terminal": {"name": "long"}}}, "ls: 41 lines are too many for a slide"),
    ],
)
def test_slides_that_ask_for_what_there_is_not_are_refused(
    tmp_path: Path, text: dict[str, Any], said: str
) -> None:
    with pytest.raises(ContentError, match=said):
        talk(tmp_path, text)


def test_without_a_run_it_is_said_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFigureError, match=r"mlflow\.db is not there: make run"):
        Figures.of(tmp_path)


def test_a_command_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"rev-list .* failed: fatal: .*not a git repository"):
        evidence.run(tmp_path, "git", "rev-list", "--count", "HEAD")
    with pytest.raises(EvidenceError, match="no-such-program is not installed"):
        evidence.run(tmp_path, "no-such-program")


def test_some_tests_are_run_and_shown(tmp_path: Path) -> None:
    for name in evidence._TESTS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("def test_it():\n    assert True\n")
    shown = evidence._tests(tmp_path)
    assert "tests/scoring/evaluation/test_business.py::test_it PASSED" in shown.output
    assert "2 passed" in shown.output


def test_what_a_terminal_printed_goes_on_below_where_it_is_too_long(tmp_path: Path) -> None:
    made = talk(tmp_path, {"columns": 0.5, "left": {"terminal": {"name": "words"}}})
    slides.check(made)
    lines = list(slides.words(made))[1:]
    assert len(lines) > 3
    assert " ".join(line.strip() for line in lines) == f"$ ls {LONG.strip()}"


def test_intervals_are_drawn_where_they_were_measured() -> None:
    rows = [{"name": "a", "low": None, "high": None}, {"name": "b", "low": 0.1, "high": 0.3}]
    french = French({"none": rows, "measured": rows[1:]}, {})
    bars = {"label": "{row[name]}", "values": {}, "spans": ["row[low]", "row[high]"]}
    assert _bars_of(french, rows="none", **bars)["spans"] == []
    assert _bars_of(french, rows="measured", **bars)["spans"] == [[0.1, 0.3]]


def test_the_authors_pictures_are_taken_by_their_names(tmp_path: Path) -> None:
    assert evidence._own(tmp_path) == {}
    folder = tmp_path / evidence.PICTURES
    folder.mkdir(parents=True)
    shutil.copy(slides.PICTURE, folder / "commits.png")
    assert evidence._own(tmp_path) == {"commits": folder / "commits.png"}
    (folder / "commit.png").touch()
    with pytest.raises(EvidenceError, match=r"pictures/commit\.png: only repository, commits"):
        evidence._own(tmp_path)


def test_a_history_is_shown_in_whole_words(tmp_path: Path) -> None:
    words = "Say what this does and why, in a sentence that is far longer than it should have been"
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (["init", "-q"], [*identity, "commit", "--allow-empty", "-qm", words]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    (line,) = evidence._commits(tmp_path).output.splitlines()
    shown = line.split(" ", 2)[2].removesuffix(" ...")
    assert line.endswith(" ...")
    assert words.startswith(f"{shown} ")


@pytest.mark.slow
def test_everything_shown_can_be_had(tmp_path: Path) -> None:
    if not (serving.ROOT / "mlruns" / "champion").is_dir():
        pytest.skip("no model has been trained here: make run")
    found = evidence.gathered(serving.ROOT, tmp_path)
    assert isinstance(found.shown["commits"], Printed)
    assert found.answer["decision"] in {"accept", "refer", "refuse"}
    for name in ("mlflow_runs", "mlflow_registry"):
        picture = found.shown[name]
        assert isinstance(picture, Path)
        assert picture.stat().st_size > 20_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A clone after a run, as far as deliverables go."""
    root = tmp_path / "project"
    (root / "reports" / "notebooks").mkdir(parents=True)
    (root / "reports" / "notebooks" / "02_modelling.ipynb").write_text("{}")
    (root / "reports" / "drift.html").write_text("<html></html>")
    (root / "reports" / "presentation.pptx").write_bytes(b"PK")
    for name in ("pyproject.toml", "requirements.txt"):
        shutil.copy(serving.ROOT / name, root / name)
    shutil.copytree(serving.ROOT / "dashboard", root / "dashboard")
    shutil.copytree(serving.ROOT / ".streamlit", root / ".streamlit")
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (["init", "-q"], ["add", "pyproject.toml", "dashboard/app.py"],
                  [*identity, "commit", "-qm", "Begin"]):  # fmt: skip
        subprocess.run(["git", *words], cwd=root, check=True)
    return root


def test_six_deliverables_are_named_by_the_rule(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    files = pack(project, out, DUPONT, "https://example.org/")
    assert [file.name for file in files] == [
        "Dupont_Jean_1_API_012027.md",
        "Dupont_Jean_2_notebook_modélisation_012027.ipynb",
        "Dupont_Jean_3_dossier_code_012027.zip",
        "Dupont_Jean_4_tableau_HTML_data_drift_evidently_012027.html",
        "Dupont_Jean_5_application_test_API_012027.zip",
        "Dupont_Jean_6_présentation_012027.pptx",
    ]
    assert {file.name for file in out.iterdir()} == {file.name for file in files} | {
        "LISEZMOI.txt",
        LIST,
    }
    assert "https://example.org/predict" in files[0].read_text()
    assert sorted(zipfile.ZipFile(files[2]).namelist()) == [
        "dashboard/", "dashboard/app.py", "pyproject.toml"
    ]  # fmt: skip
    # Made again, it takes the place of the one before.
    assert pack(project, out, DUPONT) == files
    assert "make run" in files[0].read_text()


def test_the_page_runs_alone_from_its_deliverable(project: Path, tmp_path: Path) -> None:
    files = pack(project, tmp_path / "out", DUPONT)
    with zipfile.ZipFile(files[4]) as archive:
        archive.extractall(tmp_path / "page")
    locked = (tmp_path / "page" / "requirements.txt").read_text().splitlines()
    assert sorted(line.split("==")[0] for line in locked) == [
        "babel", "pandas", "plotly", "pyarrow", "requests", "streamlit"
    ]  # fmt: skip
    # Imported where nothing else of the project is.
    code = "import sys, json, dashboard.page; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "page", capture_output=True, text=True,
        check=True, env={"PATH": "/usr/bin", "PYTHONPATH": str(tmp_path / "page")},
    )  # fmt: skip
    assert not {"scoring", "api", "presentation"} & set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Dupont 2", "Jean", "012027"), "NAME='Dupont 2': letters and hyphens"),
        (("Dupont", "", "012027"), "FIRST=''"),
        (("Dupont", "Jean", "132027"), "DATE='132027': month and year"),
        (("Dupont", "Jean", "2027-01"), "DATE="),
    ],
)
def test_names_that_break_the_rule_are_refused(words: tuple[str, str, str], said: str) -> None:
    with pytest.raises(DeliverablesError, match=said):
        Naming(*words)


def test_nothing_is_left_of_a_packing_that_failed(project: Path, tmp_path: Path) -> None:
    (project / "reports" / "presentation.pptx").unlink()
    with pytest.raises(DeliverablesError, match=r"presentation\.pptx is not there: make presenta"):
        pack(project, tmp_path / "out", DUPONT)
    assert not (tmp_path / "out").exists()


def test_names_with_accents_and_hyphens_are_kept() -> None:
    assert (
        Naming("Léger-Roux", "Zoé", "122026").of(1, "API", ".md")
        == "Léger-Roux_Zoé_1_API_122026.md"
    )
