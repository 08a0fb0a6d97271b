"""Every feature in exactly one cause."""

from __future__ import annotations

from collections import Counter

import pytest

from scoring.features import PROTECTED
from scoring.features.causes import (
    CAUSES,
    INDICES,
    NEVER,
    PROTECTED_CAUSE,
    SAYS_AGE,
    SAYS_AGE_BESIDE,
    CauseError,
    cause_of,
)
from scoring.features.directions import DIRECTIONS, WORSE_ABOVE, WORSE_BELOW
from scoring.features.vectors import layout


def test_every_feature_is_in_exactly_one_cause() -> None:
    counted = Counter(feature for features in CAUSES.values() for feature in features)
    assert counted == Counter(layout().names)
    assert all(CAUSES.values())


def test_what_says_sex_age_or_family_is_a_cause_of_its_own() -> None:
    assert set(CAUSES[PROTECTED_CAUSE]) == PROTECTED | {"CNT_CHILDREN", "CNT_FAM_MEMBERS"}
    assert SAYS_AGE["NAME_INCOME_TYPE"] < set(layout().levels["NAME_INCOME_TYPE"])


def test_exceptions_are_of_features_that_there_are() -> None:
    age = SAYS_AGE.keys() | SAYS_AGE_BESIDE
    assert set(layout().names) >= NEVER | INDICES | WORSE_ABOVE | WORSE_BELOW | age
    # Where models are held to a direction, that one is told.
    assert not WORSE_ABOVE & WORSE_BELOW
    assert not (WORSE_ABOVE | WORSE_BELOW) & DIRECTIONS.keys()


def test_a_feature_without_a_cause_is_named_with_the_mend() -> None:
    assert cause_of("AMT_CREDIT") == "loan_asked"
    with pytest.raises(CauseError, match=r"'SHOE_SIZE'.*causes\.toml"):
        cause_of("SHOE_SIZE")
