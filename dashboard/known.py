"""What the API tells about itself, asked for once in a while and not at each click."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import streamlit as st

from dashboard.client import Api
from dashboard.form import Field, fields

_SECONDS = 60


# What one may see with a key, nobody sees with another.
_kept = st.cache_data(ttl=_SECONDS, show_spinner=False, hash_funcs={Api: astuple})


@_kept
def document(api: Api) -> dict[str, Any]:
    """The API's OpenAPI document."""
    return api.schema()


@_kept
def features(api: Api) -> list[dict[str, Any]]:
    """What the champion looks at, the most important first."""
    return api.features()


def labels(api: Api) -> dict[str, str]:
    """What the champion's features mean, by their names."""
    return {one["feature"]: one["text"] for one in features(api)}


def no_history(api: Api) -> dict[str, Any]:
    """Every table of credit history, without a row: without them the service takes its own."""
    applicant = document(api)["components"]["schemas"]["Applicant"]
    return {name: [] for name in applicant["properties"] if name != "application"}


def columns(api: Api) -> Mapping[str, Field]:
    """The application's columns, with their words in the language that the API is asked in."""
    return fields(document(api), api.language)
