"""The catalogues of reports: the same keys and placeholders in every language, and their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
import pytest

from scoring.evaluation.bootstrap import Interval
from scoring.language import LANGUAGES, LanguageError, catalogue
from scoring.reports.notebooks import table_html
from scoring.reports.words import Words

CATALOGUES = ("card", "drift", "monitoring", "overview", "plots", "reports", "retraining")


def sentences(part: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from sentences(value, f"{path}{key}.")
        else:
            yield path + key, value


def placeholders(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    return sorted(re.findall(r"\{[^}]*\}", " ".join(texts)))


@pytest.mark.parametrize("name", CATALOGUES)
def test_every_language_says_the_same(name: str) -> None:
    english = dict(sentences(catalogue("en", name)))
    for language in LANGUAGES:
        others = dict(sentences(catalogue(language, name)))
        assert others.keys() == english.keys()
        for key, value in english.items():
            assert placeholders(others[key]) == placeholders(value), key
            assert len(others[key]) == len(value) or isinstance(value, str), key


def test_a_table_has_the_catalogues_caption_and_header() -> None:
    table = Words("monitoring", "fr").table("reasons", [("a", "b")])
    assert table.caption == "À combien de demandeurs ils sont donnés"
    assert table.header[0] == "Motif"
    assert table.rows == (("a", "b"),)


def test_figures_in_sentences_are_written_as_people_do() -> None:
    figure = Interval(-0.5, 1234.5, 0.25)
    assert Words("reports").interval(figure, ".1f") == "−0.5 (1,234.5 to 0.2)"
    assert Words("reports", "fr").interval(figure, ".1f") == "−0,5 (1\u202f234,5 à 0,2)"
    assert Words("plots", "fr")("cutoff", pd=1 / 11) == "seuil : 9,1\u00a0%"


def test_what_has_no_word_keeps_its_name() -> None:
    assert Words("card").named("figures", "log_loss") == "log loss"
    assert Words("card").named("figures", "some_other") == "some other"


def test_a_sentence_that_is_not_there_is_an_error() -> None:
    with pytest.raises(LanguageError, match=r"card\.nothing"):
        Words("card")("nothing")


def test_tables_of_notebooks_are_read_as_people_write_them() -> None:
    table = pl.DataFrame(
        {
            "SK_ID_CURR": [100001, 2],
            "who": ["a <b>", None],
            "share": [0.12345, None],
            "n": [1200, 3],
        }
    )
    html = table_html(table)
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    assert cells == ["100001", "a &lt;b&gt;", "0.1235", "1,200", "2", "", "", "3"]
    assert html == table_html(table)
