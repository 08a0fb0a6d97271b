"""What a platform runs: the API, the model, and nothing that trains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from scoring.errors import ScoringError
from scoring.files import staged_folder
from scoring.serving.scorer import Scorer

ROOT = Path(__file__).resolve().parents[2]
MODEL = Path("mlruns/champion")
_PROCFILE = "Procfile"

# What the API imports, and nothing else of the library.
_CODE = (
    "api", "scoring/__init__.py", "scoring/errors.py", "scoring/files.py", "scoring/free_text.py",
    "scoring/formats.py", "scoring/language.py", "scoring/words", "scoring/data",
    "scoring/features", "scoring/serving", "scoring/store",
)  # fmt: skip
_KINDS = (".py", ".jinja", ".json", ".mako", ".toml")
# The name that the platform installs from; the project's own installs everything.
_REQUIREMENTS = "api/requirements.txt"
# LightGBM's package asks for SciPy, which only training imports: a quarter of what is installed.
_AFTER_INSTALL = """\
#!/usr/bin/env bash
set -euo pipefail
python -m pip uninstall --quiet --yes scipy
"""


class BundleError(ScoringError):
    """A bundle cannot be made from here."""


def bundle(model: Path, out: Path, *, demonstration: bool = False) -> Scorer:
    """Gather what the deployed API needs in a folder, whole or not at all; replace an older bundle.

    Returns the model that was packed, read back from the folder. With `demonstration` it may be
    one of sample applicants too, whose answers say what it is.

    Raises
    ------
    BundleError
        If the project's files are not beside the library, as in an installed package, or the
        model decides on nobody real.
    ScorerError
        If the model is not whole.
    """
    missing = [name for name in (_PROCFILE, ".python-version", _REQUIREMENTS)
               if not (ROOT / name).is_file()]  # fmt: skip
    if missing:
        raise BundleError(f"{ROOT} has no {missing[0]}: run this in a clone of the project")
    if Scorer.load(model).demonstration and not demonstration:
        raise BundleError(
            f"{model} learnt from sample applicants, whom this project invents, or does not say of "
            "whom: promote a model of real ones, or say --demonstration"
        )
    with staged_folder(out, kind="bundle") as staged:
        for path in _sources():
            _copy(ROOT / path, staged / path)
        for name in (_PROCFILE, ".python-version"):
            _copy(ROOT / name, staged / name)
        _copy(ROOT / _REQUIREMENTS, staged / "requirements.txt")
        hook = staged / "bin" / "post_compile"
        hook.parent.mkdir()
        hook.write_text(_AFTER_INSTALL, encoding="utf-8")
        hook.chmod(0o755)
        shutil.copytree(model, staged / MODEL)
        return Scorer.load(staged / MODEL)


def _sources() -> Iterator[Path]:
    """The code, by its path in the project."""
    for pattern in _CODE:
        for source in sorted(ROOT.glob(pattern)):
            for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
                if path.suffix in _KINDS and path.is_file():
                    yield path.relative_to(ROOT)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
