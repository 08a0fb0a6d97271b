"""Earlier decisions on an applicant, and an officer's own in the place of the last one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.context import Page, failures_told


def show(page: Page, answer: Mapping[str, Any], number: int | None) -> None:
    """The record of this decision, a form to decide otherwise, and the decisions before it."""
    record = page.api.record(answer["id"])
    _show_record(page, record)
    _ask_override(page, record)
    st.header(page.say("earlier"))
    found = {"decisions": []} if number is None else page.api.history(number)
    if found.get("own_only"):
        st.info(page.say("own_only"), icon=":material/info:")
    earlier = found["decisions"]
    if not earlier:
        st.write(page.say("no_earlier"))
        return
    page.table(
        {
            "when": page.moment(record["at"]),
            "decision": page.say(record["decision"]),
            "pd": page.percent(record["probability_of_default"]),
            "cutoff_row": page.percent(record["cutoff"]),
            "version": record["model"]["version"],
            "identity": record["id"],
        }
        for record in earlier
    )


def _show_record(page: Page, record: Mapping[str, Any]) -> None:
    st.write(page.say("stands", decision=page.say(record["final_decision"])))
    for override in record["overrides"]:
        said = override | {
            "when": page.moment(override["at"]), "decision": page.say(override["decision"])
        }  # fmt: skip
        # Plain text, in which lines stay lines and signs stay signs.
        st.text(page.say("overridden", **said))
    if record["outcome"] is not None:
        st.write(page.say("defaulted" if record["outcome"]["defaulted"] else "repaid"))


def _ask_override(page: Page, record: Mapping[str, Any]) -> None:
    # What was typed stays until it is recorded; the next override begins empty. A click draws the
    # page anew: what had been seen is what was there before.
    count, seen = st.session_state.get("seen", {}).get(
        record["id"], (len(record["overrides"]), record["etag"])
    )
    st.session_state["seen"] = {record["id"]: (count, record["etag"])}
    with st.form("override"), failures_told(page):
        st.header(page.say("override"))
        chosen = st.radio(
            page.say("decision"),
            ("accept", "refuse"),
            index=None,
            format_func=page.say,
            horizontal=True,
            key=f"override_decision_{count}",
        )
        motive = st.text_area(page.say("motive"), key=f"override_motive_{count}", max_chars=2000)
        if not st.form_submit_button(page.say("override_send")):
            return
        if chosen is None or not (motive.strip() and page.actor.strip()):
            st.warning(page.say("who_and_why"), icon=":material/warning:")
            return
        page.api.override(record["id"], seen, chosen, page.actor, motive)
        del st.session_state["seen"]
        st.session_state["said"] = page.say("override_kept")
        st.rerun()
