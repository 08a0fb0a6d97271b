"""The model card: what a registered model is, for whom, how good, how fair, and who approved it.

After Mitchell et al., "Model cards for model reporting" (2019). A `Card` holds plain values only,
so that it can be kept as JSON beside the model; Markdown and HTML are two views of the same
sections. A card with an empty field is not shown: `missing` names the fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from scoring.errors import ScoringError

NOT_APPROVED = "not yet approved"
# Who promotes without a person: what they promote nobody has approved.
AUTOMATIC = ("the modelling notebook", "python -m scoring retrain")


class CardError(ScoringError):
    """A model card has an empty field, or its file cannot be read."""


class Figure(NamedTuple):
    """A figure with its 95% interval."""

    name: str
    value: float
    low: float
    high: float


class Group(NamedTuple):
    """How a group of held-out applicants fares."""

    attribute: str
    group: str
    applicants: int
    defaults: int
    accepted: Figure
    defaults_refused: Figure
    good_refused: Figure
    calibration_gap: Figure


class Ratio(NamedTuple):
    """The lowest acceptance rate of an attribute's groups over the highest."""

    attribute: str
    least: str
    most: str
    ratio: Figure


class Family(NamedTuple):
    """A family of models in cross-validation."""

    name: str
    auc: float
    business_cost: float
    brier: float
    chosen: bool


class Driver(NamedTuple):
    """A feature that the model leans on: its name, what it means, its mean absolute pull."""

    feature: str
    meaning: str
    pull: float


@dataclass(frozen=True)
class Identity:
    """Which model this is, as the registry knows it; the date (ISO 8601) is passed in."""

    name: str
    version: str
    feature_set_version: str
    created: str
    owner: str


@dataclass(frozen=True)
class Data:
    """What it was trained and measured on.

    Attributes
    ----------
    source, digest : str
        "synthetic" for sample applicants, "home-credit" for Kaggle's; SHA-256 over the tables.
    applicants, development, held_out : int
        With a known outcome: all, learnt from, never learnt from by the `split`.
    default_rate : float
        Of all of them.
    looked_at : int
        How often the most used of those held out were looked at before, as far as it is on record.
    """

    source: str
    digest: str
    applicants: int
    default_rate: float
    development: int
    held_out: int
    split: str
    looked_at: int = 0


@dataclass(frozen=True)
class Features:
    """What the model looks at: how many features, by table, and what is left out."""

    count: int
    by_table: Mapping[str, int]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Method:
    """How it was made: the remedy for imbalance and the features kept.

    Of all families, from the simplest to the most complex, so many configurations were tried; the
    choice says why this one.
    """

    family: str
    parameters: Mapping[str, float | int | str | bool]
    resampling: str
    selection: str
    configurations: int
    choice: str
    families: tuple[Family, ...]


@dataclass(frozen=True)
class Deciding:
    """From a PD to a decision.

    Attributes
    ----------
    false_negative, false_positive, cutoff : float
        What the two mistakes cost, and the PD above which an application is refused.
    best_cutoff : Figure
        The cut-off of least cost on applicants that the model has not seen.
    refer_low, refer_high, referred : float
        PDs between which an officer decides; equal for nobody. The share of held-out applicants.
    money : str
        The second business score, in currency.
    """

    false_negative: float
    false_positive: float
    cutoff: float
    best_cutoff: Figure
    refer_low: float
    refer_high: float
    referred: float
    money: str


@dataclass(frozen=True)
class Fairness:
    """How groups fare: those large enough to say something, and by the four-fifths rule.

    There is no ratio where nobody is accepted, or no two groups are large enough. `proxy_auc` says
    how well sex can be told from the features that the model uses, `price` what keeping protected
    attributes out costs.
    """

    groups: tuple[Group, ...] = field(metadata={"may_lack": True})
    small_groups: str
    ratios: tuple[Ratio, ...] = field(metadata={"may_lack": True})
    proxy_auc: Figure
    price: str


@dataclass(frozen=True)
class Approval:
    """Who made it the champion, why, when, and what the gates said."""

    by: str = NOT_APPROVED
    why: str = NOT_APPROVED
    at: str = NOT_APPROVED
    verdict: str = NOT_APPROVED
    gates: tuple[str, ...] = (NOT_APPROVED,)


@dataclass(frozen=True)
class Card:
    """A model card; every field has to be filled.

    `curves` are points to draw on held-out applicants: roc (false positives, true positives),
    reliability (mean PD, default rate, its interval) and cost (cut-off, cost an applicant); a card
    of before they were kept has none.
    """

    identity: Identity
    data: Data
    features: Features
    method: Method
    holdout: tuple[Figure, ...]
    cross_validation: Mapping[str, float]
    deciding: Deciding
    fairness: Fairness
    drivers: tuple[Driver, ...]
    packages: Mapping[str, str]
    approval: Approval
    curves: Mapping[str, tuple[tuple[float, ...], ...]] = field(
        default_factory=dict, metadata={"may_lack": True}
    )

    def dump(self) -> str:
        """As JSON: the same card gives the same bytes."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `dump` wrote.

        Raises
        ------
        CardError
            If the text is no card.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise CardError(f"not a model card: {where} {first['msg']}") from error


def missing(value: object, path: str = "") -> Iterator[str]:
    """Names of the fields of a card that are empty: no text, no rows, no number.

    Zero and False are values; None, NaN and infinity are none.
    """
    if is_dataclass(value):
        for item in fields(value):
            if item.metadata.get("may_lack") and getattr(value, item.name) in ({}, ()):
                continue
            yield from missing(getattr(value, item.name), f"{path}.{item.name}".lstrip("."))
    elif isinstance(value, Mapping | tuple) and value:
        for name, item in _items(value):
            yield from missing(item, f"{path}[{name}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path
    elif isinstance(value, str):
        if not value.strip():
            yield path
    elif not isinstance(value, int):
        yield path


def _items(value: Mapping[str, Any] | tuple[Any, ...]) -> Iterable[tuple[object, Any]]:
    if isinstance(value, Mapping):
        return value.items()
    return zip(getattr(value, "_fields", range(len(value))), value, strict=True)


def check_complete(card: Card) -> None:
    """Raise a `CardError` that names the empty fields, unless every field is filled."""
    empty = list(missing(card))
    if empty:
        raise CardError(f"the model card has empty fields: {', '.join(empty)}")
