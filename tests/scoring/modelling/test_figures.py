"""Figures of applicants whom the model has not seen."""

from __future__ import annotations

import numpy as np

from scoring.modelling.examples import Examples
from scoring.modelling.figures import unseen_pds
from scoring.modelling.fit import fit_scorer
from scoring.modelling.validation import cross_validate
from scoring.serving.costs import Costs
from tests.helpers.simulated import QUICK


def test_unseen_pds_are_those_of_the_folds_and_of_the_held_out(examples: Examples) -> None:
    rest, part = examples.holdout()
    validation = cross_validate(QUICK, rest, Costs(1, 1), folds=2)
    served = fit_scorer(validation, rest, "credit-scoring", {})
    pds = unseen_pds(validation, rest, served, part)
    assert sorted(pds["SK_ID_CURR"]) == sorted(examples.frame["SK_ID_CURR"])
    by_id = dict(pds.iter_rows())
    assert [by_id[i] for i in rest.frame["SK_ID_CURR"]] == validation.pds.tolist()
    assert [by_id[i] for i in part.frame["SK_ID_CURR"]] == served.predict(part.frame).tolist()
    # The model is surer of whom it has seen.
    assert (
        np.abs(served.predict(rest.frame) - rest.target).mean()
        < np.abs(validation.pds - rest.target).mean()
    )
