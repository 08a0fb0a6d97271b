"""What people write: who they are, and why they decided so."""

from __future__ import annotations

# What a motive takes at the least, in letters and digits.
LEAST_MOTIVE = 3


def readable(text: str, longest: int = 200, least: int = 1) -> str:
    """Give a text without the blanks around it.

    Raises
    ------
    ValueError
        If it is longer than `longest`, has fewer letters and digits than `least`, or holds what
        a database does not take.
    """
    found = text.strip()
    if len(found) > longest:
        raise ValueError(f"must have at most {longest:,} characters")
    # Neither NUL nor half a surrogate pair.
    if not found.isprintable():
        raise ValueError("must be printable characters")
    if sum(map(str.isalnum, found)) < least:
        raise ValueError(f"must have {least} or more letters or digits")
    return found
