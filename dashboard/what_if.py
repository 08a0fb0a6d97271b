"""What if: change what can be agreed on, and see what the model would say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import known
from dashboard.context import Page, beside, failures_told
from dashboard.decision import show_list, show_verdict
from dashboard.form import Field, ask

# The loan can change; the applicant cannot.
_LOAN = ("AMT_CREDIT", "AMT_GOODS_PRICE", "AMT_ANNUITY")


@st.fragment
def show(page: Page, rows: Mapping[str, Any], decision: str) -> None:
    """Show widgets for the loan after a decision, and both answers."""
    st.write(page.say("what_if_intro"))
    with failures_told(page):
        application = dict(rows["application"])
        changed = _changed(page, application, known.columns(page.api), decision)
        if not changed:
            st.info(page.say("nothing_changed"), icon=":material/info:")
            return
        before = page.api.what_if(rows)
        after = page.api.what_if({**rows, "application": {**application, **changed}})
        _show_difference(page, before, after)


def _changed(
    page: Page, application: Mapping[str, Any], columns: Mapping[str, Field], decision: str
) -> dict[str, Any]:
    """Ask for another loan; return the columns that were given another value."""
    values = {}
    for name, place in zip(_LOAN, st.columns(len(_LOAN)), strict=True):
        with place:
            key = f"what_if_{decision}_{name}"
            field = columns[name]._replace(required=False)
            values[name] = ask(page, field, application.get(name), key)
            asked = page.value(application.get(name))
            st.caption(f"{page.say('before')}{page.say('colon')} {asked}")
    return {name: value for name, value in values.items() if value != application.get(name)}


def _show_difference(page: Page, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    answers = {"before": before, "after": after}
    shares = [answer["probability_of_default"] for answer in answers.values()]
    with beside():
        for (name, answer), said in zip(answers.items(), page.percents(*shares), strict=True):
            st.metric(page.say(name), f"{said} · {page.say(answer['decision'])}", width="content")
    show_verdict(page, after, "scale_after")
    refused = after["decision"] == "refuse"
    st.write(page.say("reasons_after" if refused else "against_after"))
    show_list(page, [reason["texts"][page.language] for reason in after["reasons"]])
