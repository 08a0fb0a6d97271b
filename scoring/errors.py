"""What all errors have in common that a user of the project can mend."""

from __future__ import annotations


class ScoringError(ValueError):
    """Something given from outside cannot be used; the message says what, where and the mend.

    The command line shows the message alone; anything else that is raised is a bug and keeps its
    trace.
    """
