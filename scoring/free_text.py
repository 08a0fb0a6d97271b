"""What people write: who they are, and why they decided so."""

from __future__ import annotations

import re
from unicodedata import category

# What a motive takes at the least, in letters and digits.
LEAST_MOTIVE = 3

_BREAKS = re.compile("\r\n?|[\u2028\u2029]")
# They show a text in another order than it is kept in. Joiners stay, for some scripts need them.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Fillers of Hangul are letters that nobody sees.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0")


def readable(text: str, longest: int = 200, least: int = 1) -> str:
    r"""Give a text as it is kept: lines end with \n, and there are no blanks around it.

    Raises
    ------
    ValueError
        If it is longer than `longest`, has fewer letters and digits than `least`, or holds what
        no text does: control characters, or half a character.
    """
    written = _DIRECTIONS.sub("", _BREAKS.sub("\n", text))
    if any(category(sign) in ("Cc", "Cs") for sign in written if sign not in "\n\t"):
        raise ValueError("must hold no control characters but line breaks and tabs")
    written = written.strip()
    if len(written) > longest:
        raise ValueError(f"must have at most {longest:,} characters")
    if sum(sign.isalnum() and sign not in _UNSEEN for sign in written) < least:
        raise ValueError(f"must have {least} or more letters or digits")
    return written
