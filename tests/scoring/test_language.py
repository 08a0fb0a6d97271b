"""Catalogues of words: the same in every language, and one folder a language."""

from __future__ import annotations

import json
import os
import re
import shutil
import string
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from scoring.language import LANGUAGES, LanguageError, catalogue, text

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [ROOT / "scoring" / "words", ROOT / "dashboard" / "words"]
# Patterns join parts as the language does: which of them is its own affair.
GRAMMAR = "grammar"


def sentences(words: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every sentence of a catalogue, by its keys with dots between."""
    for key, value in words.items():
        if isinstance(value, Mapping):
            yield from sentences(value, f"{path}{key}.")
        else:
            lines = [value] if isinstance(value, str) else value
            for place, line in enumerate(lines):
                assert isinstance(line, str), f"{path}{key}"
                yield f"{path}{key}.{place}", line


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def catalogues(folder: Path, language: str) -> dict[str, dict[str, str]]:
    return {
        path.stem: dict(sentences(tomllib.loads(path.read_text(encoding="utf-8"))))
        for path in sorted((folder / language).glob("*.toml"))
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_language_says_the_same_things(folder: Path, language: str) -> None:
    english, other = catalogues(folder, "en"), catalogues(folder, language)
    assert english.keys() == other.keys()
    for name, words in english.items():
        assert words.keys() ^ other[name].keys() == set(), name
        if name == GRAMMAR:
            continue
        for key, sentence in words.items():
            assert placeholders(sentence) == placeholders(other[name][key]), f"{name}: {key}"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_every_sentence_has_words_and_no_room_around_them(folder: Path) -> None:
    for language in LANGUAGES:
        for name, words in catalogues(folder, language).items():
            for key, sentence in words.items():
                assert sentence, f"{language} {name}: {key}"
                separates = not sentence.strip(" ;,")
                assert separates or not re.search(r"^\s(?![:;%])|[^\S\n]$", sentence), (
                    f"{language} {name}: {key}"
                )


def test_a_missing_sentence_is_named() -> None:
    assert text("en", "units.values.ago", length="3 days") == "3 days ago"
    with pytest.raises(LanguageError, match=r"'units\.values\.never' is no sentence .*'fr'"):
        text("fr", "units.values.never")
    with pytest.raises(LanguageError, match="no catalogue 'nothing' in the language 'en'"):
        catalogue("en", "nothing")
    with pytest.raises(LanguageError, match="no catalogue 'units' in the language 'xx'"):
        catalogue("xx", "units")


def run_with_german(package: str, folder: Path, code: str) -> Any:
    """Run code where the package has German beside its languages, in the words of English."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / package, folder / package, ignore=ignored)
    words = folder / package / "words"
    shutil.copytree(words / "en", words / "de")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder,
        env=environment,
    )  # fmt: skip
    return json.loads(run.stdout)


def test_a_third_language_is_one_more_folder(tmp_path: Path) -> None:
    said = run_with_german(
        "scoring",
        tmp_path,
        "import json\n"
        "from scoring.features.wording import LANGUAGES, describe\n"
        "from scoring.features.wording.reasons import reason_text\n"
        "feature = 'installments__AMT_SHORT__180d__mean'\n"
        "texts = {language: describe(feature, language) for language in LANGUAGES}\n"
        "reason = reason_text('late_payments_here', feature, 1234567.0, 0.0, 'de')\n"
        "print(json.dumps([LANGUAGES, texts, reason]))\n",
    )
    languages, texts, reason = said
    assert languages == ["de", "en", "fr"]
    assert (
        texts["de"]
        == texts["en"]
        == "Average amount left unpaid on instalments due in the last 180 days"
    )
    assert texts["fr"].startswith("Montant moyen resté impayé sur les échéances des 180 derniers")
    assert reason == (
        "Late payments on earlier loans with us: on average 1.234.567 of each instalment "
        "of the last 180 days was left unpaid; usual: 0"
    )


def test_the_page_takes_up_a_third_language_too(tmp_path: Path) -> None:
    said = run_with_german(
        "dashboard",
        tmp_path,
        "import json\n"
        "from dashboard.texts import LANGUAGES, TEXTS, moment, number, percent, separators\n"
        "at = moment('2026-11-28T17:40:03+00:00', 'de')\n"
        "print(json.dumps([list(LANGUAGES), TEXTS['de']['title'], number(1234.5, 'de'),"
        "percent(0.5, 'de'), at, separators('de')]))\n",
    )
    assert said == [
        ["fr", "de", "en"], "Credit decision", "1.234,50", "50,0\u00a0%", "28.11.2026 17:40", ",.",
    ]  # fmt: skip
