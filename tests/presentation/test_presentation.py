"""The talk's slides, what they show as it is, and the deliverables of the course."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from presentation import evidence
from presentation.deck import BODY, Deck, Line
from presentation.deliverables import DeliverablesError, Naming, pack
from presentation.evidence import EvidenceError, Printed
from presentation.figures import Figures, MissingFigureError
from scoring.files import LIST
from tests.helpers import serving, slides

DUPONT = Naming("Dupont", "Jean", "012027")


def test_each_kind_of_thing_on_a_slide_is_whole(tmp_path: Path) -> None:
    deck = Deck("A talk", "Jean")
    deck.cover("Title", ["one", "two"], "Hello.", 30)
    slide = deck.slide("A message", "What is said.", 40)
    slide.bullets(["**strong** and not"], BODY.part(0.0, 0.5).above(2.0))
    slide.table(("a", "b"), [("x", "1,5"), ("y", "−2")], BODY.part(0.5, 1.0).above(2.0))
    slide.bars({"s": {"x": 1.0, "y": -2.0}}, "bars", BODY.part(0.0, 0.5).below(3.0))
    line = Line("l", [(0.0, 1.0), (1.0, 3.0)], dashed=True, marked=True)
    slide.lines([line], "lines", ("x (m)", "y (s)"), BODY.part(0.5, 1.0).below(3.0), (0, 1, 0, 3))
    slide = deck.slide("Another", "More.", 20)
    slide.terminal("ls", "a\nb", BODY.above(2.0))
    slide.picture(slides.PICTURE, "a picture", BODY.below(2.5), (0.0, 0.0, 1.0, 0.5))
    deck.save(tmp_path / "talk.pptx")
    slides.check(tmp_path / "talk.pptx")
    assert (len(deck), deck.seconds) == (3, 90)
    assert "strong and not" in list(slides.words(tmp_path / "talk.pptx"))


def test_a_table_without_rows_has_its_header_alone(tmp_path: Path) -> None:
    deck = Deck("A talk", "Jean")
    deck.slide("A message", "What is said.", 40).table(("what", "how much"), [])
    deck.save(tmp_path / "talk.pptx")
    slides.check(tmp_path / "talk.pptx")
    assert list(slides.words(tmp_path / "talk.pptx")) == ["A message", "what", "how much"]


def test_output_too_long_for_a_slide_is_refused() -> None:
    slide = Deck("A talk", "Jean").slide("A message", "What is said.", 40)
    with pytest.raises(ValueError, match="41 lines are too many"):
        slide.terminal("ls", "\n".join("abcdefgh" * 5))


def test_without_a_run_it_is_said_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(MissingFigureError, match=r"mlflow\.db is not there: make run"):
        Figures.of(tmp_path)


def test_a_command_that_fails_is_named_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"rev-list .* failed: fatal: .*not a git repository"):
        evidence._run(tmp_path, "git", "rev-list", "--count", "HEAD")
    with pytest.raises(EvidenceError, match="no-such-program is not installed"):
        evidence._run(tmp_path, "no-such-program")


def test_some_tests_are_run_and_shown(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in evidence._TESTS:
        (tmp_path / name).write_text("def test_it():\n    assert True\n")
    shown = evidence._tests(tmp_path)
    assert "tests/scoring/evaluation/test_business.py::test_it PASSED" in shown.output
    assert "3 passed" in shown.output


@pytest.mark.slow
def test_everything_shown_can_be_had(tmp_path: Path) -> None:
    if not (serving.ROOT / "mlruns" / "champion").is_dir():
        pytest.skip("no model has been trained here: make run")
    found = evidence.gathered(serving.ROOT, tmp_path)
    assert isinstance(found.history, Printed)
    assert found.answer["decision"] in {"accept", "refer", "refuse"}
    assert found.runs.stat().st_size > 20_000
    assert found.registry.stat().st_size > 20_000


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
        "pandas", "plotly", "pyarrow", "requests", "streamlit"
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
