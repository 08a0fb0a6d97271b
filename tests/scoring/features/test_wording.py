"""Every feature in plain words, in English and in French."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scoring.language
from scoring.data.tables import TABLES, empty_frame
from scoring.features import PROTECTED, build_features, wording
from scoring.features.causes import CAUSES, PROTECTED_CAUSE, cause_of
from scoring.features.vectors import layout
from scoring.features.wording import (
    LANGUAGES,
    Language,
    WordingError,
    application,
    describe,
    history,
    reasons,
    unit_text,
    value_text,
    values,
)
from scoring.features.wording.grammar import de, numbered, with_article
from scoring.features.wording.reasons import Value, cause_text, read_alike, reason_text
from scoring.features.wording.values import UNITS, number
from scoring.language import catalogue

SCHEMA = build_features({name: empty_frame(table) for name, table in TABLES.items()}).schema
GRAMMAR = catalogue("en", "grammar")
FEATURES = [name for name in SCHEMA if name != "SK_ID_CURR"]


def check(names: list[str]) -> None:
    """Words for each, short, without codes, and no two alike."""
    for language in LANGUAGES:
        said = [describe(name, language) for name in names]
        assert len(set(said)) == len(said)
        for name, words in zip(names, said, strict=True):
            assert 3 < len(words) <= 120, f"{name}: {words}"
            assert words[0].isupper(), f"{name}: {words}"
            assert not re.search(r"[_{}|]|[A-Z]{2}|  | $", words), f"{name}: {words}"
            assert "too low" not in words
            assert "trop bas" not in words


def test_every_feature_has_words_of_its_own() -> None:
    check(FEATURES)


@pytest.mark.parametrize(
    ("feature", "part"),
    [
        ("NEW_COLUMN", "NEW_COLUMN"),
        ("application__NEW_RATIO", "NEW_RATIO"),
        ("tax__AMT_INCOME__all__mean", "tax"),
        ("bureau__NEW_MEASURE__all__mean", "'NEW_MEASURE'"),
        ("bureau__LOAN_AGE__all__mean", "'LOAN_AGE'"),
        ("bureau__TERM__sunday__mean", "'sunday'"),
        ("bureau__TERM__all__kurtosis", "'kurtosis'"),
        ("bureau__TERM__all__std", "'std'"),
        ("bureau__TERM__all__count", "'count'"),
        ("bureau__IS_ACTIVE__all__max", "'max'"),
        ("bureau__DAYS_CREDIT__all__sum", "'sum'"),
        ("", "''"),
    ],
)
def test_what_has_no_words_is_named(feature: str, part: str) -> None:
    for language in LANGUAGES:
        with pytest.raises(WordingError, match=rf"{re.escape(part)}.*scoring/words/{language}$"):
            describe(feature, language)


@pytest.mark.parametrize(
    ("feature", "en", "fr"),
    [
        (
            "bureau__AMT_CREDIT_SUM_DEBT__active__mean",
            "Average debt still owed on open loans with other lenders",
            "Dette moyenne restant due sur les crédits en cours chez d'autres prêteurs",
        ),
        (
            "previous__AMT_ANNUITY__last__mean",
            "Instalment of the latest earlier application",
            "Mensualité de la dernière demande antérieure",
        ),
        (
            "installments__DAYS_LATE__365d__max",
            "Longest delay in the payment of instalments due in the last 12 months",
            "Retard maximal de paiement des échéances des 12 derniers mois",
        ),
        (
            "previous__IS_REFUSED__last3__sum",
            "Number of the last 3 earlier applications that were refused",
            "Nombre de demandes qui ont été refusées parmi les 3 dernières demandes antérieures",
        ),
        (
            "bureau_balance__WORST_STATUS__closed__mean",
            "Average severity of the worst delay (0 to 5) on closed loans elsewhere followed "
            "month by month",
            "Gravité moyenne du pire retard (de 0 à 5) sur les crédits extérieurs soldés suivis "
            "mois par mois",
        ),
        (
            "bureau__DAYS_CREDIT_UPDATE__all__mean",
            "Average date of the credit bureau's last report of loans with other lenders",
            "Date de dernière déclaration moyenne des crédits chez d'autres prêteurs",
        ),
        (
            "bureau__IS_ACTIVE__last__mean",
            "The latest loan with another lender is still open",
            "Le dernier crédit chez un autre prêteur court encore",
        ),
        ("EXT_SOURCE_1", "Score from external source 1", "Note de la source externe n° 1"),
    ],
)
def test_words_agree_and_contract(feature: str, en: str, fr: str) -> None:
    assert (describe(feature, "en"), describe(feature, "fr")) == (en, fr)


def test_french_articles() -> None:
    nouns = ("le prix", "les crédits", "la dette", "l'avance", "échéances")
    assert [de(noun) for noun in nouns] == [
        "du prix", "des crédits", "de la dette", "de l'avance", "d'échéances",
    ]  # fmt: skip
    assert with_article("apport", "un") == "l'apport"
    assert with_article("dette", "une") == "la dette"


@pytest.mark.parametrize(
    ("feature", "value", "en", "fr"),
    [
        ("AMT_CREDIT", 1_450_000.0, "1,450,000", "1\u202f450\u202f000"),
        ("bureau__DEBT_TO_CREDIT__all__mean", 0.321, "32%", "32\u00a0%"),
        ("installments__IS_LATE__all__mean", 0.0512, "5.1%", "5,1\u00a0%"),
        ("installments__DAYS_LATE__all__max", 1.0, "1\u00a0day", "1\u00a0jour"),
        ("installments__DAYS_LATE__all__mean", 1.5, "1.5\u00a0days", "1,5\u00a0jour"),
        ("DAYS_BIRTH", -12_300.0, "33.7\u00a0years", "33,7\u00a0ans"),
        ("DAYS_LAST_PHONE_CHANGE", -30.0, "30\u00a0days ago", "il y a 30\u00a0jours"),
        ("DAYS_LAST_PHONE_CHANGE", 0.0, "on the day of the application", "le jour de la demande"),
        (
            "bureau__DAYS_CREDIT_ENDDATE__all__max", 400.0,
            "in 13\u00a0months", "dans 13\u00a0mois",
        ),
        ("pos_cash__MONTHS_BALANCE__all__min", -14.0, "14\u00a0months ago", "il y a 14\u00a0mois"),
        ("FLAG_PHONE", 1.0, "yes", "oui"),
        ("FLAG_OWN_CAR", "N", "no", "non"),
        ("CNT_CHILDREN", 2.0, "2", "2"),
        ("NAME_EDUCATION_TYPE", "Higher education", "higher education", "études supérieures"),
        ("application__RATE_OFF_LIST", 0.023, "+2.3\u00a0points", "+2,3\u00a0points"),
        ("application__INCOME_PER_MEMBER", 75.25, "75.25", "75,25"),
        ("application__RATE_LISTED", 0.2965, "30%", "30\u00a0%"),
        ("application__INCOME_PER_MEMBER", 120.5, "120", "120"),
        (
            "EXT_SOURCE_1", 0.4217, "0.422 (0\u00a0riskiest,\u00a01\u00a0safest)",
            "0,422 (0\u00a0le\u00a0plus\u00a0risqué,\u00a01\u00a0le\u00a0plus\u00a0sûr)",
        ),
        ("EXT_SOURCE_3", None, "unknown", "inconnu"),
        ("EXT_SOURCE_3", float("nan"), "unknown", "inconnu"),
    ],
)  # fmt: skip
def test_values_are_said(feature: str, value: float | str | None, en: str, fr: str) -> None:
    assert value_text(feature, value, "en") == en
    assert value_text(feature, value, "fr") == fr


@pytest.mark.parametrize(
    ("cause", "feature", "value", "usual", "en", "fr"),
    [
        (
            "loan_asked", "AMT_CREDIT", 450_000.0, 270_000.0,
            "The loan asked for: 450,000 asked for; usual: 270,000",
            "Le crédit demandé\u00a0: 450\u202f000 demandés\u00a0; "
            "habituellement\u00a0: 270\u202f000",
        ),
        (
            "external_scores", "EXT_SOURCE_2", 0.0812, 0.6,
            "External credit scores: 0.081 from source 2, where 0 is the riskiest and 1 the "
            "safest; usual: 0.6",
            "Notes de crédit externes\u00a0: 0,081 de la source n° 2, où 0 est le plus risqué et "
            "1 le plus sûr\u00a0; habituellement\u00a0: 0,6",
        ),
        (
            "external_scores", "EXT_SOURCE_2", None, 0.6,
            "External credit scores: none from source 2 is known",
            "Notes de crédit externes\u00a0: aucune de la source n° 2 n'est connue",
        ),
        (
            "loan_asked", "AMT_ANNUITY", None, 25_000.0,
            "The loan asked for (monthly instalment of the loan asked for): not known; "
            "usual: 25,000",
            "Le crédit demandé (mensualité du crédit demandé)\u00a0: information absente\u00a0; "
            "habituellement\u00a0: 25\u202f000",
        ),
        (
            "income_and_work", "DAYS_EMPLOYED", -400.0, -2000.0,
            "Income, work and education: 13\u00a0months in the current employment; "
            "usual: 5.5\u00a0years",
            "Revenu, emploi et études\u00a0: 13\u00a0mois dans l'emploi actuel\u00a0; "
            "habituellement\u00a0: 5,5\u00a0ans",
        ),
        (
            "housing_and_property", "FLAG_OWN_CAR", "N", "Y",
            "Housing and property: no car; usual: a car",
            "Logement et biens\u00a0: pas de voiture\u00a0; habituellement\u00a0: une voiture",
        ),
        (
            "income_and_work", "NAME_EDUCATION_TYPE", "Lower secondary", "Higher education",
            "Income, work and education (education): lower secondary school; "
            "usual: higher education",
            "Revenu, emploi et études (niveau d'études)\u00a0: collège\u00a0; "
            "habituellement\u00a0: études supérieures",
        ),
        (
            "income_and_work", "ORGANIZATION_TYPE", "Trade: type 7", "Business Entity Type 3",
            "Income, work and education (kind of employer): trade; usual: company",
            "Revenu, emploi et études (secteur de l'employeur)\u00a0: commerce\u00a0; "
            "habituellement\u00a0: entreprise",
        ),
        (
            "refusals", "previous__YEARLY_RATE__refused__mean", 0.5, None,
            "Earlier applications refused or cancelled: refused applications were at a yearly rate "
            "of 50% on average; usual: no application refused",
            "Demandes antérieures refusées ou annulées\u00a0: demandes refusées à un taux annuel "
            "de 50\u00a0% en moyenne\u00a0; habituellement\u00a0: aucune demande refusée",
        ),
        (
            "late_payments_here", "card__LATE_MONTH__all__max", -3.0, None,
            "Late payments on earlier loans with us: last late with the card 3\u00a0months ago; "
            "usual: never",
            "Retards de paiement sur les crédits antérieurs chez nous\u00a0: dernier retard de la "
            "carte il y a 3\u00a0mois\u00a0; habituellement\u00a0: jamais",
        ),
        (
            "address_and_building", "APARTMENTS_AVG", 0.02, 0.09,
            "Address and building: the building has fewer flats than usual for accepted applicants",
            "Adresse et immeuble\u00a0: l'immeuble compte moins de logements que d'habitude chez "
            "les demandeurs acceptés",
        ),
        (
            "loan_asked", "AMT_CREDIT", 450_000.0, 450_000.4,
            "The loan asked for: 450,000 asked for",
            "Le crédit demandé\u00a0: 450\u202f000 demandés",
        ),
        (
            "loan_asked", "AMT_CREDIT", 450_000.0, None,
            "The loan asked for: 450,000 asked for",
            "Le crédit demandé\u00a0: 450\u202f000 demandés",
        ),
    ],
)  # fmt: skip
def test_a_reason_is_a_sentence_of_cause_value_and_what_is_usual(
    cause: str, feature: str, value: Value, usual: Value, en: str, fr: str
) -> None:
    assert reason_text(cause, feature, value, usual, "en") == en
    assert reason_text(cause, feature, value, usual, "fr") == fr


def test_values_that_are_said_alike_read_alike() -> None:
    assert read_alike("AMT_CREDIT", 450_000.0, 450_000.4)
    assert read_alike("NAME_HOUSING_TYPE", None, None)
    # Other types of the lender's list, which an applicant does not know.
    assert read_alike("ORGANIZATION_TYPE", "Trade: type 7", "Trade: type 2")
    assert not read_alike("ORGANIZATION_TYPE", "Trade: type 7", "Industry: type 7")
    assert not read_alike("AMT_CREDIT", 450_000.0, 451_000.0)
    assert not read_alike("AMT_CREDIT", 450_000.0, None)


def test_no_reason_tells_a_category_by_a_number_or_as_kaggle_writes_it() -> None:
    levels = {name: own for name, own in layout().levels.items() if name not in PROTECTED}
    assert len(levels) > 5
    for feature, language in product(levels, LANGUAGES):
        for level in levels[feature]:
            told = reason_text(cause_of(feature), feature, level, None, language)
            said = told.partition(":")[2].strip()
            assert said != level, said
            assert not re.search(r"\d|/|XNA|^[yn]$", said), said


@pytest.mark.parametrize(
    ("value", "en", "fr"),
    [
        (
            -81_184.0,
            "was 81,184 more than asked for",
            "dépassait de 81\u202f184 le montant",
        ),
        (81_184.0, "was 81,184 less than asked for", "inférieur de 81\u202f184 au montant"),
    ],
)
def test_a_reason_says_a_value_of_either_sign_by_its_size(value: float, en: str, fr: str) -> None:
    feature = "previous__AMT_CUT__last__mean"
    english, french = (
        reason_text(cause_of(feature), feature, value, 0.0, language) for language in LANGUAGES
    )
    assert english.endswith(f"{en}; usual: the credit asked for")
    assert french.endswith(f"{fr} demandé\u00a0; habituellement\u00a0: le montant demandé")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_protected_cause_names_attributes_only_where_one_is_read(language: Language) -> None:
    named = cause_text(PROTECTED_CAUSE, language)
    gives_away = cause_text(PROTECTED_CAUSE, language, ["DAYS_EMPLOYED", "CNT_CHILDREN"])
    assert gives_away != named
    assert cause_text(PROTECTED_CAUSE, language, ["DAYS_EMPLOYED", "DAYS_BIRTH"]) == named


def test_every_cause_and_every_feature_that_is_told_has_words() -> None:
    told = {name for cause in CAUSES if cause != PROTECTED_CAUSE for name in CAUSES[cause]}
    for language in LANGUAGES:
        words = catalogue(language, "causes")
        assert words["title"].keys() == CAUSES.keys()
        assert words["missing"].keys() < CAUSES.keys()
        assert words["unknown"].keys() < told
        ways = [set(words[way]) for way in ("told", "label", "flag", "signed", "compared")]
        assert set.union(*ways) == told
        assert sum(map(len, ways)) == len(told)


@given(st.sampled_from(FEATURES), st.floats(-1e12, 1e12), st.sampled_from(LANGUAGES))
def test_any_value_of_any_feature_is_one_line_of_words(
    feature: str, value: float, language: Language
) -> None:
    said = value_text(feature, value, language)
    assert "\n" not in said
    assert not re.search(r"nan|inf\b|e[+-]\d", said)
    reason = reason_text(cause_of(feature), feature, value, -value, language)
    assert "\n" not in reason
    assert not re.search(r"[_{}]|nan\b|\binf\b|e[+-]\d", reason)


@given(st.floats(-1e12, 1e12, allow_subnormal=False))
def test_both_languages_say_the_same_number(value: float) -> None:
    english = number(value, "en")
    assert number(value, "fr") == english.replace(",", "\u202f").replace(".", ",")
    plain = english.replace(",", "").replace("\u2212", "-")
    assert float(plain) == pytest.approx(value, rel=0.05, abs=5e-5)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_category_has_words(language: Language) -> None:
    levels = {
        level
        for dtype in SCHEMA.values()
        if isinstance(dtype, pl.Enum)
        for level in dtype.categories
    }
    assert len(levels) > 100
    words = catalogue(language, "categories")
    assert {level for level in levels if numbered(words, level) is None} == set()


def test_features_and_units_are_said_by_language() -> None:
    assert describe("AMT_CREDIT", "en") == "Amount of the loan asked for"
    assert describe("AMT_CREDIT", "fr") == "Montant du crédit demandé"
    assert unit_text("DAYS_LAST_PHONE_CHANGE", "fr") == "jours par rapport à la demande"
    assert unit_text("CNT_CHILDREN", "en") == ""


def test_every_unit_that_is_used_can_be_said() -> None:
    for feature in FEATURES:
        for language in LANGUAGES:
            assert value_text(feature, 1.0, language)
    assert {"amount", "date", "percent", "category"} <= set(UNITS)


class Noted(dict[str, Any]):
    """A catalogue that notes which of its sentences are read."""

    def __init__(self, name: str, words: Mapping[str, Any], read: set[str]) -> None:
        super().__init__(
            (key, Noted(f"{name}.{key}", value, read) if isinstance(value, dict) else value)
            for key, value in words.items()
        )
        self.name, self.read = name, read

    def __getitem__(self, key: str) -> Any:
        self.read.add(f"{self.name}.{key}")
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self.keys() else default

    def sentences(self) -> Iterator[str]:
        for key, value in self.items():
            yield from value.sentences() if isinstance(value, Noted) else [f"{self.name}.{key}"]


def test_all_words_are_of_features_or_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    read: set[str] = set()
    # Grammar is for any function of any measure, over one row as well as many.
    names = ("application", "categories", "history", "units")
    noted = {name: Noted(name, catalogue("en", name), read) for name in names}
    for module in (wording, application, history, values, scoring.language):
        monkeypatch.setattr(module, "catalogue", lambda _, name: noted.get(name) or GRAMMAR)
    wording._entry.cache_clear()
    for feature in FEATURES:
        unit_text(feature, "en")
        kind = SCHEMA[feature]
        levels = list(kind.categories) if isinstance(kind, pl.Enum) else []
        for value in (*levels, None, 0.0, 1.0, 3.0, -3.0, -300.0, 2_000.0):
            value_text.__wrapped__(feature, value, "en")
    noted["units"]["pd"]
    for column in TABLES["application"].columns:
        if column.name != "TARGET":
            unit_text(column.name, "en")
        for level in column.categories:
            values.category(level, "en")
    said = {sentence for words in noted.values() for sentence in words.sentences()}
    unread = {sentence for sentence in said - read if ".flag_of_one." not in sentence}
    assert sorted(unread) == []


def test_the_examples_in_the_docstrings_hold() -> None:
    for module, examples in ((wording, 2), (reasons, 1)):
        found = doctest.testmod(module)
        assert found.attempted >= examples
        assert found.failed == 0


def test_words_are_found_without_the_packages_of_training() -> None:
    code = (
        "import sys; from scoring.features.wording import describe; describe('AMT_CREDIT'); "
        "print(sorted({'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
