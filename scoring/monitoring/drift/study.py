"""Two populations, with their PDs and outcomes, compared in every column that a model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import polars as pl

from scoring.data.dataset import Dataset
from scoring.errors import ScoringError
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.comparison import Comparison, Limits, compare
from scoring.evaluation.metrics import auc_interval
from scoring.serving.profiles import PD, Profile
from scoring.serving.scorer import Feature, Scorer, encode

TARGET = "TARGET"

# Of each history table a feature that is there whenever the table says anything of the applicant:
# its missing values tell how many have no such history.
HISTORIES: Mapping[str, str] = MappingProxyType(
    {
        "bureau": "bureau__DAYS_CREDIT__all__count",
        "bureau_balance": "bureau_balance__MONTHS__active__count",
        "previous_application": "previous__DAYS_DECISION__all__count",
        "POS_CASH_balance": "pos_cash__MONTHS_BALANCE__all__count",
        "installments_payments": "installments__DAYS_INSTALMENT__all__count",
        "credit_card_balance": "card__MONTHS_BALANCE__all__count",
    }
)
# Contributions of more applicants hardly change which features lead.
_EXPLAINED = 2_000
# Of the bootstrap of an AUC.
_RESAMPLES = 200


class DriftError(ScoringError):
    """There is nothing to compare with."""


@dataclass(frozen=True)
class Study:
    """A comparison's results, with the data it was made of.

    Attributes
    ----------
    control : Comparison
        Of two random halves of the reference, which cannot differ but by chance: what the method
        finds where there is nothing to be found.
    before, after : Profile
        Both populations as counts.
    reference, current : polars.DataFrame
        Both populations as rows, with the PD and, where it is known, TARGET.
    top : list of str
        The columns that are looked at in depth: the most important, and those that tell whether
        an applicant has a history.
    limits : Limits
        From where on a change was told.
    """

    comparison: Comparison
    control: Comparison
    before: Profile = field(repr=False)
    after: Profile = field(repr=False)
    reference: pl.DataFrame = field(repr=False)
    current: pl.DataFrame = field(repr=False)
    top: Sequence[str]
    scorer: Scorer = field(repr=False)
    limits: Limits

    @cached_property
    def ranking(self) -> tuple[Interval | None, Interval | None]:
        """AUC on the reference and on the current applicants, where their outcomes are known."""
        return _auc(self.reference), _auc(self.current)

    @property
    def histories(self) -> dict[str, tuple[float, float]]:
        """Share of applicants with each history table, in the reference and now."""
        return {
            table: (_known(self.before, sign), _known(self.after, sign))
            for table, sign in HISTORIES.items()
        }


def populations(dataset: Dataset, features: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the features of the training applicants (reference) and the test ones (current).

    A dataset without test applicants is cut by SK_ID_CURR: the first half is the reference.

    Raises
    ------
    DriftError
        If a side has no applicant.
    """
    train = dataset.frames("train")["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    if "test" in dataset.populations:
        known = pl.col("SK_ID_CURR").is_in(train.implode())
    else:
        known = pl.col("SK_ID_CURR") <= train.median()
    reference, current = features.filter(known), features.filter(~known)
    if reference.is_empty() or current.is_empty():
        raise DriftError(f"{dataset.folder}: too few applicants to compare two populations")
    return reference, current


def with_pd(features: pl.DataFrame, scorer: Scorer, unseen: pl.DataFrame) -> pl.DataFrame:
    """Add the PD as a column to compare like any other.

    What a model says of its own training rows is more extreme than what it says of others, and
    would look like drift: for those rows the PD comes from models that had not seen them. `unseen`
    has their SK_ID_CURR and probability_of_default, as `unseen_pds` gives them.
    """
    joined = features.join(unseen, on="SK_ID_CURR", how="left", maintain_order="left")
    own = pl.Series(scorer.predict(features))
    return joined.with_columns(pl.col(PD).fill_null(own))


def with_outcomes(features: pl.DataFrame, dataset: Dataset) -> pl.DataFrame:
    """Add TARGET, null where the outcome is not known."""
    known = dataset.frames("train")["application"].select("SK_ID_CURR", TARGET).collect()
    return features.join(known, on="SK_ID_CURR", how="left", maintain_order="left")


def study(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    scorer: Scorer,
    top: int = 15,
    limits: Limits | None = None,
    seed: int = 0,
) -> Study:
    """Compare two populations in every feature of a model, its PD and its decisions.

    The rows are those that `with_pd` made. The `top` most important features are looked at in
    depth; the seed is that of the halves of the control, and of samples.
    """
    limits = limits or Limits()
    importance = _importance(scorer, reference, seed)
    features = _features(scorer, reference)
    before = replace(_profile(features, reference, scorer), importance=importance)
    after = _counted(before, features, current, scorer)
    leading = sorted(importance, key=lambda name: -importance[name])[:top]
    return Study(
        comparison=compare(before, after, limits),
        control=_control(features, reference, scorer, limits, seed),
        before=before,
        after=after,
        reference=reference,
        current=current,
        top=list(dict.fromkeys([*leading, *HISTORIES.values()])),
        scorer=scorer,
        limits=limits,
    )


def _auc(frame: pl.DataFrame) -> Interval | None:
    if TARGET not in frame.columns or frame[TARGET].has_nulls() or frame[TARGET].n_unique() < 2:
        return None
    return auc_interval(frame[TARGET], frame[PD], _RESAMPLES)


def _features(scorer: Scorer, frame: pl.DataFrame) -> list[Feature]:
    """The model's features, and the signs of a history that it does not read."""
    own = {feature.name for feature in scorer.features}
    signs = [name for name in HISTORIES.values() if name not in own]
    return [*scorer.features, *(Feature.of(name, frame.schema[name]) for name in signs)]


def _importance(scorer: Scorer, frame: pl.DataFrame, seed: int) -> Mapping[str, float]:
    """Each feature's part of the mean absolute contributions, as the model's profile has it."""
    if scorer.profile is not None and scorer.profile.importance:
        return scorer.profile.importance
    rows = frame.sample(min(_EXPLAINED, frame.height), seed=seed)
    strength = np.abs(scorer.explain(rows).contributions).mean(axis=0)
    shares = strength / max(strength.sum(), np.finfo(np.float64).tiny)
    names = [feature.name for feature in scorer.features]
    return dict(zip(names, shares.tolist(), strict=True))


def _profile(features: Sequence[Feature], frame: pl.DataFrame, scorer: Scorer) -> Profile:
    pds = frame[PD].to_numpy()
    levels = {feature.name: feature.levels for feature in features}
    return Profile.of_training(levels, encode(frame, features), pds, scorer.decide(pds))


def _counted(
    profile: Profile, features: Sequence[Feature], frame: pl.DataFrame, scorer: Scorer
) -> Profile:
    pds = frame[PD].to_numpy()
    return profile.counted(encode(frame, features), pds, scorer.decide(pds), [])


def _control(
    features: Sequence[Feature], frame: pl.DataFrame, scorer: Scorer, limits: Limits, seed: int
) -> Comparison:
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    half = frame.height // 2
    before = _profile(features, shuffled.head(half), scorer)
    return compare(before, _counted(before, features, shuffled.tail(-half), scorer), limits)


def _known(profile: Profile, column: str) -> float:
    counts = profile.columns[column]
    return counts.known / max(counts.applicants, 1)
