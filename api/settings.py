"""What can be set about the API, from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from scoring.caution import LEAST_KNOWN


class SettingsError(ValueError):
    """An environment variable that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The API's settings.

    Attributes
    ----------
    model_dir, challenger_dir : Path
        The folders of the model that answers and of its rival (MODEL_DIR, CHALLENGER_DIR).
    mlflow_uri : str
        An MLflow server whose aliases are watched instead of the folders (MODEL_REGISTRY).
    model_cache : Path
        Where models from that server are kept (MODEL_CACHE).
    poll_seconds : float
        How often models and policy are looked at (POLL_SECONDS).
    database_url : str
        The store (DATABASE_URL).
    pseudonym_key : str or None
        With it applicants' numbers are stored as keyed hashes only (PSEUDONYM_KEY).
    require_keys : bool
        Whether callers on loopback need an API key (REQUIRE_KEYS); all others always do.
    rate_limit : str
        What one caller may ask, such as "600/minute" (RATE_LIMIT).
    what_if_limit : str
        The same of suppositions, through which a model can be copied (WHAT_IF_LIMIT).
    workers : int
        How many processes share these limits (WEB_CONCURRENCY).
    body_limit, batch_body_limit : int
        The largest request bodies that are read, in bytes (BODY_LIMIT, BATCH_BODY_LIMIT).
    row_limit : int
        The most rows a history table of one applicant may have (ROWS_PER_TABLE).
    batch_limit : int
        The most applicants of one batch (BATCH_LIMIT).
    least_known : float
        Below which known share of what the model leans on nobody is accepted without an officer,
        from 0 to 1 (LEAST_KNOWN).
    address_limit : int
        The most connections of an address that may be slow at a time (CONNECTIONS_PER_ADDRESS).
    log_level : str
        The least level that is logged (LOG_LEVEL).
    """

    model_dir: Path = Path("mlruns/champion")
    challenger_dir: Path = Path("mlruns/challenger")
    mlflow_uri: str = ""
    model_cache: Path = Path("data/models")
    poll_seconds: float = 2.0
    database_url: str = "sqlite:///data/scoring.db"
    pseudonym_key: str | None = None
    require_keys: bool = False
    rate_limit: str = "6000/minute"
    what_if_limit: str = "600/hour"
    workers: int = 1
    body_limit: int = 10 * 1024 * 1024
    batch_body_limit: int = 64 * 1024 * 1024
    row_limit: int = 10_000
    batch_limit: int = 1_000
    least_known: float = LEAST_KNOWN
    address_limit: int = 64
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings.

        Raises
        ------
        SettingsError
            If a limit is not a whole number above zero, or a switch neither yes nor no.
        """
        usual = cls()
        host = environment.get("HOST", "127.0.0.1")
        beyond = not is_loopback(host)
        settings = replace(
            usual,
            model_dir=Path(environment.get("MODEL_DIR", usual.model_dir)),
            challenger_dir=Path(environment.get("CHALLENGER_DIR", usual.challenger_dir)),
            mlflow_uri=environment.get("MODEL_REGISTRY", usual.mlflow_uri),
            model_cache=Path(environment.get("MODEL_CACHE", usual.model_cache)),
            database_url=environment.get("DATABASE_URL") or usual.database_url,
            pseudonym_key=environment.get("PSEUDONYM_KEY") or None,
            require_keys=_switch(environment, "REQUIRE_KEYS", default=beyond),
            rate_limit=environment.get("RATE_LIMIT", usual.rate_limit),
            what_if_limit=environment.get("WHAT_IF_LIMIT", usual.what_if_limit),
            log_level=environment.get("LOG_LEVEL", usual.log_level).upper(),
        )
        if beyond and not settings.require_keys:
            raise SettingsError(f"REQUIRE_KEYS=no holds on loopback only, and HOST is {host}")
        return replace(
            settings,
            poll_seconds=_seconds(environment, "POLL_SECONDS", usual.poll_seconds),
            workers=_limit(environment, "WEB_CONCURRENCY", usual.workers),
            body_limit=_limit(environment, "BODY_LIMIT", usual.body_limit),
            batch_body_limit=_limit(environment, "BATCH_BODY_LIMIT", usual.batch_body_limit),
            row_limit=_limit(environment, "ROWS_PER_TABLE", usual.row_limit),
            batch_limit=_limit(environment, "BATCH_LIMIT", usual.batch_limit),
            least_known=_share(environment, "LEAST_KNOWN", usual.least_known),
            address_limit=_limit(environment, "CONNECTIONS_PER_ADDRESS", usual.address_limit),
        )


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether an address is one that only this machine reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _limit(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingsError(f"{name} must be a whole number above zero, not {text!r}")
    return int(text)


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < 3600.0:
        raise SettingsError(f"{name} must be a number of seconds from 0 to 3600, not {text!r}")
    return seconds


def _share(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name) or str(default)
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise SettingsError(f"{name} must be a share from 0 to 1, not {text!r}")
    return share


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name, "").lower()
    if text not in ("", "yes", "no"):
        raise SettingsError(f"{name} must be yes or no, not {text!r}")
    return default if not text else text == "yes"
