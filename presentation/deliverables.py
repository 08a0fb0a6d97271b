"""The six deliverables of the course, named by its rule: Nom_Prénom_n_nom_mmaaaa."""

from __future__ import annotations

import re
import shutil
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from presentation.evidence import run
from scoring.errors import ScoringError
from scoring.files import staged_folder

CONTENTS = "LISEZMOI.txt"
# What tests the API: the page, its theme, and nothing of the library.
_PAGE = ("dashboard/*.py", "dashboard/words/*/*.toml", ".streamlit/config.toml")
_HERE = "http://127.0.0.1:8000"
_LINK = """\
# API de prédiction

- Documentation : <{api}/docs>
- Prédiction : `POST {api}/predict`
- État : <{api}/ready>
"""
_STARTED = """
L'API se lance sur place : make run, puis {api}/docs (documentation) et {api}/predict.
Une fois déployée sur Heroku, son adresse se donne ainsi :
make deliverables NAME=... FIRST=... DATE=... API=https://NOM-DE-L-APPLICATION.herokuapp.com
"""


class DeliverablesError(ScoringError):
    """A deliverable cannot be made."""


@dataclass(frozen=True)
class Naming:
    """Who hands in (letters and hyphens), and the month and year of the project's start, mmaaaa."""

    name: str
    first: str
    date: str

    def __post_init__(self) -> None:
        for word, value in (("NAME", self.name), ("FIRST", self.first)):
            if not re.fullmatch(r"[^\W\d_]+(-[^\W\d_]+)*", value):
                raise DeliverablesError(
                    f"{word}={value!r}: letters and hyphens, as in NAME=Dupont FIRST=Jean"
                )
        if not re.fullmatch(r"(0[1-9]|1[0-2])\d{4}", self.date):
            raise DeliverablesError(
                f"DATE={self.date!r}: month and year in six digits, as in DATE=012027"
            )

    def of(self, number: int, what: str, ending: str) -> str:
        """Return the file name of a deliverable."""
        return f"{self.name}_{self.first}_{number}_{what}_{self.date}{ending}"


def pack(root: Path, out: Path, naming: Naming, api: str | None = None) -> list[Path]:
    """Put the six deliverables, made of a clone after a run, into a folder, whole or not at all.

    Without the address of a deployed API, its file says how to start one.

    Raises
    ------
    DeliverablesError
        If something has not been made yet.
    EvidenceError
        If git fails.
    """
    reports = root / "reports"
    makers: list[tuple[str, str, Callable[[Path], None]]] = [
        ("API", ".md", lambda file: _link(file, api)),
        ("notebook_modélisation", ".ipynb", _copy(reports / "notebooks/02_modelling.ipynb")),
        ("dossier_code", ".zip", lambda file: _code(root, file)),
        ("tableau_HTML_data_drift_evidently", ".html", _copy(reports / "drift.html")),
        ("application_test_API", ".zip", lambda file: _page(root, file)),
        ("présentation", ".pptx", _copy(reports / "presentation.pptx")),
    ]
    names = [naming.of(n, what, ending) for n, (what, ending, _) in enumerate(makers, start=1)]
    with staged_folder(out, kind="deliverables") as staged:
        for name, (_, _, make) in zip(names, makers, strict=True):
            make(staged / name)
        (staged / CONTENTS).write_text("\n".join([*names, ""]), encoding="utf-8")
    return [out / name for name in names]


def _copy(path: Path) -> Callable[[Path], None]:
    def copy(file: Path) -> None:
        if not path.is_file():
            command = "make presentation" if path.suffix == ".pptx" else "make run"
            raise DeliverablesError(f"{path} is not there: {command} makes it")
        shutil.copyfile(path, file)

    return copy


def _link(file: Path, api: str | None) -> None:
    text = _LINK if api else _LINK + _STARTED
    file.write_text(text.format(api=(api or _HERE).rstrip("/")), encoding="utf-8")


def _code(root: Path, file: Path) -> None:
    """What git has of the last commit: no data, no model, nobody's environment."""
    run(root, "git", "archive", "--format=zip", f"--output={file}", "HEAD")


def _page(root: Path, file: Path) -> None:
    """The page with the packages it needs, at the versions it is tested with."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]["dashboard"]
    names = {re.split(r"[<>=\[]", extra, maxsplit=1)[0] for extra in extras}
    locked = (root / "requirements.txt").read_text("utf-8").splitlines()
    # Without hashes: packages that these need are not among them.
    wanted = [line.removesuffix(" \\") for line in locked if line.split("==")[0] in names]
    start = f"API_URL={_HERE} python -m streamlit run dashboard/app.py"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for pattern in _PAGE for path in root.glob(pattern)):
            archive.write(path, path.relative_to(root))
        archive.writestr("requirements.txt", "\n".join([*wanted, ""]))
        archive.writestr(CONTENTS, f"pip install -r requirements.txt\n{start}\n")
