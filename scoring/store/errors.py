"""What can go wrong with the store."""

from scoring.errors import ScoringError


class StoreError(ScoringError):
    """The store cannot do what is asked."""


class StoreUnavailableError(StoreError):
    """The store cannot be used at the moment: it is away, full, locked or read-only."""


class StoreSilentError(StoreUnavailableError):
    """The store cannot be used, and no server has said so."""


class StoreChangedError(StoreError):
    """What was to be changed is not what the caller has seen any more."""
