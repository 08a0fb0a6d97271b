"""What the API tells about itself, asked for once in a while and not at each click."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.client import Api
from dashboard.form import Field, fields

_SECONDS = 60


@st.cache_data(ttl=_SECONDS, show_spinner=False)
def document(url: str, key: str, timeout: float) -> dict[str, Any]:
    """The API's OpenAPI document."""
    return Api(url, key, "en", timeout).schema()


@st.cache_data(ttl=_SECONDS, show_spinner=False)
def _features(url: str, key: str, language: str, timeout: float) -> list[dict[str, Any]]:
    return Api(url, key, language, timeout).features()


def features(api: Api) -> list[dict[str, Any]]:
    """What the champion looks at, the most important first."""
    return _features(api.url, api.key, api.language, api.timeout)


def labels(api: Api) -> dict[str, str]:
    """What the champion's features mean, by their names."""
    return {one["feature"]: one["text"] for one in features(api)}


def no_history(api: Api) -> dict[str, Any]:
    """Every table of credit history, without a row: without them the service takes its own."""
    applicant = document(api.url, api.key, api.timeout)["components"]["schemas"]["Applicant"]
    return {name: [] for name in applicant["properties"] if name != "application"}


def columns(api: Api) -> Mapping[str, Field]:
    """The application's columns, called by what the champion's features of that name mean."""
    return fields(document(api.url, api.key, api.timeout), labels(api))
