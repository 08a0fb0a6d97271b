"""What can be set about the page."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """From environment variables.

    Attributes
    ----------
    api_url : str
        API_URL, the API's address.
    shared_key : str
        API_KEY where API_KEY_FOR_ALL is yes: all visitors act with it, and none gets it. Else
        each types a key of their own.
    examples : Path
        EXAMPLES_DIR, a folder of requests to choose from.
    timeout : float
        API_TIMEOUT, in seconds.
    """

    api_url: str
    shared_key: str = field(repr=False)
    examples: Path
    timeout: float

    @property
    def shown_url(self) -> str:
        """The address without the user and password that it may hold."""
        scheme, slashes, rest = self.api_url.rpartition("//")
        return f"{scheme}{slashes}{rest.rpartition('@')[2]}"

    @classmethod
    def from_environment(cls) -> Settings:
        """As they are now."""
        for_all = os.environ.get("API_KEY_FOR_ALL", "").lower() == "yes"
        return cls(
            os.environ.get("API_URL", "http://127.0.0.1:8000").rstrip("/"),
            os.environ.get("API_KEY", "").strip() if for_all else "",
            Path(os.environ.get("EXAMPLES_DIR", "data/examples")),
            float(os.environ.get("API_TIMEOUT", "15")),
        )
