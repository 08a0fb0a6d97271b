"""How a feature of the credit history is said: function, measure and rows joined by grammar.

`bureau__AMT_CREDIT_SUM_DEBT__active__sum` is the function "sum" of the measure "debt still owed"
over the rows "open loans with other lenders". Each part has its words in `history`; here
they are put together, in French with agreement, contraction and elision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from scoring.errors import ScoringError

Gender = Literal["m", "f"]
Kind = Literal["quantity", "date", "plan", "flag", "phrase"]


class WordingError(ScoringError):
    """A feature, or a part of its name, has no words."""


class Text(NamedTuple):
    """The same words in English and in French."""

    en: str
    fr: str


NO_TEXT = Text("", "")


class Entry(NamedTuple):
    """A feature in words, and the unit of its values (a name in `values`)."""

    text: Text
    unit: str


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a filter leaves, as a noun phrase; the French one with its article."""

    en: str
    fr: str

    @property
    def single(self) -> bool:
        """Whether it is one row, so that its mean, sum, lowest and highest value are the same."""
        return not self.fr.startswith("les ")


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured on each row.

    Attributes
    ----------
    en : str
        An English noun phrase with "{rows}" in it; for a date it ends in "date" and has none,
        for a flag it is what follows the rows ("that were refused").
    fr : str
        In French the noun comes first, "|" marks where the adjective goes: "dette|restant due
        sur {rows}" makes "dette moyenne restant due sur les crédits". "{de}" is "de" contracted
        with the rows' article. For a date it starts with "date", for a flag it is what follows
        the rows ("qui ont été refusées").
    gender : str
        Of the French noun.
    unit : str
        Of the values, a name in `scoring.features.wording.values`.
    kind : str
        quantity; date, of the past; plan, a date that may lie ahead; flag; or phrase, which is
        whole without a function.
    counts : bool
        Whether every row has a value, so that counting values is counting rows.
    rows : str
        The set of rows where it is not the table's own.
    single : Text
        For a flag of one row, what follows that row ("is still open"); both empty where no filter
        leaves one row.
    special : mapping of str to Entry
        Functions said in words of their own, with "{rows}" or "{de}" in them.
    """

    en: str
    fr: str
    gender: Gender = "m"
    unit: str = "number"
    kind: Kind = "quantity"
    counts: bool = False
    rows: str = ""
    single: Text = NO_TEXT
    special: Mapping[str, Entry] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Function:
    """An adjective in English and, masculine and feminine, in French."""

    en: str
    m: str
    f: str


FUNCTIONS: Mapping[str, Function] = {
    "mean": Function("average", "moyen", "moyenne"),
    "max": Function("highest", "maximal", "maximale"),
    "min": Function("lowest", "minimal", "minimale"),
    "sum": Function("total", "total", "totale"),
    "median": Function("median", "médian", "médiane"),
    "total": Function("overall", "global", "globale"),
}
_DATES: Mapping[str, Function] = {
    "mean": Function("average", "moyen", "moyenne"),
    "max": Function("most recent", "le plus récent", "la plus récente"),
    "min": Function("oldest", "le plus ancien", "la plus ancienne"),
}
_PLANS: Mapping[str, Function] = {
    "mean": Function("average", "moyen", "moyenne"),
    "max": Function("latest", "le plus tardif", "la plus tardive"),
    "min": Function("earliest", "le plus précoce", "la plus précoce"),
}
# English says the longest delay, French "le retard maximal" like any other.
_LONG: Mapping[str, str] = {"max": "longest", "min": "shortest"}
_DATE_SPREADS: Mapping[str, tuple[str, str]] = {
    "std": ("spread of the", "dispersion de la"),
    "range": ("time between the first and the last", "temps entre la première et la dernière"),
}
_SPREADS: Mapping[str, tuple[str, str]] = {
    "std": ("spread of the", "dispersion"),
    "range": ("gap between the extremes of the", "écart entre les extrêmes"),
    "slope": ("trend in the", "évolution"),
}
# The distance between dates is a length of time.
_LENGTHS = {"date": "span", "plan": "span", "months_ago": "months"}


def compose(measure: Measure, rows: Rows, function: str, noun: str) -> Entry:
    """Say a function of a measure over some rows.

    Parameters
    ----------
    measure : Measure
        What is measured.
    rows : Rows
        Over which rows.
    function : str
        One of FUNCTIONS, or count, std, range, slope, last, value, share where the measure has it.
    noun : str
        The French noun of one kind of rows, in the plural: "échéances".

    Raises
    ------
    WordingError
        If the function has no words for this measure.
    """
    if function in measure.special:
        said, unit = measure.special[function]
        return Entry(_sentence(said.en, said.fr, rows), unit)
    if function == "count" and measure.counts:
        return Entry(_counted(rows, noun), "whole")
    match measure.kind:
        case "phrase":
            return Entry(_sentence(measure.en, measure.fr, rows), measure.unit)
        case "flag":
            return _flag(measure, rows, function, noun)
        case "date" | "plan":
            return _date(measure, rows, function)
    return _quantity(measure, rows, function)


def _quantity(measure: Measure, rows: Rows, function: str) -> Entry:
    head, _, rest = measure.fr.partition("|")
    if function in _SPREADS:
        en, fr = _SPREADS[function]
        said = f"{fr} {de(with_article(head, measure.gender))} {rest}"
        unit = "signed" if function == "slope" else measure.unit
        return Entry(_sentence(f"{en} {measure.en}", said, rows), unit)
    word = _function(FUNCTIONS, function)
    if rows.single:
        return Entry(_sentence(measure.en, f"{head} {rest}", rows), measure.unit)
    said = f"{head} {word.m if measure.gender == 'm' else word.f} {rest}"
    en = _LONG.get(function, word.en) if measure.unit in ("days", "span") else word.en
    return Entry(_sentence(f"{en} {measure.en}", said, rows), measure.unit)


def _date(measure: Measure, rows: Rows, function: str) -> Entry:
    unit = measure.unit
    if function in ("std", "range"):
        en, fr = _DATE_SPREADS[function]
        said = _sentence(f"{en} {measure.en} of {{rows}}", f"{fr} {measure.fr} {{de}}", rows)
        return Entry(said, _LENGTHS[unit])
    word = _function(_DATES if measure.kind == "date" else _PLANS, function)
    if rows.single:
        return Entry(_sentence(f"{measure.en} of {{rows}}", f"{measure.fr} {{de}}", rows), unit)
    en, fr = ("of {rows}", "{de}") if function == "mean" else ("among {rows}", "parmi {rows}")
    said = _sentence(f"{word.en} {measure.en} {en}", f"{measure.fr} {word.f} {fr}", rows)
    return Entry(said, unit)


def _flag(measure: Measure, rows: Rows, function: str, noun: str) -> Entry:
    if rows.single and measure.single.en:
        said = _sentence(f"{{rows}} {measure.single.en}", f"{{rows}} {measure.single.fr}", rows)
        return Entry(said, "yes_no")
    if function == "mean":
        said = _sentence(f"share of {{rows}} {measure.en}", f"part {{de}} {measure.fr}", rows)
        return Entry(said, "percent")
    if function != "sum":
        raise WordingError(f"the function {function!r} has no words for a yes or no")
    en, fr = _counted(rows, noun, measure.fr)
    return Entry(Text(f"{en} {measure.en}", fr), "whole")


def _counted(rows: Rows, noun: str, clause: str = "") -> Text:
    """Say "nombre d'échéances ...", or "... parmi les 5 dernières échéances"."""
    bare = rows.fr.removeprefix("les ")
    if bare[0].isdigit() or rows.single:
        said = f"nombre {de(noun)} {clause} parmi {rows.fr}"
    else:
        said = f"nombre {de(bare)} {clause}"
    return _sentence(f"number of {rows.en}", said, rows)


def _function(words: Mapping[str, Function], function: str) -> Function:
    if function not in words:
        raise WordingError(f"the function {function!r} has no words")
    return words[function]


def _sentence(en: str, fr: str, rows: Rows) -> Text:
    return Text(
        capital(en.format(rows=rows.en)),
        capital(_tidy(fr.format(rows=rows.fr, de=de(rows.fr)))),
    )


def _tidy(words: str) -> str:
    return re.sub(r" +", " ", words).strip()


def capital(words: str) -> str:
    """The words with a capital at the start, the rest untouched."""
    return words[:1].upper() + words[1:]


def elides(word: str) -> bool:
    """Whether a French article loses its vowel before the word (no aspirated h among ours)."""
    return word[:1].lower() in "aàâeéèêiîoôuh"


def with_article(noun: str, gender: Gender) -> str:
    """The noun with its article: le montant, la dette, l'avance."""
    if elides(noun):
        return f"l'{noun}"
    return f"{'le' if gender == 'm' else 'la'} {noun}"


def de(words: str) -> str:
    """The words after "de": du montant, des crédits, de la dette, d'échéances."""
    for article, contracted in (("le ", "du "), ("les ", "des ")):
        if words.startswith(article):
            return contracted + words.removeprefix(article)
    return f"d'{words}" if elides(words) else f"de {words}"
