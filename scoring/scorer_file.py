"""What scorer.json may hold: every type and range, so that no number in it misleads a decision."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from scoring.model_files import read_json

# As long as the store's columns, which could not take a NUL either.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
_Name = Annotated[str, StringConstraints(max_length=200, pattern=_PRINTABLE)]
_Version = Annotated[str, StringConstraints(max_length=40, pattern=_PRINTABLE)]
_Text = Annotated[str, StringConstraints(max_length=1_000, pattern=_PRINTABLE)]
_Probability = Annotated[float, Field(gt=0.0, lt=1.0)]
_Cost = Annotated[float, Field(gt=0.0, le=1e9)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class _Costs(_Part):
    false_negative: _Cost
    false_positive: _Cost


class _Calibration(_Part):
    # A model whose score says the opposite of what it learnt is not served.
    slope: float = Field(gt=0.0, le=1e3)
    intercept: float = Field(ge=-1e3, le=1e3)


class _Feature(_Part):
    name: _Name
    levels: tuple[_Text, ...]


class Description(_Part):
    """A Scorer without its files."""

    name: _Name
    version: _Version
    feature_set_version: Annotated[_Version, Field(max_length=16)]
    cutoff: _Probability
    costs: _Costs
    calibration: _Calibration
    features: tuple[_Feature, ...] = Field(min_length=1, max_length=10_000)
    learned: tuple[str, ...]
    refer_band: tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(le=1.0)]]
    texts: dict[_Name, dict[_Name, _Text]]
    lineage: dict[str, Any]

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read the file.

        Raises
        ------
        ValueError
            Naming the first fields that cannot be.
        """
        read_json(content)
        try:
            found = cls.model_validate_json(content)
        except ValidationError as error:
            told = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3]]
            raise ValueError("; ".join(told)) from error
        lists = [[one.name for one in found.features], found.learned]
        if any(len(set(own)) < len(own) for own in (*lists, *(f.levels for f in found.features))):
            raise ValueError("a feature, a level of one, or a learned part is there twice")
        return found
