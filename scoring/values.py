"""How values say that they are missing."""

from __future__ import annotations

# In lower case; programs write them in any.
MISSING_WORDS: frozenset[str] = frozenset(
    {"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"}
)  # fmt: skip
