"""Reasons by cause: which are told, by what value, and that they add up."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.data.dataset import Dataset
from scoring.features import build_features
from scoring.features.causes import (
    ABSENCES,
    CAUSES,
    INDICES,
    PROTECTED_CAUSE,
    SAYS_AGE,
    SAYS_AGE_BESIDE,
    cause_of,
)
from scoring.serving.families.base import Explanations, Feature, Floats
from scoring.serving.profiles import PD, Column, Profile
from scoring.serving.reasons import (
    LEAST_SHARE,
    REASONS,
    Causes,
    Reason,
    Scored,
    Step,
    reasons_json,
)
from scoring.serving.scorer import Scorer, encode

NAMES = (
    "EXT_SOURCE_1", "application__EXT_SOURCES_MIN", "application__EXT_SOURCES_FILLED",
    "AMT_CREDIT", "AMT_ANNUITY", "NAME_INCOME_TYPE", "DAYS_EMPLOYED", "card__LATE_MONTH__all__max",
    "AMT_INCOME_TOTAL", "FLAG_OWN_CAR", "DEF_30_CNT_SOCIAL_CIRCLE", "DAYS_BIRTH",
    "OCCUPATION_TYPE", "bureau__DEBT_TO_CREDIT__all__mean", "bureau__IS_ACTIVE__all__mean",
    "bureau_balance__LATE_MONTHS__all__share", "bureau__DAYS_CREDIT__all__min",
)  # fmt: skip
INCOMES = ("Working", "Pensioner")
USUAL: dict[str, float | str | None] = {
    "EXT_SOURCE_1": 0.5, "application__EXT_SOURCES_MIN": 0.4,
    "application__EXT_SOURCES_FILLED": 1.6, "AMT_CREDIT": 300_000.0, "AMT_ANNUITY": 20_000.0,
    "NAME_INCOME_TYPE": "Working", "DAYS_EMPLOYED": -2_000.0, "card__LATE_MONTH__all__max": None,
    "AMT_INCOME_TOTAL": 150_000.0, "FLAG_OWN_CAR": "N", "DEF_30_CNT_SOCIAL_CIRCLE": 0.0,
    "DAYS_BIRTH": -15_000.0, "OCCUPATION_TYPE": "Laborers",
    "bureau__DEBT_TO_CREDIT__all__mean": 0.3, "bureau__IS_ACTIVE__all__mean": 0.4,
    "bureau_balance__LATE_MONTHS__all__share": 0.0, "bureau__DAYS_CREDIT__all__min": -2_000.0,
}  # fmt: skip
# An applicant of whom every value is other than usual.
VALUES = {
    "EXT_SOURCE_1": 0.1, "application__EXT_SOURCES_MIN": 0.1,
    "application__EXT_SOURCES_FILLED": 1.1, "AMT_CREDIT": 900_000.0, "AMT_ANNUITY": 70_000.0,
    "NAME_INCOME_TYPE": 1.0, "DAYS_EMPLOYED": -100.0, "card__LATE_MONTH__all__max": -3.0,
    "AMT_INCOME_TOTAL": 50_000.0, "FLAG_OWN_CAR": 1.0, "DEF_30_CNT_SOCIAL_CIRCLE": 3.0,
    "DAYS_BIRTH": -8_000.0, "OCCUPATION_TYPE": 1.0,
    "bureau__DEBT_TO_CREDIT__all__mean": 0.9, "bureau__IS_ACTIVE__all__mean": 0.8,
    "bureau_balance__LATE_MONTHS__all__share": 0.2, "bureau__DAYS_CREDIT__all__min": -100.0,
}  # fmt: skip
OCCUPATIONS = ("Laborers", "Drivers")
LEVELS = {
    "NAME_INCOME_TYPE": INCOMES,
    "FLAG_OWN_CAR": ("N", "Y"),
    "OCCUPATION_TYPE": OCCUPATIONS,
}
FEATURES = tuple(Feature(name, LEVELS.get(name, ())) for name in NAMES)


def profile(**missing: int) -> Profile:
    """Ten training applicants, of whom some have no value."""
    columns = {
        name: Column((), LEVELS.get(name, ()), (10 - missing.get(name, 0),), missing.get(name, 0))
        for name in (*NAMES, PD)
    }
    return Profile(columns, {}, usual=USUAL)


def unhelpful(rows: Floats) -> Floats:
    return np.ones(len(rows))


def helpful(rows: Floats) -> Floats:
    return np.zeros(len(rows))


def causes(
    pds: object = helpful,
    raises: Sequence[str] = (),
    missing: Mapping[str, int] | None = None,
    **gaps: int,
) -> Causes:
    """Causes of a model of whose usual values some raise the PD, and of which some are missing."""

    def explain(rows: Floats) -> Explanations:
        return Explanations(np.array([[float(name in raises) for name in NAMES]] * len(rows)), 0.0)

    return Causes(FEATURES, profile(**(missing or gaps)), explain, pds)  # type: ignore[arg-type]


def scored(added: Mapping[str, float], **changed: float) -> Scored:
    values = VALUES | changed
    return Scored(
        np.array([[values[name] for name in NAMES]]),
        np.array([0.5]),
        np.array([[added.get(name, 0.0) for name in NAMES]]),
        -2.0,
    )


def told(own: Causes, added: Mapping[str, float], **changed: float) -> list[Reason]:
    (reasons,) = own.reasons(scored(added, **changed))
    return reasons


def says_age(step: Step | Reason) -> bool:
    beside = step.value is None and step.feature in SAYS_AGE_BESIDE
    return beside or step.value in SAYS_AGE.get(step.feature, ())


def counts_under(step: Step, cause: str) -> bool:
    """Whether a step is of the cause of its feature, or of an absence or age by its value."""
    absent = step.value is None and any(
        table in step.feature.split("__") for table in ABSENCES.get(cause, ())
    )
    own = cause_of(step.feature) == cause and step.value not in SAYS_AGE.get(step.feature, ())
    return own or absent or (cause == PROTECTED_CAUSE and says_age(step))


def test_causes_and_base_add_up_to_the_logit_of_the_pd(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    found = scorer.score_matrix(encode(sample_features, scorer.features))
    totals = scorer.causes.totals(found)
    assert totals.shape == (sample_features.height, len(CAUSES))
    logits = np.log(found.pds / (1 - found.pds))
    assert totals.sum(axis=1) + found.base == pytest.approx(logits, abs=1e-9)
    for row in range(20):
        steps = scorer.causes.steps(found, row)
        assert sum(one.contribution for one in steps) + found.base == pytest.approx(logits[row])
        for one in steps:
            assert one.contribution == pytest.approx(sum(s.contribution for s in one.steps))
            assert all(counts_under(step, one.cause) for step in one.steps)


def test_reasons_are_the_causes_that_raised_the_pd_most(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    matrix = encode(sample_features, scorer.features)
    found = scorer.score_matrix(matrix)
    totals = scorer.causes.totals(found)
    places = {cause: place for place, cause in enumerate(CAUSES)}
    names = [feature.name for feature in scorer.features]
    lengths = set()
    for row, reasons in enumerate(scorer.reasons(sample_features)):
        contributions = [reason.contribution for reason in reasons]
        own = [reason.cause for reason in reasons]
        assert len(own) == len(set(own)) <= REASONS
        assert contributions == sorted(contributions, reverse=True)
        raised = totals[row].clip(0).sum()
        for reason in reasons:
            assert reason.contribution == totals[row, places[reason.cause]]
            assert reason.contribution >= LEAST_SHARE * raised > 0
            absent = reason.nothing_known and reason.cause in ABSENCES
            assert reason.cause == cause_of(reason.feature) or absent
            assert reason.cause != PROTECTED_CAUSE
            assert found.contributions[row, names.index(reason.feature)] > 0
            value = sample_features[row, reason.feature]
            assert reason.value == (np.float32(value) if isinstance(value, float) else value)
        lengths.add(len(own))
    assert max(lengths) == REASONS


def test_an_applicant_alone_is_told_what_one_among_many_is(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    together = scorer.reasons(sample_features)
    assert scorer.reasons(sample_features) == together
    assert [scorer.reasons(sample_features[row])[0] for row in range(30)] == together[:30]
    found = scorer.score_matrix(encode(sample_features, scorer.features))
    assert scorer.reasons_of(found.alone(7)) == [together[7]]
    assert scorer.causes.principal(found) == [[one.cause for one in own] for own in together]


def test_putting_a_reason_right_lowers_the_pd(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    assert scorer.profile is not None
    usual, matrix = scorer.profile.usual, encode(sample_features, scorer.features)
    pds, lower = scorer.pds(matrix), []
    refused = np.array(scorer.decide(pds)) == "refuse"
    for row, reasons in enumerate(scorer.reasons(sample_features)):
        for reason in reasons if refused[row] else ():
            changed = matrix[[row]].copy()
            for i, feature in enumerate(scorer.features):
                if cause_of(feature.name) == reason.cause:
                    known = usual[feature.name]
                    code = feature.levels.index(str(known)) if feature.levels and known else known
                    changed[0, i] = math.nan if code is None else code
            lower.append(scorer.pds(changed)[0] < pds[row])
    assert len(lower) > 300
    assert np.mean(lower) >= 0.99


def test_sentences_have_no_names_of_features(scorer: Scorer, sample_features: pl.DataFrame) -> None:
    for reasons in scorer.reasons(sample_features[:100]):
        for reason in reasons:
            assert reason.texts.keys() == {"en", "fr"}
            for words in reason.texts.values():
                assert not re.search(r"_|nan|\{|[A-Z]{2}|-\d", words), words


@given(
    st.dictionaries(st.sampled_from(NAMES), st.floats(-1, 1).map(lambda x: round(x, 3))),
    st.sampled_from([helpful, unhelpful]),
)
@settings(max_examples=200)
def test_any_contributions_give_few_reasons_that_count(
    added: dict[str, float], pds: object
) -> None:
    own = causes(pds)
    reasons = told(own, added)
    totals = dict(zip(CAUSES, own.totals(scored(added))[0], strict=True))
    raised = sum(max(total, 0.0) for total in totals.values())
    expected = [
        cause for cause, total in sorted(totals.items(), key=lambda item: -item[1])
        if total > 0 and total >= LEAST_SHARE * raised and cause != PROTECTED_CAUSE
    ]  # fmt: skip
    assert [reason.cause for reason in reasons] == expected[:REASONS]
    assert all(reason.feature not in INDICES or len(reasons) for reason in reasons)


def test_next_to_nothing_is_not_told() -> None:
    added = {"AMT_CREDIT": 1.0, "DEF_30_CNT_SOCIAL_CIRCLE": 0.06, "AMT_INCOME_TOTAL": 0.05}
    assert [one.cause for one in told(causes(), added)] == ["loan_asked", "social_circle"]


def test_equal_causes_are_told_in_their_order() -> None:
    added = {"DEF_30_CNT_SOCIAL_CIRCLE": 0.5, "AMT_INCOME_TOTAL": 0.5, "AMT_CREDIT": 0.5}
    order = ["loan_asked", "income_and_work", "social_circle"]
    assert [one.cause for one in told(causes(), added)] == order


def test_protected_attributes_count_and_are_not_told() -> None:
    added = {"DAYS_BIRTH": 2.0, "AMT_CREDIT": 0.2, "DEF_30_CNT_SOCIAL_CIRCLE": 0.05}
    assert [one.cause for one in told(causes(), added)] == ["loan_asked"]
    steps = causes().steps(scored(added))
    assert [one.cause for one in steps] == [PROTECTED_CAUSE, "loan_asked", "social_circle"]


def test_a_value_that_says_age_counts_as_age_and_is_not_told() -> None:
    retired = {"DAYS_EMPLOYED": math.nan, "OCCUPATION_TYPE": math.nan}
    added = {"NAME_INCOME_TYPE": 1.0, "DAYS_EMPLOYED": 0.5, "OCCUPATION_TYPE": 0.4}
    # All of the cause that raised the PD says age: it is no reason.
    assert told(causes(), added | {"AMT_CREDIT": 0.5}, **retired)[0].cause == "loan_asked"
    assert len(told(causes(), added | {"AMT_CREDIT": 0.5}, **retired)) == 1
    (steps,) = causes().steps(scored(added, **retired))
    assert steps.cause == PROTECTED_CAUSE
    assert steps.contribution == pytest.approx(1.9)
    # The cause is told for what else it adds, however little beside them.
    (income,) = told(causes(), added | {"AMT_INCOME_TOTAL": 0.2}, **retired)
    assert (income.feature, income.contribution) == ("AMT_INCOME_TOTAL", 0.2)
    # With an employment a missing occupation says nothing of age.
    employed = {"NAME_INCOME_TYPE": 0.0, "OCCUPATION_TYPE": math.nan}
    (occupation,) = told(causes(), {"OCCUPATION_TYPE": 0.4}, **employed)
    assert occupation.texts["en"].endswith("the occupation is not known")


def test_a_usual_value_that_says_age_is_not_told() -> None:
    own = causes()
    assert own.profile is not None
    pensioners = replace(own.profile, usual=USUAL | {"NAME_INCOME_TYPE": "Pensioner"})
    own = replace(own, profile=pensioners)
    (reason,) = told(own, {"NAME_INCOME_TYPE": 0.3}, NAME_INCOME_TYPE=0.0)
    assert (reason.value, reason.usual) == ("Working", None)
    assert reason.texts["en"].endswith("(source of income): employee")


def test_no_real_applicant_is_told_a_value_that_says_age(
    scorer: Scorer, real_dataset: Dataset
) -> None:
    features = build_features(real_dataset.frames("train")).collect()
    refused = features.filter(pl.Series(scorer.decide(scorer.predict(features))) == "refuse")
    found = scorer.score_matrix(encode(refused, scorer.features))
    # Whatever a model makes of them: its own contributions, and such as blame all alike.
    blamed = replace(found, contributions=np.full_like(found.contributions, 0.01))
    reasons = [one for each in (found, blamed) for own in scorer.reasons_of(each) for one in own]
    assert len(reasons) > 1_000
    retired = refused["application__NOT_EMPLOYED"].to_numpy() == 1.0
    assert retired.sum() > 50
    for row in np.flatnonzero(retired).tolist():
        for each in (found, blamed):
            (own,) = scorer.reasons_of(each.alone(row))
            assert not any(says_age(one) for one in own)
    for one in reasons:
        assert one.value not in SAYS_AGE.get(one.feature, ()), one
        assert "pension" not in one.texts["en"]


def test_an_absence_is_told_once() -> None:
    elsewhere = [name for name in NAMES if name.startswith("bureau")]
    added = dict.fromkeys(elsewhere, 0.1)
    # Something is known: three causes.
    own = causes(missing=dict.fromkeys(elsewhere, 3))
    assert len(told(own, added)) == 3
    nothing = dict.fromkeys(elsewhere, math.nan)
    (reason,) = told(own, added, **nothing)
    assert (reason.cause, reason.value) == ("history_elsewhere", None)
    assert reason.contribution == pytest.approx(0.4)
    assert reason.texts["en"] == "No loan with another lender is known"
    (steps,) = own.steps(scored(added, **nothing))
    assert {step.feature for step in steps.steps} == set(elsewhere)
    # All training applicants had such rows: that none has a value is no absence.
    assert len(told(causes(), added, **nothing)) == 3


def test_what_is_no_worse_than_usual_is_no_reason() -> None:
    added = {"DAYS_EMPLOYED": 0.5, "AMT_CREDIT": 0.5}
    both = ["loan_asked", "income_and_work"]
    assert [one.cause for one in told(causes(unhelpful), added)] == both
    assert [one.cause for one in told(causes(helpful, ["DAYS_EMPLOYED"]), added)] == both
    asked = causes(unhelpful, ["DAYS_EMPLOYED"])
    assert [one.cause for one in told(asked, added)] == ["loan_asked"]


def test_who_is_worse_than_usual_in_one_thing_is_told_it() -> None:
    """Though the rest of the cause is better than usual, so that all usual values do not help."""
    job = NAMES.index("DAYS_EMPLOYED"), NAMES.index("OCCUPATION_TYPE")

    def pds(rows: Floats) -> Floats:
        # The usual length of employment helps, the usual occupation undoes it.
        helped, undone = rows[:, job[0]] == -2_000.0, rows[:, job[1]] == 0.0
        return np.where(undone, 0.6, np.where(helped, 0.3, 0.5))

    added = {"DAYS_EMPLOYED": 0.4, "OCCUPATION_TYPE": -0.2, "AMT_CREDIT": 0.5}
    own = causes(pds, ["OCCUPATION_TYPE"])
    reasons = told(own, added, NAME_INCOME_TYPE=0.0)
    assert [(one.cause, one.feature) for one in reasons][1] == ("income_and_work", "DAYS_EMPLOYED")
    # A small part of what raised the PD is no reason by itself.
    few = added | {"DAYS_EMPLOYED": 0.02, "AMT_INCOME_TOTAL": 0.21, "OCCUPATION_TYPE": 0.0}
    assert [
        one.cause for one in told(own, few, AMT_INCOME_TOTAL=150_000.0, NAME_INCOME_TYPE=0.0)
    ] == ["loan_asked"]


def test_the_feature_that_weighs_most_is_told_if_it_says_something() -> None:
    def feature(added: Mapping[str, float], **changed: float) -> str:
        (reason,) = told(causes(EXT_SOURCE_1=2, AMT_ANNUITY=6), added, **changed)
        return reason.feature

    assert feature({"AMT_CREDIT": 0.2, "AMT_ANNUITY": 0.1}) == "AMT_CREDIT"
    # Read like the usual one.
    assert feature({"AMT_CREDIT": 0.2, "AMT_ANNUITY": 0.1}, AMT_CREDIT=300_000.2) == "AMT_ANNUITY"
    # Better than the usual one.
    scores = {"EXT_SOURCE_1": 0.2, "application__EXT_SOURCES_MIN": 0.1}
    assert feature(scores) == "EXT_SOURCE_1"
    assert feature(scores, EXT_SOURCE_1=0.9) == "application__EXT_SOURCES_MIN"
    income = {"AMT_INCOME_TOTAL": 0.2}
    assert feature(income) == "AMT_INCOME_TOTAL"
    work = {"DAYS_EMPLOYED": 0.2, "NAME_INCOME_TYPE": 0.1}
    assert feature(work, DAYS_EMPLOYED=-9_000.0) == "DAYS_EMPLOYED"
    # A value is missing, where most have one and where most have none.
    assert feature(scores, EXT_SOURCE_1=math.nan) == "EXT_SOURCE_1"
    loan = {"AMT_ANNUITY": 0.2, "AMT_CREDIT": 0.1}
    assert feature(loan, AMT_ANNUITY=math.nan) == "AMT_CREDIT"
    # An index, and what says age.
    assert feature({"application__EXT_SOURCES_FILLED": 0.2, "EXT_SOURCE_1": 0.1}) == "EXT_SOURCE_1"
    work = {"NAME_INCOME_TYPE": 0.2, "DAYS_EMPLOYED": 0.1}
    assert INCOMES[1] in SAYS_AGE["NAME_INCOME_TYPE"]
    assert feature(work) == "DAYS_EMPLOYED"
    assert feature(work, DAYS_EMPLOYED=-2_000.0) == "DAYS_EMPLOYED"


def test_a_cause_of_which_nothing_is_known_says_so() -> None:
    missing = {"EXT_SOURCE_1": math.nan, "application__EXT_SOURCES_MIN": math.nan}
    own = causes(EXT_SOURCE_1=2, application__EXT_SOURCES_MIN=1)
    (reason,) = told(own, {"EXT_SOURCE_1": 0.3}, **missing)
    assert reason.value is None
    assert reason.texts["en"] == "No external credit score is known"
    (counted,) = told(own, {"application__EXT_SOURCES_FILLED": 0.3}, **missing)
    assert counted.texts["en"] == "No external credit score is known"
    (some,) = told(own, {"EXT_SOURCE_1": 0.3}, EXT_SOURCE_1=math.nan)
    assert some.texts["en"] == "External credit scores: none from source 1 is known"


def test_what_never_happened_is_not_told_as_unknown() -> None:
    own = causes(card__LATE_MONTH__all__max=4)
    (reason,) = told(own, {"card__LATE_MONTH__all__max": 0.3})
    assert reason.texts["en"].endswith("3\u00a0months ago; usual: never")


def test_reasons_are_kept_with_their_words() -> None:
    reasons = told(causes(), {"AMT_CREDIT": 0.25})
    assert json.loads(reasons_json(reasons)) == [
        {
            "cause": "loan_asked",
            "contribution": 0.25,
            "feature": "AMT_CREDIT",
            "value": 900_000.0,
            "usual": 300_000.0,
            "texts": {
                "en": "The loan asked for: 900,000 asked for; usual: 300,000",
                "fr": "Le crédit demandé\u00a0: 900\u202f000 demandés\u00a0; "
                "habituellement\u00a0: 300\u202f000",
            },
        }
    ]


def test_a_model_without_a_profile_tells_no_usual_values(
    scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    bare = replace(scorer, profile=None)
    for reasons in bare.reasons(sample_features[:20]):
        assert all(reason.usual is None for reason in reasons)
        assert all("usual" not in reason.texts["en"] for reason in reasons)
