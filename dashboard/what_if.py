"""What if: change values of the application and see what the model would say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import known
from dashboard.context import Page, beside, failures_told
from dashboard.decision import show_verdict
from dashboard.form import Field, ask

_FIRST = ("AMT_CREDIT", "AMT_ANNUITY", "EXT_SOURCE_2", "EXT_SOURCE_3")
_MOVED = 8


@st.fragment
def show(page: Page, rows: Mapping[str, Any], decision: str) -> None:
    """Widgets for the values that one chooses to change after a decision, and both answers."""
    st.write(page.say("what_if_intro"))
    with failures_told(page):
        application = dict(rows["application"])
        changed = _changed(page, application, known.columns(page.api), decision)
        before = page.api.what_if(rows)
        if not changed:
            st.info(page.say("nothing_changed"), icon=":material/info:")
            return
        after = page.api.what_if({**rows, "application": {**application, **changed}})
        _show_difference(page, before, after)


def _changed(
    page: Page, application: Mapping[str, Any], columns: Mapping[str, Field], decision: str
) -> dict[str, Any]:
    """The columns that were given another value."""
    names = [name for name in columns if name != "SK_ID_CURR"]
    chosen = st.multiselect(
        page.say("changed_fields"),
        names,
        default=[name for name in _FIRST if name in columns],
        format_func=lambda name: columns[name].label,
        key="changed",
    )
    found = {}
    across = st.columns(2)
    for place, name in enumerate(chosen):
        with across[place % 2]:
            key = f"what_if_{decision}_{name}"
            found[name] = ask(page, columns[name], application.get(name), key)
    return {name: value for name, value in found.items() if value != application.get(name)}


def _show_difference(page: Page, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    first, second = (one["probability_of_default"] for one in (before, after))
    show_verdict(page, after)
    with beside():
        st.metric(page.say("before"), f"{page.percent(first)} · {page.say(before['decision'])}")
        st.metric(page.say("after"), f"{page.percent(second)} · {page.say(after['decision'])}")
    moved = _moves(before, after)[:_MOVED]
    st.write(page.say("moved"))
    page.table(
        {
            "feature": text,
            "before": page.signed(old, 3),
            "after": page.signed(new, 3),
            "difference": page.signed(new - old, 3),
        }
        for text, old, new in moved
    )


def _moves(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """The contributions that have changed, the most first."""
    old, new = (
        {cause["text"]: cause["contribution"] for cause in answer["causes"]}
        for answer in (before, after)
    )
    moves = [(text, old.get(text, 0.0), new.get(text, 0.0)) for text in old | new]
    return sorted((move for move in moves if move[1] != move[2]), key=lambda m: -abs(m[2] - m[1]))
