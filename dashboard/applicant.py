"""The applicant's part of the page: who it is about, the decision, and what can be done with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from dashboard import decision, history, known, offers, override, review, what_if
from dashboard.client import ApiError, FieldError
from dashboard.context import Page, beside, failures_told, plain, show_failure
from dashboard.form import NUMBER, Field, ask_application, whole_years
from dashboard.samples import history_rows, parsed, sample_files

_SOURCES = ("number", "file", "form")
# What stands in the place of an applicant who was erased.
_ERASED = "erased"
_AMOUNTS = ("AMT_INCOME_TOTAL", "AMT_CREDIT", "AMT_ANNUITY")
_DETAILS = ("steps", "offers", "what_if", "similar", "review", "history")


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


class Outcome(NamedTuple):
    """What the API made of an applicant.

    Attributes
    ----------
    body : bytes
        What was chosen when it was asked.
    rows : dict
        The rows that were decided on: those chosen, or those of a loan that was offered.
    answer : dict or ApiError
        The decision, or why there is none.
    """

    body: bytes
    rows: dict[str, Any]
    answer: dict[str, Any] | ApiError


def show(page: Page) -> None:
    """Choose an applicant, ask for a decision, and look into it."""
    with failures_told(page):
        chosen = _choose(page)
        if chosen is None:
            return
        outcome: Outcome | None = st.session_state.get("outcome")
        # A form has a button of its own, which sends what is in it.
        if st.session_state["source"] != "form" and st.button(
            page.say("ask"), type="primary", key="ask"
        ):
            outcome = Outcome(chosen.body, chosen.rows, _asked(page, chosen.body))
            st.session_state["outcome"] = outcome
        if outcome is None or outcome.body != chosen.body:
            _show_card(page, chosen.rows, {})
        elif isinstance(outcome.answer, ApiError):
            show_failure(page, outcome.answer)
        else:
            _show_outcome(page, outcome, outcome.answer)


def _choose(page: Page) -> Chosen | None:
    source = st.radio(
        page.say("source"),
        _SOURCES,
        format_func=lambda source: page.say(f"source_{source}"),
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
    if typed is not None and typed.body == st.session_state["outcome"].body:
        if not st.button(page.say("form_another"), key="another", icon=":material/edit_note:"):
            return typed
        del st.session_state["typed"]
    start = _start(page)
    key = f"form_{start['application'].get(NUMBER, '')}"
    values, refused = st.session_state.get("draft", {}).get(key, (start["application"], None))
    columns = known.columns(page.api)
    with st.form("application", enter_to_submit=False):
        st.write(page.say("form_intro"))
        values = ask_application(page, columns, values, key)
        if st.form_submit_button(page.say("ask"), type="primary", key="ask"):
            refused = _lacking(columns, values) or _sent(page, start, values)
            if refused is None:
                st.rerun()
            st.session_state["draft"] = {key: (values, refused)}
    if refused is not None:
        show_failure(page, refused, {name: field.label for name, field in columns.items()})
    return None


def _lacking(columns: Mapping[str, Field], values: Mapping[str, Any]) -> ApiError | None:
    """Find what must be given and is not, which one need not ask the API."""
    names = [name for name, field in columns.items() if field.required and name not in values]
    errors = tuple(FieldError(f"/application/{name}", "") for name in names)
    return ApiError("incomplete", errors=errors) if errors else None


def _start(page: Page) -> dict[str, Any]:
    """What a form begins from: nothing, unless the applicant decided on last is chosen."""
    nothing = {"application": {}, **known.no_history(page.api)}
    rows, history = st.session_state.get("rows", (None, None))
    if rows is None:
        return nothing
    # Without any table of it, the service takes the history that it has.
    stored = history == "stored" and rows.keys() == {"application"}
    used, count = "stored" if stored else "rows", page.number(history_rows(rows))
    number = rows["application"].get(NUMBER)
    said = page.say(f"history_{used}", rows=count)
    choices = [page.say("begin_empty"), page.say("begin_last", number=number, rows=said)]
    if not st.radio(page.say("begin"), (0, 1), format_func=choices.__getitem__, key="begin"):
        return nothing
    return rows if stored else {**nothing, **rows}


def _sent(page: Page, start: Mapping[str, Any], application: dict[str, Any]) -> ApiError | None:
    """Ask for the decision on a form, which is shown in its place; return why there is none."""
    same = application.get(NUMBER) == start["application"].get(NUMBER)
    # A history belongs to a number; with another one it is somebody else's.
    rows = {**(start if same else known.no_history(page.api)), "application": application}
    chosen = Chosen(json.dumps(rows).encode(), rows)
    answer = _asked(page, chosen.body)
    if isinstance(answer, ApiError):
        return answer
    # What the service called an applicant without a number, it is called from now on.
    application.setdefault(NUMBER, answer["applicant"])
    outcome = Outcome(chosen.body, rows, answer)
    st.session_state.update(typed=chosen, outcome=outcome, draft={})
    return None


def _show_card(page: Page, rows: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """Show who it is: age, work, the loan, and how much of the whole is known."""
    application = rows.get("application")
    if not isinstance(application, dict):
        return
    columns = known.columns(page.api)
    used, count = answer.get("history") or "rows", page.number(history_rows(dict(rows)))
    facts = {
        page.say("age"): _years(page, application.get("DAYS_BIRTH")),
        page.say("work"): _work(page, application, columns),
        **{columns[name].label: page.value(application.get(name)) for name in _AMOUNTS},
        page.say("history"): page.say(f"history_{used}", rows=count),
    }
    if answer.get("known") is not None:
        facts[page.say("known")] = page.percent(answer["known"])
    with st.container(border=True):
        with beside():
            for name, fact in facts.items():
                with st.container(width="content", gap=None):
                    st.caption(name)
                    st.markdown(f"**{plain(fact)}**")
        st.caption(page.say("amounts_in", unit=columns[_AMOUNTS[0]].unit))


def _years(page: Page, days: object) -> str:
    if not isinstance(days, int | float) or days > 0:
        return page.say("unknown")
    return page.say("in_years", years=page.number(whole_years(days)))


def _work(page: Page, application: Mapping[str, Any], columns: Mapping[str, Field]) -> str:
    """Say the occupation, or else the source of income, and for how long it has been."""
    column = "OCCUPATION_TYPE" if application.get("OCCUPATION_TYPE") else "NAME_INCOME_TYPE"
    work = application.get(column)
    if work is None:
        return page.say("unknown")
    said, days = columns[column].options.get(work, str(work)), application.get("DAYS_EMPLOYED")
    if isinstance(days, int | float) and days <= 0:
        said = page.say("work_for", work=said, years=_years(page, days))
    return said


def _asked(page: Page, body: bytes) -> dict[str, Any] | ApiError:
    try:
        with st.spinner(page.say("asking")):
            return page.api.decide(body)
    except ApiError as error:
        return error


def _show_outcome(page: Page, outcome: Outcome, answer: dict[str, Any]) -> None:
    """Show who it is and what was decided, or that the applicant was erased meanwhile."""
    record = page.api.record(answer["id"])
    if record["applicant"] == _ERASED:
        # Nothing is kept but what remains on record.
        for name in ("rows", "typed", "draft"):
            st.session_state.pop(name, None)
        if looked_at := st.session_state.get("looked_at"):
            st.session_state["looked_at"] = looked_at[0], {"rows": {}}
        st.session_state["outcome"] = Outcome(outcome.body, {}, record)
        decision.show_erased(page, record)
        return
    _show_card(page, outcome.rows, answer)
    if isinstance(outcome.rows.get("application"), dict):
        st.session_state["rows"] = outcome.rows, answer.get("history")
    _show_decision(page, outcome, answer, record)


def _show_decision(
    page: Page, outcome: Outcome, answer: dict[str, Any], record: dict[str, Any]
) -> None:
    """Show the decision in force, its reasons in sentences, and then all the rest."""
    decision.show_in_force(page, answer, record)
    if origin := answer.get("counter_offer_to"):
        st.caption(page.say("counter_offer", id=origin))
        st.text(page.say("taken_by", actor=answer.get("actor") or page.say("unknown")))
    override.show(page, record)
    decision.show_reasons(page, record)
    names = [page.say(f"{name}_tab") for name in _DETAILS]
    for name, tab in zip(
        _DETAILS, st.tabs(names, key=f"details_{page.language}", on_change="rerun"), strict=True
    ):
        # What is not looked at is not asked for.
        if tab.open:
            with tab, failures_told(page):
                _show_detail(page, name, outcome, record)
    st.caption(page.say("model_said", id=answer["id"], **answer["model"]))


def _show_detail(page: Page, name: str, outcome: Outcome, record: dict[str, Any]) -> None:
    if name == "steps":
        decision.show_steps(page, record, page.api.explanation(record["id"]))
    elif name == "offers":
        _show_offers(page, outcome, record)
    elif name == "what_if":
        what_if.show(page, outcome.rows, record["id"])
    elif name == "similar":
        decision.show_similar(page, record, page.api.explanation(record["id"]))
    elif name == "review":
        review.show(page, record)
    else:
        history.show(page, outcome.rows, record["id"])


def _show_offers(page: Page, outcome: Outcome, record: dict[str, Any]) -> None:
    """Show what would be accepted; a loan that is taken is decided on, and shown next."""
    rows = offers.show(page, outcome.rows, record)
    if rows is None:
        return
    taken = {**rows, "counter_offer_to": record["id"], "actor": page.actor}
    answer = _asked(page, json.dumps(taken).encode())
    if isinstance(answer, ApiError):
        raise answer
    st.session_state["outcome"] = Outcome(outcome.body, rows, answer)
    st.rerun()
