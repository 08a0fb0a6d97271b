"""The Scorer: a trained model as it is served, from features to decisions and reasons.

On disk a Scorer is a directory of plain files, none of which can run code when loaded:

    model.txt      the trees, in LightGBM's own text format
    scorer.json    feature names and levels, texts, calibration, cut-off, costs, versions, digests
    learned/       a folder for each part of the features that was learnt from data
    manifest.json  the SHA-256 of all others, checked at every load
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from scoring.booster import Booster, BoosterError
from scoring.business import Costs, Decision
from scoring.dataset import staged_folder
from scoring.errors import ScoringError
from scoring.features import FEATURE_SET_VERSION, PROTECTED, build_features
from scoring.learned import LEARNED, Learned, LearnedError, Rows, add_learned
from scoring.tables import TABLES, empty_frame

FORMAT = 2
MODEL_FILE = "model.txt"
SCORER_FILE = "scorer.json"
MANIFEST_FILE = "manifest.json"
LEARNED_FOLDER = "learned"

# The only names that a manifest may hold: nothing outside the folder can be meant.
_FILE_NAME = re.compile(
    rf"{re.escape(MODEL_FILE)}|{re.escape(SCORER_FILE)}"
    rf"|{LEARNED_FOLDER}/[a-z][a-z_]*/[a-z][a-z0-9_]*\.(json|txt|npy)"
)
_NO_TEXTS: Mapping[str, str] = MappingProxyType({})
_EMPTY = {name: empty_frame(table) for name, table in TABLES.items()}

Floats = npt.NDArray[np.float64]


class ScorerError(ScoringError):
    """A model directory cannot be used, or features do not fit the model."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of the model: its name, and the levels of a category (empty for a number)."""

    name: str
    levels: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, dtype: pl.DataType) -> Feature:
        """The feature that a column of `build_features` is."""
        if isinstance(dtype, pl.Enum):
            return cls(name, tuple(dtype.categories))
        return cls(name)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: PD = 1 / (1 + exp(-(slope x score + intercept))), score in log-odds.

    Affine in log-odds, so that contributions stay exact: they are scaled by the slope
    (Platt, "Probabilistic outputs for support vector machines", 1999).
    """

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, scores: Floats) -> Floats:
        """Calibrated PDs of raw scores."""
        return 1.0 / (1.0 + np.exp(-(self.slope * scores + self.intercept)))


class Reason(NamedTuple):
    """A feature that pushed the PD up.

    Attributes
    ----------
    feature : str
        Its name.
    value : float, str or None
        Its value for the applicant.
    contribution : float
        What it adds to the log-odds of default.
    texts : mapping of str to str
        What it means in an officer's words, by language; empty where the Scorer has none.
    """

    feature: str
    value: float | str | None
    contribution: float
    texts: Mapping[str, str] = _NO_TEXTS


class Explanations(NamedTuple):
    """Contributions in calibrated log-odds, of shape (applicants, features), and their base.

    A row's sum plus the base is the logit of the applicant's PD.
    """

    contributions: Floats
    base: float


@dataclass(frozen=True)
class Scorer:
    """A model with everything needed to serve it.

    Attributes
    ----------
    name, version : str
        As the registry knows the model; version "0" is not registered.
    features : tuple of Feature
        Columns in the order of the model.
    calibration : Calibration
        From the trees' score to a PD.
    cutoff : float
        The PD above which an application is refused.
    costs : Costs
        The costs that the cut-off stands for.
    text : str
        The trees in LightGBM's text format.
    lineage : mapping
        Where the model comes from: digests, parameters, figures. Plain JSON values.
    learned : tuple of Learned
        The parts of the features that were learnt from data.
    refer_band : (float, float)
        The PDs, both included, from which to which an application is referred to an officer.
        A band of no width refers nobody; it is kept as (cutoff, cutoff).
    texts : mapping of str to mapping
        Each feature in an officer's words, by language ("en", "fr").
    """

    name: str
    version: str
    features: tuple[Feature, ...]
    calibration: Calibration
    cutoff: float
    costs: Costs
    text: str = field(repr=False)
    lineage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    feature_set_version: str = FEATURE_SET_VERSION
    learned: tuple[Learned, ...] = field(default=(), repr=False)
    refer_band: tuple[float, float] = (0.0, 0.0)
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    _booster: Booster = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_booster", Booster(self.text))
        low, high = self.refer_band
        if low == high:
            object.__setattr__(self, "refer_band", (self.cutoff, self.cutoff))
        elif not 0.0 <= low <= self.cutoff <= high <= 1.0:
            raise ValueError(
                f"the refer band {self.refer_band} must hold the cut-off {self.cutoff}, from 0 to 1"
            )

    def features_of(self, frames: Rows) -> pl.DataFrame:
        """The features of some applicants, those that were learnt from data included.

        Parameters
        ----------
        frames : mapping of str to polars.DataFrame
            "application" and any of the history tables, as `build_features` takes them.

        Returns
        -------
        polars.DataFrame
            The columns of `build_features`, then those of each part of `learned`.
        """
        return self.with_learned(frames, build_features(frames))

    def with_learned(self, frames: Rows, features: pl.DataFrame) -> pl.DataFrame:
        """What `features_of` gives, from features that `build_features` has made already."""
        return add_learned(self.learned, {**_EMPTY, **frames}, features)

    def predict(self, features: pl.DataFrame) -> Floats:
        """Calibrated PDs, of shape (applicants,), of rows that `features_of` made."""
        scores = self._booster.raw_scores(encode(features, self.features))
        return self.calibration.probability(scores)

    def decide(self, pds: npt.ArrayLike) -> list[Decision]:
        """Refer inside the band, refuse above it (or above the cut-off), accept below."""
        return [self._decision(pd) for pd in np.asarray(pds)]

    def _decision(self, pd: float) -> Decision:
        low, high = self.refer_band
        if low < high and low <= pd <= high:
            return "refer"
        return "refuse" if pd > self.cutoff else "accept"

    def explain(self, features: pl.DataFrame) -> Explanations:
        """What each feature adds to the log-odds of default (exact Shapley values)."""
        values = self._booster.contributions(encode(features, self.features))
        slope, intercept = self.calibration.slope, self.calibration.intercept
        base = self._booster.expected_score * slope + intercept
        return Explanations(values[:, :-1] * slope, base)

    def reasons(self, features: pl.DataFrame, top: int = 4) -> list[list[Reason]]:
        """For each applicant the features that raised the PD most, the strongest first.

        Protected attributes are never reasons, even where a model was made to use them.
        """
        names = [feature.name for feature in self.features]
        may_be_told = np.array([name not in PROTECTED for name in names])
        raised = np.where(may_be_told, self.explain(features).contributions, 0.0)
        result = []
        for row, values in enumerate(raised):
            # A stable sort: equal contributions keep the model's order of features.
            strongest = np.argsort(-values, kind="stable")[:top]
            result.append(
                [
                    self._reason(names[i], features[row, names[i]], values[i])
                    for i in strongest
                    if values[i] > 0
                ]
            )
        return result

    def _reason(self, name: str, value: float | str | None, contribution: float) -> Reason:
        return Reason(name, _told(value), float(contribution), self.texts.get(name, _NO_TEXTS))

    def save(self, folder: Path) -> None:
        """Write the directory, whole or not at all."""
        with staged_folder(folder, marker=MANIFEST_FILE) as staged:
            (staged / MODEL_FILE).write_text(self.text, encoding="utf-8")
            (staged / SCORER_FILE).write_text(_dump(self._description()), encoding="utf-8")
            for part in self.learned:
                own = staged / LEARNED_FOLDER / part.name
                own.mkdir(parents=True)
                part.save(own)
            digests = {name: _digest(staged / name) for name in sorted(_files(staged))}
            manifest = {"format": FORMAT, "files": digests}
            (staged / MANIFEST_FILE).write_text(_dump(manifest), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Read a directory that `save` wrote, after checking every file against the manifest.

        Raises
        ------
        ScorerError
            If a file is missing, changed, truncated or unknown, or of another format, or made
            for another version of the features.
        """
        check_manifest(folder)
        try:
            found = json.loads((folder / SCORER_FILE).read_text(encoding="utf-8"))
            scorer = cls(
                name=found["name"],
                version=found["version"],
                features=tuple(Feature(f["name"], tuple(f["levels"])) for f in found["features"]),
                calibration=Calibration(**found["calibration"]),
                cutoff=found["cutoff"],
                costs=Costs(**found["costs"]),
                text=(folder / MODEL_FILE).read_text(encoding="utf-8"),
                lineage=found["lineage"],
                feature_set_version=found["feature_set_version"],
                learned=tuple(
                    LEARNED[name].load(folder / LEARNED_FOLDER / name) for name in found["learned"]
                ),
                refer_band=_pair(found["refer_band"]),
                texts={name: dict(texts) for name, texts in found["texts"].items()},
            )
        except (
            AttributeError, KeyError, OSError, TypeError, ValueError, BoosterError, LearnedError,
        ) as error:  # fmt: skip
            raise ScorerError(f"{folder}: not a usable model: {error}") from error
        if scorer.feature_set_version != FEATURE_SET_VERSION:
            raise ScorerError(
                f"{folder}: the model was trained on version {scorer.feature_set_version} of the "
                f"features and this code computes version {FEATURE_SET_VERSION}: retrain it"
            )
        return scorer

    def _description(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "feature_set_version": self.feature_set_version,
            "cutoff": self.cutoff,
            "costs": {
                "false_negative": self.costs.false_negative,
                "false_positive": self.costs.false_positive,
            },
            "calibration": {
                "slope": self.calibration.slope,
                "intercept": self.calibration.intercept,
            },
            "features": [{"name": f.name, "levels": list(f.levels)} for f in self.features],
            "learned": [part.name for part in self.learned],
            "refer_band": list(self.refer_band),
            "texts": {name: dict(texts) for name, texts in self.texts.items()},
            "lineage": dict(self.lineage),
        }


def encode(frame: pl.DataFrame, features: Sequence[Feature]) -> Floats:
    """The model's matrix, of shape (applicants, features): numbers, category codes, NaN for null.

    A category that was not known in training counts as missing.

    Raises
    ------
    ScorerError
        If a feature is not among the columns.
    """
    known = set(frame.columns)
    missing = [feature.name for feature in features if feature.name not in known]
    if missing:
        raise ScorerError(f"{len(missing)} features are missing, the first is {missing[0]!r}")
    numbers = [i for i, feature in enumerate(features) if not feature.levels]
    matrix = np.empty((frame.height, len(features)))
    if numbers:
        # Nulls become NaN; one call for all, since each costs more than a request's value.
        matrix[:, numbers] = frame.select(features[i].name for i in numbers).to_numpy()
    for i, feature in enumerate(features):
        if feature.levels:
            values = frame[feature.name].cast(pl.Enum(feature.levels), strict=False)
            matrix[:, i] = values.to_physical().cast(pl.Float64).to_numpy()
    return matrix


def _told(value: float | str | None) -> float | str | None:
    """A feature's value with the digits that its 32 bits hold: 0.42, not 0.41999998688697815."""
    return float(str(np.float32(value))) if isinstance(value, float) else value


def check_manifest(folder: Path) -> None:
    """Compare every file of a model directory with its manifest.

    Raises
    ------
    ScorerError
        Naming the first file that is missing, unknown to the manifest or changed.
    """
    digests = _manifest(folder)
    strange = [name for name in digests if not _FILE_NAME.fullmatch(name)]
    strange += [name for name in sorted(_files(folder)) if name not in digests]
    if strange:
        raise ScorerError(f"{folder}: {strange[0]!r} is no file of a model: export it again")
    for name in sorted({MODEL_FILE, SCORER_FILE, *digests}):
        if not (folder / name).is_file():
            raise ScorerError(f"{folder}: {name} is missing: export the model again")
        if digests.get(name) != _digest(folder / name):
            raise ScorerError(
                f"{folder}: {name} is not the file that was saved (its SHA-256 differs from the "
                "manifest): export the model again"
            )


def _manifest(folder: Path) -> dict[str, str]:
    """The digests that were saved, by file name."""
    try:
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        written, digests = manifest["format"], dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ScorerError(f"{folder}: no readable {MANIFEST_FILE}: {error}") from error
    if written != FORMAT:
        raise ScorerError(
            f"{folder}: format {written}, and this code reads format {FORMAT}: export the model "
            "again, or train one with this code"
        )
    return digests


def _files(folder: Path) -> set[str]:
    """Every file of a model directory but its manifest, by its path inside."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return found - {MANIFEST_FILE}


def _pair(values: Sequence[float]) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)


def _dump(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
