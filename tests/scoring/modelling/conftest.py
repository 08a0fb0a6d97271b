"""Applicants and a cross-validation that the tests of all stages share."""

from __future__ import annotations

import pytest

from scoring.modelling.examples import Examples
from scoring.modelling.validation import Validation, cross_validate
from scoring.serving.costs import Costs
from tests.helpers.simulated import QUICK, simulated


@pytest.fixture(scope="session")
def examples() -> Examples:
    """Applicants whose outcome depends on one number and one category."""
    return simulated(1500, signal=1.5)


@pytest.fixture(scope="session")
def validation(examples: Examples) -> Validation:
    return cross_validate(QUICK, examples, Costs(), folds=4, seed=3)
