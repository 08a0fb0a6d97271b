"""What can be set about the API, from environment variables."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Self

import orjson

from scoring.free_text import readable
from scoring.serving.bounds import USUAL, Bounds
from scoring.serving.caution import LEAST_KNOWN

_LEVELS = "debug|info|warning|error|critical"
# Schemes, hosts and perhaps ports, as browsers tell where a page comes from.
_ORIGINS = r"(([a-z][a-z0-9+.-]*://([\w.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?)(\s*,\s*|$))*"
_NAMED = "origins such as https://bank.example, with commas between: no path, and * never"

_MOST_DAYS = 3_650
_TERMS = ("lender_name", "lender_address", "credit_bureau", "contest_days", "review_days")


class SettingsError(ValueError):
    """An environment variable that cannot be used."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The API's settings, each from the environment variable of its name or as a comment says."""

    host: str = "127.0.0.1"
    port: int = 8000
    # The folders of the model that answers and of its rival, or (MODEL_REGISTRY) an MLflow server
    # whose aliases are watched instead, and where models from it are kept.
    model_dir: Path = Path("mlruns/champion")
    challenger_dir: Path = Path("mlruns/challenger")
    mlflow_uri: str = ""
    model_cache: Path = Path("data/models")
    # How often models and policy are looked at.
    poll_seconds: float = 2.0
    database_url: str = "sqlite:///data/scoring.db"
    # With it applicants' numbers are stored as keyed hashes only.
    pseudonym_key: str | None = None
    # Whether callers on loopback need an API key; all others always do.
    require_keys: bool = False
    # What one caller may ask, and the same of suppositions, through which a model can be copied.
    rate_limit: str = "6000/minute"
    what_if_limit: str = "600/hour"
    # Processes that share these limits (WEB_CONCURRENCY), and threads in each (GTHREADS).
    workers: int = 1
    threads: int = 16
    # The largest request bodies that are read, in bytes.
    body_limit: int = 10 * 1024 * 1024
    batch_body_limit: int = 64 * 1024 * 1024
    # The most rows of a history table of one applicant (ROWS_PER_TABLE), and applicants of a batch.
    row_limit: int = 10_000
    batch_limit: int = 1_000
    # Below which known share of what the model leans on nobody is accepted without an officer.
    least_known: float = LEAST_KNOWN
    # What may be agreed on in the place of the loan that was asked for: OFFER_LEAST_AMOUNT,
    # OFFER_STEP, OFFER_ROUNDING, OFFER_LONGEST_TERM, OFFER_LARGEST_INSTALMENT.
    offers: Bounds = USUAL
    # The most connections of an address that may be slow at a time (CONNECTIONS_PER_ADDRESS).
    address_limit: int = 64
    # Other origins whose pages may ask in a browser.
    cors_origins: frozenset[str] = frozenset()
    # Who grants loans, and where, the lines parted by semicolons; notices tell it.
    lender_name: str = ""
    lender_address: str = ""
    # Who reports loans elsewhere, and where to have that corrected.
    credit_bureau: str = ""
    # For how long a decision can be contested, and until when a person then decides.
    contest_days: int = 60
    review_days: int = 30
    log_level: str = "INFO"

    @property
    def terms(self) -> str:
        """What notices say of the lender and its terms, as JSON: kept with each decision."""
        return orjson.dumps({name: getattr(self, name) for name in _TERMS}).decode()

    def as_of(self, terms: str | None) -> Self:
        """Put `terms` that were kept in the place of today's; where there are none those hold."""
        return replace(self, **orjson.loads(terms or "{}"))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an empty variable is as good as none.

        Raises
        ------
        SettingsError
            If a limit is not a whole number above zero, or a switch neither yes nor no.
        """
        environment = {name: text for name, text in environment.items() if text.strip()}
        usual = cls()
        host = environment.get("HOST", usual.host).strip()
        beyond = not is_loopback(host)
        keys = _text(environment, "REQUIRE_KEYS", "yes" if beyond else "no", "yes|no")
        origins = _text(environment, "CORS_ORIGINS", "", _ORIGINS, _NAMED)
        settings = replace(
            usual,
            host=host,
            model_dir=Path(environment.get("MODEL_DIR", usual.model_dir)),
            challenger_dir=Path(environment.get("CHALLENGER_DIR", usual.challenger_dir)),
            mlflow_uri=environment.get("MODEL_REGISTRY", usual.mlflow_uri),
            model_cache=Path(environment.get("MODEL_CACHE", usual.model_cache)),
            database_url=environment.get("DATABASE_URL", usual.database_url),
            pseudonym_key=environment.get("PSEUDONYM_KEY"),
            require_keys=keys == "yes",
            rate_limit=environment.get("RATE_LIMIT", usual.rate_limit),
            what_if_limit=environment.get("WHAT_IF_LIMIT", usual.what_if_limit),
            cors_origins=frozenset(origins.replace(",", " ").split()),
            log_level=_text(environment, "LOG_LEVEL", usual.log_level, _LEVELS).upper(),
            poll_seconds=_number(environment, "POLL_SECONDS", usual.poll_seconds, 0.001, 3599.0),
            port=_limit(environment, "PORT", usual.port, 65_535),
            workers=_limit(environment, "WEB_CONCURRENCY", usual.workers),
            threads=_limit(environment, "GTHREADS", usual.threads),
            body_limit=_limit(environment, "BODY_LIMIT", usual.body_limit),
            batch_body_limit=_limit(environment, "BATCH_BODY_LIMIT", usual.batch_body_limit),
            row_limit=_limit(environment, "ROWS_PER_TABLE", usual.row_limit),
            batch_limit=_limit(environment, "BATCH_LIMIT", usual.batch_limit),
            least_known=_number(environment, "LEAST_KNOWN", usual.least_known, 0.0, 1.0),
            offers=_bounds(environment, usual.offers),
            address_limit=_limit(environment, "CONNECTIONS_PER_ADDRESS", usual.address_limit),
            lender_name=_line(environment, "LENDER_NAME"),
            lender_address=_line(environment, "LENDER_ADDRESS"),
            credit_bureau=_line(environment, "CREDIT_BUREAU"),
            contest_days=_limit(environment, "CONTEST_DAYS", usual.contest_days, _MOST_DAYS),
            review_days=_limit(environment, "REVIEW_DAYS", usual.review_days, _MOST_DAYS),
        )
        if beyond and not settings.require_keys:
            raise SettingsError(f"REQUIRE_KEYS=no holds on loopback only, and HOST is {host}")
        return settings


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Tell whether an address is one that only this machine reaches."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _text(
    environment: Mapping[str, str], name: str, default: str, pattern: str, wanted: str = ""
) -> str:
    text = environment.get(name, default).strip().lower()
    if not re.fullmatch(pattern, text, re.ASCII):
        wanted = wanted or pattern.replace("|", " or ")
        raise SettingsError(f"{name} must be {wanted}, not {text!r}")
    return text


def _line(environment: Mapping[str, str], name: str) -> str:
    text = environment.get(name, "")
    try:
        return text and readable(text)
    except ValueError as error:
        raise SettingsError(f"{name} {error}") from error


def _limit(environment: Mapping[str, str], name: str, default: int, most: int = 10**12) -> int:
    wanted = "a whole number above zero"
    text = _text(environment, name, str(default), "0*[1-9][0-9]{0,12}", wanted)
    if int(text) > most:
        raise SettingsError(f"{name} must be at most {most}, not {text}")
    return int(text)


def _bounds(environment: Mapping[str, str], usual: Bounds) -> Bounds:
    return Bounds(
        least_amount=_number(environment, "OFFER_LEAST_AMOUNT", usual.least_amount, 0.01, 0.99),
        step=_number(environment, "OFFER_STEP", usual.step, 0.01, 0.99),
        rounding=_number(environment, "OFFER_ROUNDING", usual.rounding, 0.5, 1e9),
        longest_term=_limit(environment, "OFFER_LONGEST_TERM", usual.longest_term, 600),
        largest_instalment=_number(
            environment, "OFFER_LARGEST_INSTALMENT", usual.largest_instalment, 1.0, 10.0
        ),
    )


def _number(
    environment: Mapping[str, str], name: str, default: float, low: float, high: float
) -> float:
    text = environment.get(name, str(default)).strip()
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise SettingsError(f"{name} must be a number from {low:g} to {high:g}, not {text!r}")
    return number
