"""The words of features that set the application against the credit history."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scoring.features.wording.grammar import Entry, Text, WordingError

PREFIX = "combined"

_SUMS: Mapping[str, tuple[str, str]] = {
    "DEBT_AND_CREDIT_TO_INCOME": (
        "All known debts and the loan asked for, relative to income",
        "Ensemble des dettes connues et du crédit demandé rapporté au revenu",
    ),
    "INSTALMENTS_TO_INCOME": (
        "All known instalments and that of the loan asked for, relative to income",
        "Ensemble des mensualités, celle du crédit demandé comprise, rapporté au revenu",
    ),
}  # fmt: skip


def entry(feature: str, describe: Callable[[str], Text]) -> Entry:
    """The words of `combined__NAME` or of `combined__FEATURE__over__FEATURE`.

    Parameters
    ----------
    feature : str
        The feature's name.
    describe : callable of str to Text
        Gives the words of the two features of a quotient.

    Raises
    ------
    WordingError
        Naming what has no words.
    """
    name = feature.removeprefix(f"{PREFIX}__")
    if "__over__" in name:
        top, bottom = (describe(part) for part in name.split("__over__", maxsplit=1))
        en = f"{top.en} relative to the {_inside(bottom.en)}"
        fr = f"Rapport entre {_inside(top.fr)} et {_inside(bottom.fr)}"
        return Entry(Text(en, fr), "percent")
    if name not in _SUMS:
        raise WordingError(f"the combination {name!r} has no words")
    return Entry(Text(*_SUMS[name]), "percent")


def _inside(words: str) -> str:
    return words[:1].lower() + words[1:]
