"""Thresholds from a file and from the environment: what is wrong is named, with the mend."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.monitoring.thresholds import PREFIX, Limit, ThresholdError, Thresholds

POSITIVE = st.floats(min_value=0.0, max_value=1e6)


def written(folder: Path, text: str) -> Path:
    path = folder / "thresholds.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_settings_they_are_the_defaults() -> None:
    assert Thresholds.from_settings({"PATH": "/usr/bin"}) == Thresholds()


@given(first=POSITIVE, second=POSITIVE)
def test_a_limit_in_the_environment_is_two_numbers(first: float, second: float) -> None:
    low, high = sorted((first, second))
    found = Thresholds.from_settings({f"{PREFIX}PD_PSI": f"{low!r}, {high!r}"})
    assert found.pd_psi == Limit(low, high)
    assert found.weighted_psi == Thresholds().weighted_psi


def test_every_threshold_can_be_set_both_ways(tmp_path: Path) -> None:
    lines, environment = [], {}
    for one in fields(Thresholds):
        pair = isinstance(one.default, Limit)
        lines.append(f"{one.name} = {'[0.5, inf]' if pair else 0.5}")
        environment[f"{PREFIX}{one.name.upper()}"] = "0.5,inf" if pair else "0.5"
    file = Thresholds.from_settings({}, written(tmp_path, "\n".join(lines)))
    assert file == Thresholds.from_settings(environment)
    assert file.auc_loss == Limit(0.5, math.inf)
    assert file.significance == 0.5


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "pd_psi = [0.3, 0.4]\nauc_loss = [0.1, 0.2]\n")
    environment = {"ALERT_THRESHOLDS": str(path), f"{PREFIX}PD_PSI": "0.5,0.6"}
    found = Thresholds.from_settings(environment)
    assert (found.pd_psi, found.auc_loss) == (Limit(0.5, 0.6), Limit(0.1, 0.2))


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("PD_PSY", "0.1,0.2", "ALERT_AT_PD_PSY is no threshold; the nearest is pd_psi"),
        ("PD_PSI", "0.1", "ALERT_AT_PD_PSI takes two numbers"),
        ("PD_PSI", "0.3,0.2", "ALERT_AT_PD_PSI takes two numbers"),
        ("PD_PSI", "nan,0.2", "ALERT_AT_PD_PSI takes two numbers"),
        ("PD_PSI", "-1,0.2", "ALERT_AT_PD_PSI takes two numbers"),
        ("PD_PSI", "much,more", "ALERT_AT_PD_PSI takes two numbers"),
        ("SIGNIFICANCE", "0.1,0.2", "ALERT_AT_SIGNIFICANCE takes one number"),
        ("SIGNIFICANCE", "1.5", "ALERT_AT_SIGNIFICANCE takes one number"),
        ("LEAST_APPLICANTS", "", "ALERT_AT_LEAST_APPLICANTS takes one number"),
    ],
)
def test_what_is_wrong_is_named(variable: str, text: str, told: str) -> None:
    with pytest.raises(ThresholdError, match=told):
        Thresholds.from_settings({f"{PREFIX}{variable}": text})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pd_psi = true", "pd_psi in .*thresholds.toml takes two numbers"),
        ("pd_psi = ['a', 'b']", "takes two numbers"),
        ("pd_psi = {warning = 1}", "takes two numbers"),
        ("pdpsi = 1", "the nearest is pd_psi"),
        ("pd_psi = ", "cannot be read"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ThresholdError, match=told):
        Thresholds.from_settings({}, written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ThresholdError, match=r"cannot be read from .*gone\.toml"):
        Thresholds.from_settings({}, tmp_path / "gone.toml")
