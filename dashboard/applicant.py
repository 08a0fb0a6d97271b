"""The applicant's part of the page: who it is about, the decision, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from dashboard import decision, history, known, what_if
from dashboard.client import ApiError
from dashboard.context import Page, beside, failures_told, show_failure
from dashboard.form import ask_application
from dashboard.samples import history_rows, parsed, sample_files

_SOURCES = ("number", "file", "form")
_DETAILS = ("reasons", "comparison", "what_if", "history")


class Chosen(NamedTuple):
    """An applicant to ask about.

    Attributes
    ----------
    body : bytes
        What is sent to the API.
    rows : dict
        The applicant's rows, as far as they are understood; empty if they are not.
    """

    body: bytes
    rows: dict[str, Any]

    @property
    def number(self) -> int | None:
        """SK_ID_CURR, if there is one."""
        found = self.rows.get("application")
        number = found.get("SK_ID_CURR") if isinstance(found, dict) else None
        return number if isinstance(number, int) else None


def show(page: Page) -> None:
    """Choose an applicant, ask for a decision, and look into it."""
    with failures_told(page):
        chosen = _choose(page)
        if chosen is None:
            return
        _summarise(page, chosen.rows)
        # A form has a button of its own, which sends what is in it.
        asks = st.session_state["source"] != "form"
        if asks and st.button(page.say("ask"), type="primary", key="ask"):
            st.session_state["outcome"] = (chosen.body, _asked(page, chosen.body))
        body, outcome = st.session_state.get("outcome", (None, None))
        if body != chosen.body:
            return
        if isinstance(outcome, ApiError):
            show_failure(page, outcome)
        elif outcome is not None:
            _show_decision(page, chosen, outcome)


def _choose(page: Page) -> Chosen | None:
    source = st.radio(
        page.say("source"),
        _SOURCES,
        format_func=lambda one: page.say(f"source_{one}"),
        horizontal=True,
        key="source",
        persist_state="page",
    )
    if source == "number":
        return _by_number(page)
    return _from_file(page) if source == "file" else _from_form(page)


def _by_number(page: Page) -> Chosen | None:
    samples = sample_files(page.settings.examples)
    hint = page.say("for_example", number=samples[0].stem) if samples else ""
    typed = st.text_input(
        page.say("number"), key="number", help=hint, placeholder=hint, persist_state="page"
    ).strip()
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) <= 10):
        st.warning(page.say("not_a_number"), icon=":material/warning:")
        return None
    return _known(page, int(typed))


def _known(page: Page, number: int) -> Chosen | None:
    """Somebody whom the service knows."""
    # Looking is recorded: once, and not at each click.
    if st.session_state.get("looked_at", (None,))[0] != (number, page.api):
        try:
            st.session_state["looked_at"] = (number, page.api), page.api.applicant(number)
        except ApiError as error:
            if error.failure != "no_scope":
                raise
            st.warning(page.say("no_read"), icon=":material/lock:")
            return None
    rows = st.session_state["looked_at"][1]["rows"]
    return Chosen(json.dumps({"SK_ID_CURR": number}).encode(), rows)


def _from_file(page: Page) -> Chosen | None:
    """The chosen sample; an uploaded file goes before it."""
    files = sample_files(page.settings.examples)
    chosen = None
    if files:
        chosen = st.selectbox(
            page.say("sample"), files, format_func=lambda path: path.stem, key="sample"
        )
    else:
        folder = page.settings.examples
        st.info(page.say("no_samples", folder=folder), icon=":material/folder_off:")
    uploaded = st.file_uploader(page.say("upload"), type="json", key="upload")
    if uploaded is not None:
        st.caption(page.say("upload_used"))
        rows = parsed(uploaded.getvalue()) or {}
        if rows.keys() == {"SK_ID_CURR"} and type(rows["SK_ID_CURR"]) is int:
            return _known(page, rows["SK_ID_CURR"])
        return Chosen(uploaded.getvalue(), rows)
    return (
        None if chosen is None else Chosen(chosen.read_bytes(), parsed(chosen.read_bytes()) or {})
    )


def _from_form(page: Page) -> Chosen | None:
    """An application that is typed in, once it was decided on: until then the form is there."""
    typed: Chosen | None = st.session_state.get("typed")
    # A form beside the decision could be given other values than were decided on.
    if typed is not None and typed.body == st.session_state["outcome"][0]:
        if not st.button(page.say("form_another"), key="another", icon=":material/edit_note:"):
            return typed
        del st.session_state["typed"]
    start = _start(page)
    key = f"form_{start['application'].get('SK_ID_CURR', '')}"
    values, refused = st.session_state.get("draft", {}).get(key, (start["application"], None))
    with st.form("application", enter_to_submit=False):
        st.write(page.say("form_intro"))
        values = ask_application(page, known.columns(page.api), values, key)
        if st.form_submit_button(page.say("ask"), type="primary", key="ask"):
            refused = _sent(page, start, values)
            st.session_state["draft"] = {key: (values, refused)}
    if refused is not None:
        show_failure(page, refused)
    return None


def _start(page: Page) -> dict[str, Any]:
    """What a form begins from: nothing, unless the applicant decided on last is chosen."""
    nothing = {"application": {}, **known.no_history(page.api)}
    rows, history = st.session_state.get("rows", (None, None))
    if rows is None:
        return nothing
    # Without any table of it, the service takes the history that it has.
    stored = history == "stored" and rows.keys() == {"application"}
    count = page.say("history_stored") if stored else page.number(history_rows(rows))
    number = rows["application"].get("SK_ID_CURR")
    told = [page.say("begin_empty"), page.say("begin_last", number=number, rows=count)]
    if not st.radio(page.say("begin"), (0, 1), format_func=told.__getitem__, key="begin"):
        return nothing
    return rows if stored else {**nothing, **rows}


def _sent(page: Page, start: Mapping[str, Any], application: dict[str, Any]) -> ApiError:
    """Ask for the decision on a form; it is shown in the form's place, unless it is refused."""
    same = application.get("SK_ID_CURR") == start["application"].get("SK_ID_CURR")
    # A history belongs to a number; with another one it is somebody else's.
    rows = {**(start if same else known.no_history(page.api)), "application": application}
    chosen = Chosen(json.dumps(rows).encode(), rows)
    outcome = _asked(page, chosen.body)
    if not isinstance(outcome, ApiError):
        st.session_state.update(typed=chosen, outcome=(chosen.body, outcome), draft={})
        st.rerun()
    return outcome


def _summarise(page: Page, rows: Mapping[str, Any]) -> None:
    application = rows.get("application")
    if not isinstance(application, dict):
        return
    amounts = {
        "credit": application.get("AMT_CREDIT"),
        "annuity": application.get("AMT_ANNUITY"),
        "income": application.get("AMT_INCOME_TOTAL"),
        "history_rows": history_rows(dict(rows)),
    }
    with beside():
        for name, amount in amounts.items():
            st.metric(page.say(name), page.value(amount), width="content")


def _asked(page: Page, body: bytes) -> dict[str, Any] | ApiError:
    try:
        with st.spinner(page.say("asking")):
            return page.api.decide(body)
    except ApiError as error:
        return error


def _show_decision(page: Page, chosen: Chosen, answer: dict[str, Any]) -> None:
    if isinstance(chosen.rows.get("application"), dict):
        st.session_state["rows"] = chosen.rows, answer.get("history")
    decision.show_verdict(page, answer)
    st.caption(page.say("model_said", id=answer["id"], **answer["model"]))
    names = [page.say(f"{name}_tab") for name in _DETAILS]
    for name, tab in zip(
        _DETAILS, st.tabs(names, key=f"details_{page.language}", on_change="rerun"), strict=True
    ):
        # What is not looked at is not asked for.
        if tab.open:
            with tab, failures_told(page):
                _show_detail(page, name, chosen, answer)


def _show_detail(page: Page, name: str, chosen: Chosen, answer: dict[str, Any]) -> None:
    if name == "reasons":
        decision.show_reasons(page, answer, page.api.explanation(answer["id"]))
    elif name == "comparison":
        decision.show_comparison(page, page.api.explanation(answer["id"]))
    elif name == "what_if":
        what_if.show(page, chosen.rows, answer["id"])
    else:
        history.show(page, answer, chosen.number)
