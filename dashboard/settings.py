"""What can be set about the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Settings(NamedTuple):
    """From environment variables.

    Attributes
    ----------
    api_url : str
        API_URL, the API's address.
    api_key : str
        API_KEY, which the page begins with.
    examples : Path
        EXAMPLES_DIR, a folder of requests to choose from.
    timeout : float
        API_TIMEOUT, in seconds.
    """

    api_url: str
    api_key: str
    examples: Path
    timeout: float

    @classmethod
    def from_environment(cls) -> Settings:
        """As they are now."""
        return cls(
            os.environ.get("API_URL", "http://127.0.0.1:8000").rstrip("/"),
            os.environ.get("API_KEY", ""),
            Path(os.environ.get("EXAMPLES_DIR", "data/examples")),
            float(os.environ.get("API_TIMEOUT", "15")),
        )
