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
        """As they are now, an empty variable as none; a ValueError says what cannot be used."""
        given = {name: text.strip() for name, text in os.environ.items() if text.strip()}
        for_all = given.get("API_KEY_FOR_ALL", "").lower() == "yes"
        timeout = given.get("API_TIMEOUT", "15")
        if not 0 < float(timeout) < 3600:
            raise ValueError(f"not a number of seconds from 0 to 3600: {timeout}")
        return cls(
            given.get("API_URL", "http://127.0.0.1:8000").rstrip("/"),
            given.get("API_KEY", "") if for_all else "",
            Path(given.get("EXAMPLES_DIR", "data/examples")),
            float(timeout),
        )
