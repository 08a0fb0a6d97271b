"""Figures as people of a language write them, by the formats of Python and of CLDR."""

from __future__ import annotations

from datetime import UTC, date, datetime
from math import nan

import numpy as np
import pytest

from scoring.formats import written


@pytest.mark.parametrize(
    ("value", "spec", "english", "french"),
    [
        (0.2975, ".1%", "29.8%", "29,8\u00a0%"),
        (0.0025, ".1%", "0.2%", "0,2\u00a0%"),
        (-0.02, "+.1%", "−2.0%", "−2,0\u00a0%"),
        (0.02, "+.1%", "+2.0%", "+2,0\u00a0%"),
        (-0.00001, ".3f", "0.000", "0,000"),
        (-0.5193, "+.4f", "−0.5193", "−0,5193"),
        (12345, ",", "12,345", "12\u202f345"),
        (1234.5, ",.1f", "1,234.5", "1\u202f234,5"),
        (np.int64(12345), ",", "12,345", "12\u202f345"),
        (10.0, "g", "10", "10"),
        (1.5, "g", "1.5", "1,5"),
        (0.000012, ".2g", "1.2e-05", "1,2e-05"),
        (nan, ".3f", "nan", "nan"),
        (7, "", "7", "7"),
        ("a.b", "", "a.b", "a.b"),
        (date(2026, 11, 1), "MMMM y", "November 2026", "novembre 2026"),
        (date(2026, 11, 1), "d MMMM y", "1 November 2026", "1er novembre 2026"),
        (datetime(2026, 11, 28, 9, 5, tzinfo=UTC), "dd MMMM y HH:mm", "28 November 2026 09:05",
         "28 novembre 2026 09:05"),
    ],
)  # fmt: skip
def test_figures_are_written_as_people_do(
    value: object, spec: str, english: str, french: str
) -> None:
    assert written(value, spec, "en") == english
    assert written(value, spec, "fr") == french


@pytest.mark.parametrize("share", [0.1, 0.2975, 0.0045, 1 / 3, 0.57, 0.286999])
def test_english_shares_round_as_python_does(share: float) -> None:
    assert written(share, ".1%", "en") == f"{share:.1%}"
    assert written(share, ".3f", "en") == f"{share:.3f}"
