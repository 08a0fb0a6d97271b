"""Profiles: counts that add up, whatever the parts, and come back from JSON as they were."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.modelling.examples import Examples
from scoring.modelling.fit import with_explanations
from scoring.serving.profiles import PD, Column, Profile, ProfileError
from scoring.serving.scorer import Scorer, ScorerError, encode

Floats = npt.NDArray[np.float64]

numbers = st.lists(
    st.one_of(
        st.floats(-1e9, 1e9), st.integers(-3, 3).map(float), st.just(math.nan), st.just(math.inf)
    ),
    max_size=300,
).map(np.array)


@given(numbers, numbers)
def test_every_value_is_counted_once(training: Floats, later: Floats) -> None:
    column = Column.of_numbers(training.astype(float))
    for values in (training, later):
        counted = column.counted(values.astype(float))
        assert counted.missing == np.isnan(values.astype(float)).sum()
        assert counted.applicants == values.size
        assert len(counted.counts) == len(column.edges) + 1
        assert list(column.edges) == sorted(set(column.edges))


@given(numbers, st.data())
def test_a_bin_holds_what_is_above_its_lower_and_up_to_its_upper_edge(
    training: Floats, data: st.DataObject
) -> None:
    column = Column.of_numbers(np.repeat(training.astype(float), 40))
    value = data.draw(st.floats(-1e9, 1e9) | st.sampled_from([*column.edges, 0.0]))
    (place,) = np.flatnonzero(column.counted(np.array([value])).counts)
    edges = (-math.inf, *column.edges, math.inf)
    assert edges[place] < value <= edges[place + 1]


def test_bins_hold_about_equally_many_of_those_they_were_made_from() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    column = Column.of_numbers(values)
    assert len(column.counts) == 20
    assert max(column.counts) - min(column.counts) <= 2
    assert (column.low, column.high) == (values.min(), values.max())


@pytest.mark.parametrize(("known", "bins"), [(0, 1), (1, 1), (99, 1), (100, 2), (5000, 20)])
def test_few_values_make_few_bins(known: int, bins: int) -> None:
    values = np.concatenate([np.arange(known, dtype=float), [math.nan] * 10])
    assert len(Column.of_numbers(values).counts) == bins


def test_two_values_make_two_bins() -> None:
    column = Column.of_numbers(np.array([0.0] * 900 + [1.0] * 100))
    assert column.counts == (900, 100)
    assert column.counted(np.array([1.0, 0.0, 1.0])).counts == (1, 2)


def test_numbers_beyond_those_of_the_training_are_told() -> None:
    column = Column.of_numbers(np.array([1.0, 2.0, 3.0]))
    assert column.outside == 0
    assert column.counted(np.array([0.9, 1.0, 3.0, 3.1, math.nan])).outside == 2


def test_categories_have_a_bin_a_level() -> None:
    column = Column.of_categories(np.array([0.0, 2.0, 2.0, math.nan]), ("a", "b", "c"))
    assert (column.counts, column.missing, column.outside) == ((1, 0, 2), 1, 0)
    assert math.isnan(column.low)


@pytest.fixture(scope="module")
def profile(sample_examples: Examples, scorer: Scorer) -> Profile:
    assert scorer.profile is not None
    found = with_explanations(scorer, sample_examples.frame.head(300)).profile
    assert found is not None
    return found


def _counted(profile: Profile, scorer: Scorer, features: pl.DataFrame) -> Profile:
    pds = scorer.predict(features)
    told = [[reason.feature for reason in own] for own in scorer.reasons(features)]
    return profile.counted(encode(features, scorer.features), pds, scorer.decide(pds), told)


@given(numbers, st.randoms())
def test_defaults_are_counted_by_the_same_bins(values: Floats, random: Random) -> None:
    given_values = values.astype(float)
    defaulted = np.array([random.random() < 0.3 for _ in given_values], dtype=np.bool_)
    column = Column.of_numbers(given_values).with_outcomes(given_values, defaulted)
    alone = Column.of_numbers(given_values).counted(given_values[defaulted])
    assert column.defaults == alone.counts
    assert column.missing_defaults == alone.missing
    assert all(part <= whole for part, whole in zip(column.defaults, column.counts, strict=True))
    assert column.counted(given_values).defaults == ()
    assert column.plus(column).defaults == ()


def test_a_training_leaves_its_profile_in_the_model(
    scorer: Scorer, sample_examples: Examples
) -> None:
    profile = scorer.profile
    assert profile is not None
    assert list(profile.columns) == [*(feature.name for feature in scorer.features), PD]
    assert profile.applicants == sample_examples.target.size
    assert sum(profile.decisions.values()) == profile.applicants
    for column in profile.columns.values():
        assert column.applicants == profile.applicants


def test_the_pds_are_those_of_models_that_had_not_seen_the_applicant(
    scorer: Scorer, sample_examples: Examples
) -> None:
    profile = scorer.profile
    assert profile is not None
    own = profile.columns[PD].counted(scorer.predict(sample_examples.frame))
    assert own.counts != profile.columns[PD].counts


def test_importance_and_reasons_come_from_applicants_that_were_explained(
    profile: Profile, scorer: Scorer, sample_examples: Examples
) -> None:
    assert sum(profile.importance.values()) == pytest.approx(1.0)
    assert profile.importance.keys() == profile.columns.keys() - {PD}
    assert profile.explained == 300
    few = sample_examples.frame.head(300)
    told = [reason.cause for own in scorer.reasons(few) for reason in own]
    assert profile.reasons == {name: told.count(name) for name in set(told)}


def test_parts_add_up_to_the_whole(
    profile: Profile, scorer: Scorer, sample_features: pl.DataFrame
) -> None:
    few = sample_features.head(200)
    parts = [_counted(profile, scorer, few.slice(start, 50)) for start in range(0, 200, 50)]
    whole = _counted(profile, scorer, few)
    added = parts[0]
    for part in parts[1:]:
        added = added.plus(part)
    assert added.as_json() == whole.as_json()


def test_what_is_written_comes_back(profile: Profile) -> None:
    written = json.dumps(profile.as_json(), allow_nan=False, sort_keys=True)
    again = Profile.from_json(json.loads(written))
    assert again.as_json() == profile.as_json()
    assert list(again.columns) == list(profile.columns)


@pytest.mark.parametrize("found", [{}, {"columns": 3}, {"columns": [{"name": "a"}]}])
def test_what_is_no_profile_is_refused(found: dict[str, object]) -> None:
    with pytest.raises(ProfileError, match="not a profile"):
        Profile.from_json(found)


def test_profiles_of_other_bins_are_not_added(profile: Profile) -> None:
    other = Column.of_numbers(np.arange(500.0))
    with pytest.raises(ProfileError, match="other bins"):
        profile.plus(replace(profile, columns={**profile.columns, PD: other}))
    with pytest.raises(ProfileError, match="other features"):
        profile.plus(replace(profile, columns={PD: other}))


def test_a_model_keeps_its_profile_on_disk(scorer: Scorer, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    scorer.save(folder)
    loaded = Scorer.load(folder).profile
    assert loaded is not None
    assert scorer.profile is not None
    assert loaded.as_json() == scorer.profile.as_json()
    (folder / "profile.json").write_text("{}")
    with pytest.raises(ScorerError, match=r"profile\.json is not the file that was saved"):
        Scorer.load(folder)


def test_a_model_may_have_no_profile(scorer: Scorer, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    replace(scorer, profile=None).save(folder)
    assert Scorer.load(folder).profile is None
