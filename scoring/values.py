"""How values say that they are missing, in lower case: programs write them in any."""

MISSING_WORDS: frozenset[str] = frozenset(("", "na", "n/a", "nan", "null", "none", "<na>", "#n/a"))
