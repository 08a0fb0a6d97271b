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
def features(url: str, key: str, language: str, timeout: float) -> list[dict[str, Any]]:
    """What the champion looks at, the most important first."""
    return Api(url, key, language, timeout).features()


def columns(api: Api) -> Mapping[str, Field]:
    """The application's columns, called by what the champion's features of that name mean."""
    told = features(api.url, api.key, api.language, api.timeout)
    labels = {one["feature"]: one["text"] for one in told}
    return fields(document(api.url, api.key, api.timeout), labels)
