"""The credit history in words: function, measure and rows joined by grammar.

`bureau__AMT_CREDIT_SUM_DEBT__active__sum` is the function "sum" of the measure "debt still owed"
over the rows "open loans with other lenders".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scoring.features.wording.grammar import Entry, Noun, Phrase, WordingError, numbered, sentence
from scoring.language import catalogue

# Measures that every row has: to count their values is to count rows.
_EVERY_ROW_HAS = {
    "DAYS_CREDIT", "DAYS_DECISION", "DAYS_INSTALMENT", "MONTHS", "MONTHS_BALANCE",
}  # fmt: skip
# Which patterns of grammar.toml a table of measures takes, the first that has the function.
_PATTERNS = {
    "flag": ("flag",),
    "date": ("date",),
    "months_ago": ("date",),
    "plan": ("plan", "date"),
    "days": ("length", "quantity"),
    "span": ("length", "quantity"),
}
# What else a table of the catalogue holds.
_NO_MEASURES = ("noun", "rows", "flag_of_one")
# The units of functions of a flag.
_OF_FLAGS = {"mean": "percent", "sum": "whole", "one": "yes_no"}


def tables(language: str) -> Mapping[str, Any]:
    """Load the words of every table of the credit history."""
    return catalogue(language, "history")


def entry(feature: str, language: str) -> Entry:
    """Say `prefix__measure__name__function`, where the name is of a filter.

    Raises
    ------
    WordingError
        Naming the part that has no words.
    """
    prefix, measure, name, function = feature.split("__")
    table = tables(language)[prefix]
    if measure.startswith("LOAN_"):
        # Of whole loans, which have words of their own.
        table = tables(language).get(f"{prefix}_loans", table)
    rows = numbered(table["rows"], name)
    if rows is None:
        raise WordingError(f"the filter {name!r} of {prefix!r} has no words")
    if whole := _words(table, f"{measure}__{function}"):
        kind, words = whole
        return Entry(sentence(words, rows=Phrase(rows)), kind)
    described = _words(table, measure)
    if described is None:
        raise WordingError(f"the measure {measure!r} of {prefix!r} has no words")
    kind, words = described
    if function == "count" and measure in _EVERY_ROW_HAS:
        kind, function, words = "flag", "sum", ""
    elif kind == "flag" and name == "last" and measure in table.get("flag_of_one", {}):
        function, words = "one", table["flag_of_one"][measure]
    pattern, unit = _pattern(kind, function, name, language)
    noun, _, rest = words.format(rows=Phrase(rows)).partition("|")
    said = sentence(
        pattern, noun=Noun(noun), rest=rest, clause=words, rows=Phrase(rows),
        kind=Phrase(table["noun"]),
    )  # fmt: skip
    return Entry(said, unit)


def _words(table: Mapping[str, Any], measure: str) -> tuple[str, str] | None:
    """Find a measure's words; the table that they stand in is its unit, or its kind."""
    for kind, words in table.items():
        if kind not in _NO_MEASURES and measure in words:
            return kind, words[measure]
    return None


def _pattern(kind: str, function: str, name: str, language: str) -> tuple[str, str]:
    """Choose the pattern of a function over the rows called so, and the unit of its values."""
    patterns = catalogue(language, "grammar")
    places = _PATTERNS.get(kind, ("quantity",))
    pattern = next(
        (patterns[place][function] for place in places if function in patterns[place]), None
    )
    if pattern is None:
        raise WordingError(f"the function {function!r} of a {kind} has no words")
    if kind == "flag":
        # "of the last 5 loans, the number that": rows that are counted off are not a kind of rows.
        among = function == "sum" and re.fullmatch(r"(last|first)\d*", name)
        return patterns["flag"]["sum_among"] if among else pattern, _OF_FLAGS[function]
    # Of one row the mean, the sum, the lowest and the highest value are the same.
    pattern = patterns[places[-1]]["one"] if name == "last" else pattern
    return pattern, "date" if kind == "plan" else kind
