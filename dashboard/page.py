"""The page: pick an application, ask the API, read the decision and what drove it.

Nothing of the API is kept but the last outcome on the screen, and that only while the same
application is chosen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from dashboard.charts import gauge, reason_bars
from dashboard.client import ApiError, ask_decision
from dashboard.samples import history_rows, parsed, sample_files
from dashboard.texts import LANGUAGES, TEXTS, Language, number, percent

_ICONS = {
    "accept": ":material/check_circle:",
    "refuse": ":material/cancel:",
    "refer": ":material/support_agent:",
}
_CHART = {"displayModeBar": False}
_BOXES = {"accept": st.success, "refuse": st.error, "refer": st.warning}


class Settings(NamedTuple):
    """What can be set about the page, from environment variables."""

    api_url: str
    examples: Path
    timeout: float

    @classmethod
    def from_environment(cls) -> Settings:
        """API_URL, EXAMPLES_DIR and API_TIMEOUT (seconds)."""
        return cls(
            os.environ.get("API_URL", "http://127.0.0.1:8000"),
            Path(os.environ.get("EXAMPLES_DIR", "data/examples")),
            float(os.environ.get("API_TIMEOUT", "15")),
        )


def show() -> None:
    """Draw the page."""
    settings = Settings.from_environment()
    # No icon: Streamlit would have the browser fetch it from the internet.
    st.set_page_config(page_title="Credit scoring")
    language = _choose_language(settings)
    texts = TEXTS[language]
    st.title(texts["title"])
    st.write(texts["intro"])
    body = _choose_request(settings, texts)
    if body is None:
        return
    _summarise(body, texts, language)
    if st.button(texts["ask"], type="primary"):
        with st.spinner(texts["asking"]):
            st.session_state["outcome"] = (body, _ask(settings, body))
    asked, outcome = st.session_state.get("outcome", (None, None))
    if asked != body:
        return
    if isinstance(outcome, ApiError):
        _show_failure(outcome, settings, texts)
    elif outcome is not None:
        _show_decision(outcome, texts, language)
    _show_exchange(body, outcome, texts)


def _choose_language(settings: Settings) -> Language:
    with st.sidebar:
        language: Language = st.radio(
            "Langue / Language", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key="language"
        )
        st.caption(TEXTS[language]["api"].format(url=settings.api_url))
    return language


def _choose_request(settings: Settings, texts: dict[str, str]) -> bytes | None:
    """The body of the chosen application; an uploaded file goes before a sample."""
    files = sample_files(settings.examples)
    chosen = None
    if files:
        chosen = st.selectbox(
            texts["sample"], files, format_func=lambda path: path.stem, key="sample"
        )
    else:
        st.info(texts["no_samples"].format(folder=settings.examples), icon=":material/folder_off:")
    uploaded = st.file_uploader(texts["upload"], type="json", key="upload")
    if uploaded is not None:
        st.caption(texts["upload_used"])
        return uploaded.getvalue()
    return chosen.read_bytes() if chosen is not None else None


def _summarise(body: bytes, texts: dict[str, str], language: Language) -> None:
    request = parsed(body) or {}
    application = request.get("application")
    if not isinstance(application, dict):
        return
    amounts = {
        "credit": application.get("AMT_CREDIT"),
        "annuity": application.get("AMT_ANNUITY"),
        "income": application.get("AMT_INCOME_TOTAL"),
        "history": history_rows(request),
    }
    for place, (name, amount) in zip(st.columns(len(amounts)), amounts.items(), strict=True):
        place.metric(texts[name], _shown(amount, texts, language))


def _ask(settings: Settings, body: bytes) -> dict[str, Any] | ApiError:
    try:
        return ask_decision(settings.api_url, body, settings.timeout)
    except ApiError as error:
        return error


def _show_decision(answer: dict[str, Any], texts: dict[str, str], language: Language) -> None:
    pd, cutoff, decision = answer["probability_of_default"], answer["cutoff"], answer["decision"]
    low, high = band = answer["refer_band"]
    figures = {
        name: percent(value, language)
        for name, value in {"pd": pd, "cutoff": cutoff, "low": low, "high": high}.items()
    }
    why = texts[f"{decision}_why"].format(**figures)
    _BOXES[decision](f"**{texts[decision]}.** {why}", icon=_ICONS[decision])
    st.subheader(texts["gauge"])
    st.plotly_chart(
        gauge(pd, cutoff, band, texts, language),
        config=_CHART,
        alt=texts["gauge_alt"].format(**figures),
    )
    _show_reasons(answer["reasons"], texts, language)
    st.caption(texts["model"].format(**answer["model"]))


def _show_reasons(reasons: list[dict[str, Any]], texts: dict[str, str], language: Language) -> None:
    st.subheader(texts["reasons"])
    if not reasons:
        st.write(texts["no_reasons"])
        return
    rows = [
        {
            texts["feature"]: _named(reason, language),
            texts["value"]: _shown(reason["value"], texts, language),
            texts["contribution"]: round(reason["contribution"], 3),
        }
        for reason in reasons
    ]
    figure = reason_bars(
        [row[texts["feature"]] for row in rows],
        [reason["contribution"] for reason in reasons],
        texts["contribution"],
    )
    st.plotly_chart(figure, config=_CHART, alt=texts["reasons_alt"])
    st.dataframe(rows, hide_index=True)


def _named(reason: dict[str, Any], language: Language) -> str:
    """A feature in plain words where the model brings them, by its name else."""
    said: str = reason["texts"].get(language) or reason["feature"].replace("__", " · ")
    return said


def _shown(value: object, texts: dict[str, str], language: Language) -> str:
    if value is None:
        return texts["unknown"]
    return number(value, language) if isinstance(value, int | float) else str(value)


def _show_failure(error: ApiError, settings: Settings, texts: dict[str, str]) -> None:
    advice = texts[f"{error.failure}_help"].format(
        url=settings.api_url, timeout=f"{settings.timeout:g}"
    )
    st.error(f"**{texts[error.failure]}.** {advice}", icon=":material/error:")
    if error.errors:
        st.dataframe(
            [{texts["field"]: e.pointer, texts["why"]: e.detail} for e in error.errors],
            hide_index=True,
        )
    elif error.failure in ("refused", "failed"):
        st.write(texts["said"], error.detail)


def _show_exchange(body: bytes, outcome: object, texts: dict[str, str]) -> None:
    with st.expander(texts["request"]):
        request = parsed(body)
        if request is None:
            st.code(body[:2_000].decode(errors="replace"), language=None)
        else:
            st.json(request, expanded=1)
    if isinstance(outcome, dict):
        with st.expander(texts["answer"]):
            st.json(outcome)
