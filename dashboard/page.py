"""The page of credit officers: applicants, what waits, batches, monitoring, models.

Nothing of the API is kept but the last answers on the screen, and those only while the same
application is chosen.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import applicant, batch, models, monitoring, queue
from dashboard.client import Api, ApiError
from dashboard.context import Page, show_failure
from dashboard.settings import Settings
from dashboard.texts import LANGUAGES, TEXTS, Language

_TABS: dict[str, Callable[[Page], None]] = {
    "applicant_tab": applicant.show,
    "queue_tab": queue.show,
    "batch_tab": batch.show,
    "monitoring_tab": monitoring.show,
    "model_tab": models.show,
}


def show() -> None:
    """Draw the page."""
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        st.error(f"API_TIMEOUT: {error}", icon=":material/error:")
        return
    # No icon: Streamlit would have the browser fetch it from the internet.
    st.set_page_config(page_title="Credit scoring", layout="wide")
    page = _sidebar(settings)
    st.title(page.say("title"), anchor=False)
    _show_state(page)
    if st.session_state.get("demonstration"):
        st.warning(page.say("demonstration"), icon=":material/science:")
    if said := st.session_state.pop("said", None):
        st.success(said, icon=":material/check_circle:")
    names = [page.say(name) for name in _TABS]
    tabs = st.tabs(names, key=_key_of_tabs(page, names), on_change="rerun")
    for place, (draw, tab) in enumerate(zip(_TABS.values(), tabs, strict=True)):
        # Only what is looked at asks the API.
        if tab.open:
            st.session_state["tab"] = place
            with tab:
                draw(page)


def _key_of_tabs(page: Page, names: list[str]) -> str:
    """The tabs' key; another language has other names, and the same place."""
    key = f"tabs_{page.language}"
    if st.session_state.get("drawn", page.language) != page.language:
        st.session_state[key] = names[st.session_state["tab"]]
    st.session_state["drawn"] = page.language
    return key


def _sidebar(settings: Settings) -> Page:
    # The reports link to the page in the language that they are read in.
    asked, known = st.query_params.get("lang"), list(LANGUAGES)
    with st.sidebar:
        language: Language = st.radio(
            " / ".join(texts["choose_language"] for texts in TEXTS.values()),
            known,
            index=known.index(asked) if asked in known else 0,
            format_func=LANGUAGES.__getitem__,
            key="language",
        )
        page = Page(Api(settings.api_url, "", language, settings.timeout), settings, language, "")
        actor = st.text_input(page.say("actor"), key="actor", autocomplete="name", max_chars=200)
        # It begins empty: what a widget begins with is sent to every browser.
        key = st.text_input(
            page.say("key"), type="password", key="api_key", help=page.say("key_help"),
            autocomplete="off",
        ).strip()  # fmt: skip
        if settings.shared_key and not key:
            st.caption(page.say("shared_key"))
            key = settings.shared_key
        api = Api(settings.api_url, key, language, settings.timeout)
    return page._replace(api=api, actor=actor)


def _show_state(page: Page) -> None:
    """Whether the API is there, in words; that it is not is seen on a telephone too."""
    st.sidebar.caption(page.say("api", url=page.settings.shown_url))
    try:
        model = page.api.ready()["model"]
    except ApiError as error:
        show_failure(page, error)
    else:
        st.session_state["demonstration"] = model.get("demonstration")
        ready = page.say("ready", version=model["version"])
        st.sidebar.caption(f":material/check_circle: {ready}")
