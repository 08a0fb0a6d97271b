"""What every officer knows of a feature: whether more of it raises or lowers the PD.

Models are held to it, the other features being equal: nobody can be told that a debt repaid sooner
would have cost them the loan. `directions.toml` beside this module lists them, with the reason.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

_LISTS: Mapping[str, list[str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text("utf-8")
)
RAISES_PD = frozenset(_LISTS["raises_pd"])
LOWERS_PD = frozenset(_LISTS["lowers_pd"])
WORSE_ABOVE = frozenset(_LISTS["worse_above"])
WORSE_BELOW = frozenset(_LISTS["worse_below"])

# 1 where a model's score may only rise with the feature, -1 where it may only fall.
DIRECTIONS: Mapping[str, int] = dict.fromkeys(RAISES_PD, 1) | dict.fromkeys(LOWERS_PD, -1)
