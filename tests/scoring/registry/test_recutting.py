"""A model that decides by other costs: what it calls usual."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from scoring.modelling.examples import Examples
from scoring.registry.recutting import recut
from scoring.serving.costs import Costs
from scoring.serving.scorer import Scorer


@pytest.mark.parametrize("false_negative", [2.0, 30.0])
def test_usual_is_what_is_usual_of_those_accepted_at_the_new_cutoff(
    scorer: Scorer,
    sample_features: pl.DataFrame,
    sample_examples: Examples,
    false_negative: float,
) -> None:
    features = sample_features.head(len(sample_examples.target))
    made = recut(scorer, Costs(false_negative), features, sample_examples.target)
    accepted = features.filter(pl.Series(made.decide(made.predict(features))) == "accept")
    before = features.filter(pl.Series(scorer.decide(scorer.predict(features))) == "accept")
    assert (accepted.height > before.height) == (false_negative == 2.0)
    assert made.profile is not None
    usual = made.profile.usual
    assert usual.keys() == {feature.name for feature in scorer.features}
    # Values that occur: the lower of two medians, the most common category.
    for name in ("EXT_SOURCE_2", "DAYS_EMPLOYED", "bureau__DEBT_TO_CREDIT__all__mean"):
        assert usual[name] == np.float32(accepted[name].quantile(0.5, interpolation="lower"))
    counts = accepted["ORGANIZATION_TYPE"].drop_nulls().value_counts(sort=True)
    assert usual["ORGANIZATION_TYPE"] == counts[0, 0]
    # More who are accepted have worse scores among them.
    scores = float(before["EXT_SOURCE_2"].median()) - float(usual["EXT_SOURCE_2"])  # type: ignore[arg-type]
    assert (scores > 0) == (false_negative == 2.0)
    # Reasons tell them.
    reasons = [one for own in made.reasons(features) for one in own if one.usual is not None]
    assert reasons
    assert all(one.usual == usual[one.feature] for one in reasons)
