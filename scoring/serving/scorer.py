"""The Scorer: a trained model as it is served, from features to decisions and reasons.

On disk a Scorer is a directory of plain files, none of which can run code when loaded:

    scorer.json    family, feature names and levels, calibration, cut-off, costs, versions
    model.txt ...  the model itself, in the files of its family
    profile.json   the applicants that it learnt from, as counts, for later ones to be compared with
    manifest.json  the SHA-256 of all others, checked at every load
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from scoring.data.tables import HOME_CREDIT
from scoring.features.definitions import definitions
from scoring.features.vectors import Vectors, layout
from scoring.files import staged_folder
from scoring.serving.costs import Costs, Decision
from scoring.serving.families import families
from scoring.serving.families.base import Explanations as Explanations
from scoring.serving.families.base import Feature as Feature
from scoring.serving.families.base import Model
from scoring.serving.model_files import (
    FORMAT,
    PROFILE_FILE,
    SCORER_FILE,
    held,
    read_files,
)
from scoring.serving.model_files import MANIFEST_FILE as MANIFEST_FILE
from scoring.serving.model_files import ScorerError as ScorerError
from scoring.serving.model_files import check_manifest as check_manifest
from scoring.serving.profiles import PD, Profile
from scoring.serving.proving import prove
from scoring.serving.reasons import Causes as Causes
from scoring.serving.reasons import Reason as Reason
from scoring.serving.reasons import Scored as Scored
from scoring.serving.strict_json import read_json, write_json

# As the registry and every service know the model.
MODEL_NAME = "credit-scoring"

# As long as the store's columns are, which do not take a NUL either.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
_Name = Annotated[str, StringConstraints(max_length=200, pattern=_PRINTABLE)]
_Version = Annotated[str, StringConstraints(max_length=40, pattern=_PRINTABLE)]
_Level = Annotated[str, StringConstraints(max_length=1_000, pattern=_PRINTABLE)]

# Beyond it the exponential overflows, and the PD is 0 or 1 to the last bit.
_LIMIT = 700.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: PD = 1 / (1 + exp(-(slope x score + intercept))), score in log-odds.

    Affine in log-odds, so that contributions stay exact: they are scaled by the slope
    (Platt, "Probabilistic outputs for support vector machines", 1999).
    """

    # What is loaded is in these ranges: a score never says the opposite of what was learnt.
    slope: Annotated[float, Field(gt=0.0, le=1e3)] = 1.0
    intercept: Annotated[float, Field(ge=-1e3, le=1e3)] = 0.0

    def probability(self, scores: Floats) -> Floats:
        """Calibrated PDs of raw scores.

        One by one: NumPy's exponential differs in the last bit between kinds of processors, and a
        decision has to be the same wherever it is computed again.
        """
        logits = np.clip(self.slope * scores + self.intercept, -_LIMIT, _LIMIT)
        return np.array([1.0 / (1.0 + math.exp(-logit)) for logit in logits])


_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Feature(BaseModel):
    model_config = _STRICT

    name: _Name
    levels: tuple[_Level, ...]


class _Description(BaseModel):
    """What scorer.json may hold: every type and range."""

    model_config = _STRICT

    name: _Name
    version: _Version
    definitions: dict[_Name, _Version]
    cutoff: Annotated[float, Field(gt=0.0, lt=1.0)]
    costs: Costs
    calibration: Calibration
    family: _Name
    features: Annotated[tuple[_Feature, ...], Field(min_length=1, max_length=10_000)]
    refer_band: tuple[float, float]
    lineage: dict[str, Any]

    @classmethod
    def read(cls, content: bytes) -> _Description:
        """Read the file.

        Raises
        ------
        ValueError
            Naming the first fields that cannot be.
        """
        read_json(content)
        try:
            description = cls.model_validate_json(content)
        except ValidationError as error:
            wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3]]
            raise ValueError("; ".join(wrong)) from error
        features = description.features
        names = tuple(feature.name for feature in features)
        if any(len(set(own)) < len(own) for own in (names, *(f.levels for f in features))):
            raise ValueError("a feature, or a level of one, is there twice")
        if description.family not in families():
            raise ValueError(
                f"the family {description.family!r} is none of {', '.join(families())}"
            )
        return description

    def check_definitions(self) -> None:
        """See that every feature is still computed as it was when the model learnt.

        Raises
        ------
        ScorerError
            Naming the first one that is not.
        """
        for feature in self.features:
            if feature.name not in definitions():
                raise ScorerError(
                    f"a feature is missing from what this code computes: {feature.name!r}; "
                    "train a model with this code"
                )
            if self.definitions.get(feature.name) != definitions()[feature.name]:
                raise ScorerError(
                    f"the feature {feature.name!r} is computed otherwise than when the model "
                    "learnt: train a model with this code"
                )

    @property
    def plain(self) -> dict[str, Any]:
        """What a Scorer is told as it stands."""
        return {name: value for name, value in self if name not in ("family", "features")}

    def model(self, files: Mapping[str, bytes]) -> Model:
        """The model that the files of a directory make, once it is proved to do no harm."""
        features = tuple(Feature(each.name, each.levels) for each in self.features)
        family = families()[self.family]
        prove(self.family, features, files)
        return family.from_files(files, features)


@dataclass(frozen=True)
class Scorer:
    """A model with everything needed to serve it.

    Attributes
    ----------
    name, version : str
        As the registry knows the model; version "0" is not registered.
    model : Model
        What gives scores and contributions, of any family.
    calibration : Calibration
        From the model's score to a PD.
    cutoff : float
        The PD above which an application is refused.
    costs : Costs
        The costs that the cut-off stands for.
    lineage : mapping
        Where the model comes from: digests, parameters, figures. Plain JSON values.
    definitions : mapping of str to str
        How the features that it reads are computed, as digests; by default as this code does.
    refer_band : (float, float)
        The PDs, both included, from which to which an application is referred to an officer.
        A band of no width refers nobody; it is kept as (cutoff, cutoff).
    profile : Profile, optional
        The applicants that the model learnt from, with PDs of models that had not seen them; the
        reasons are those of applicants that were kept from it.
    """

    name: str
    version: str
    model: Model
    calibration: Calibration
    cutoff: float
    costs: Costs
    lineage: Mapping[str, Any] = field(default_factory=dict, repr=False)
    definitions: Mapping[str, str] = field(default_factory=dict, repr=False)
    refer_band: tuple[float, float] = (0.0, 0.0)
    profile: Profile | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.definitions:
            own = {f.name: definitions()[f.name] for f in self.features if f.name in definitions()}
            object.__setattr__(self, "definitions", own)
        low, high = self.refer_band
        if low == high:
            object.__setattr__(self, "refer_band", (self.cutoff, self.cutoff))
        elif not 0.0 <= low <= self.cutoff <= high <= 1.0:
            raise ValueError(
                f"the refer band {self.refer_band} must hold the cut-off {self.cutoff}, from 0 to 1"
            )

    @property
    def features(self) -> tuple[Feature, ...]:
        """What the model reads, in its order."""
        return self.model.features

    @property
    def feature_set_version(self) -> str:
        """A digest of what the model reads and how that is computed."""
        return hashlib.sha256(write_json(dict(self.definitions))).hexdigest()[:16]

    def reads(self, names: Set[str]) -> str | None:
        """The first feature of the model that is among some names; None where none is."""
        return next((feature.name for feature in self.features if feature.name in names), None)

    @property
    def demonstration(self) -> bool:
        """Whether it may only be shown: it does not say that it learnt from real applicants."""
        training = self.lineage.get("training")
        return not (isinstance(training, Mapping) and training.get("source") == HOME_CREDIT)

    def predict(self, features: pl.DataFrame) -> Floats:
        """Calibrated PDs, of shape (applicants,), of rows that `build_features` made."""
        return self.pds(encode(features, self.features))

    def pds(self, matrix: Floats) -> Floats:
        """What `predict` gives, of features that are encoded already."""
        return self.calibration.probability(self.model.raw_scores(matrix))

    def score(self, vectors: Vectors) -> Scored:
        """PDs and contributions of applicants from their features as `vectors.pack` gives them.

        Parameters
        ----------
        vectors : numpy.ndarray of shape (applicants, columns), float32
            In the layout of `scoring.features.vectors`.

        Returns
        -------
        Scored
            The numbers of `predict` and `explain`, to the last bit.
        """
        return self.score_matrix(self.matrix(vectors))

    def matrix(self, vectors: Vectors) -> Floats:
        """What the model reads of applicants' vectors, of shape (applicants, features)."""
        matrix = vectors[:, self._places].astype(np.float64)
        for i, codes in self._recoded.items():
            known = ~np.isnan(matrix[:, i])
            matrix[known, i] = codes[matrix[known, i].astype(np.intp)]
        return matrix

    def score_matrix(self, matrix: Floats) -> Scored:
        """What `score` gives, of features that are encoded already."""
        scores, explanations = self.model.explained(matrix)
        contributions, base = self._calibrated(explanations)
        return Scored(matrix, self.calibration.probability(scores), contributions, base)

    @cached_property
    def _places(self) -> list[int]:
        """Where in a vector each of the model's features stands."""
        names = layout().names
        places = {name: place for place, name in enumerate(names)}
        missing = [feature.name for feature in self.features if feature.name not in places]
        if missing:
            raise ScorerError(f"{len(missing)} features are missing, the first is {missing[0]!r}")
        return [places[feature.name] for feature in self.features]

    @cached_property
    def _recoded(self) -> dict[int, Floats]:
        """For categories that the model numbers otherwise than vectors do: its code by theirs."""
        levels = layout().levels
        return {
            i: np.array([own.index(level) if level in own else np.nan for level in levels[name]])
            for i, (name, own) in enumerate((f.name, f.levels) for f in self.features)
            if own and own != levels[name]
        }

    def decide(self, pds: npt.ArrayLike) -> list[Decision]:
        """Refer inside the band, refuse above it (or above the cut-off), accept below."""
        return [self._decision(pd) for pd in np.asarray(pds)]

    def _decision(self, pd: float) -> Decision:
        if not 0.0 <= pd <= 1.0:
            # No comparison with NaN is true: it would be accepted.
            raise ScorerError(f"{self.name} version {self.version}: a PD of {pd} is none")
        low, high = self.refer_band
        if low < high and low <= pd <= high:
            return "refer"
        return "refuse" if pd > self.cutoff else "accept"

    def known(self, matrix: Floats) -> list[float] | list[None]:
        """Which share of what the model leans on is known of applicants, to four decimals.

        Features weigh as much as their importance in the model's profile: their part of the mean
        absolute contributions.

        Parameters
        ----------
        matrix : numpy.ndarray of shape (applicants, features)
            What the model reads, NaN where nothing is known.

        Returns
        -------
        list of float or None
            One for each applicant; None where the profile does not tell the importance.
        """
        weights = self._weights
        if weights is None:
            return [None] * len(matrix)
        shares: list[float] = ((~np.isnan(matrix)) @ weights / weights.sum()).round(4).tolist()
        return shares

    @cached_property
    def _weights(self) -> npt.NDArray[np.int64] | None:
        importance = self.profile.importance if self.profile else {}
        shares = np.array([importance.get(feature.name, 0.0) for feature in self.features])
        # Sums of whole numbers do not depend on how many applicants there are.
        weights = np.round(shares * 1e6).astype(np.int64)
        return weights if weights.any() else None

    def explain(self, features: pl.DataFrame) -> Explanations:
        """What each feature adds to the log-odds of default, calibrated: exact contributions."""
        return self._contributions(encode(features, self.features))

    def _contributions(self, matrix: Floats) -> Explanations:
        return self._calibrated(self.model.contributions(matrix))

    def _calibrated(self, explanations: Explanations) -> Explanations:
        slope, intercept = self.calibration.slope, self.calibration.intercept
        contributions, base = explanations
        return Explanations(contributions * slope, base * slope + intercept)

    def reasons(self, features: pl.DataFrame) -> list[list[Reason]]:
        """For each applicant the causes that raised the PD most, the strongest first.

        At most `reasons.REASONS`, none of next to nothing, and never protected attributes, even
        where a model was made to use them.
        """
        return self.reasons_of(self.score_matrix(encode(features, self.features)))

    def reasons_of(self, scored: Scored) -> list[list[Reason]]:
        """What `reasons` gives, of applicants that have been scored already."""
        return self.causes.reasons(scored)

    @cached_property
    def causes(self) -> Causes:
        """What the model reads, by cause."""
        return Causes(self.features, self.profile, self._contributions, self.pds)

    def save(self, folder: Path) -> None:
        """Write the directory, whole or not at all."""
        with staged_folder(folder, kind="model") as staged:
            files = self.model.files() | {SCORER_FILE: write_json(self._description())}
            if self.profile is not None:
                files[PROFILE_FILE] = write_json(self.profile.as_json())
            for name, content in files.items():
                (staged / name).write_bytes(content)
            # Read as `load` reads them, so that no model is saved that could not be loaded.
            with held(staged) as handle:
                saved = read_files(handle)
            digests = {name: hashlib.sha256(content).hexdigest() for name, content in saved.items()}
            manifest = write_json({"format": FORMAT, "files": digests})
            (staged / MANIFEST_FILE).write_bytes(manifest)

    @classmethod
    def load(cls, folder: Path) -> Scorer:
        """Read a directory that `save` wrote, after checking every file against the manifest.

        The one door for a model from a disk, a registry or a store: whatever is in the folder is
        read with a bound, checked, tried in a process of its own and made to decide once.

        Raises
        ------
        ScorerError
            If a file is missing, changed, truncated or unknown, or of another format; if a
            feature that the model reads is computed otherwise by now; or if it cannot decide.
        OSError, MemoryError
            If this machine cannot try it now: nothing is said about the model.
        """
        files = check_manifest(folder)
        try:
            description = _Description.read(files.pop(SCORER_FILE))
            description.check_definitions()
            profile = files.pop(PROFILE_FILE, None)
            model = description.model(files)
            if strange := files.keys() - model.files().keys():
                raise ScorerError(f"{min(strange)!r} is no file of such a model")
            scorer = cls(
                model=model,
                profile=None if profile is None else Profile.from_json(read_json(profile)),
                **description.plain,
            )
            scorer.try_out()
        except (OSError, MemoryError):
            raise
        except Exception as error:  # whatever a model breaks, it is not used
            words = error if isinstance(error, ValueError) else repr(error)
            raise ScorerError(f"{folder}: not a usable model: {words}") from error
        return scorer

    def try_out(self) -> None:
        """Decide on somebody of whom nothing is known, and on somebody who is nought in all.

        Raises
        ------
        ScorerError
            If a PD is no probability, or is not what its contributions add up to.
        """
        self._check_profile()
        nothing, noughts = np.full(len(layout().names), np.nan), np.zeros(len(layout().names))
        scored = self.score(np.array([nothing, noughts], dtype=np.float32))
        self.decide(scored.pds)
        self.reasons_of(scored)
        totals = scored.contributions.sum(axis=1) + scored.base
        if not np.allclose(Calibration().probability(totals), scored.pds, rtol=0.0, atol=1e-6):
            raise ScorerError("the contributions do not add up to the probability")

    def _check_profile(self) -> None:
        if self.profile is None:
            return
        levels = {one.name: one.levels for one in self.features}
        columns = [(name, one.levels) for name, one in self.profile.columns.items()]
        own = [*levels.items(), (PD, ())]
        strange = [name for name, *_ in set(columns) ^ set(own)]
        strange += [
            name
            for name, value in self.profile.usual.items()
            if name not in levels
            or (value is not None and levels[name] and value not in levels[name])
            or (isinstance(value, str) and not levels[name])
        ]
        if strange or columns != own:
            named = min(strange, default="their order")
            raise ScorerError(f"the profile is of other features than the model: {named}")

    def _description(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "version": self.version,
            "definitions": dict(self.definitions),
            "cutoff": self.cutoff,
            "costs": {
                "false_negative": self.costs.false_negative,
                "false_positive": self.costs.false_positive,
            },
            "calibration": {
                "slope": self.calibration.slope,
                "intercept": self.calibration.intercept,
            },
            "family": self.model.name,
            "features": [{"name": f.name, "levels": list(f.levels)} for f in self.features],
            "refer_band": list(self.refer_band),
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
