"""An officer's own decision, in the place of the model's."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import streamlit as st

from dashboard.context import Page, failures_told


def show(page: Page, record: Mapping[str, Any]) -> None:
    """Show the form to decide: open where a person has to, else folded."""
    waits = record["final_decision"] == "refer"
    folded = nullcontext() if waits else st.expander(page.say("override"))
    with folded:
        _show_past(page, record)
        _ask(page, record, waits)


def _show_past(page: Page, record: Mapping[str, Any]) -> None:
    """Say what officers decided before, and what became of the loan."""
    for past in record["overrides"]:
        said = past | {"when": page.moment(past["at"]), "decision": page.say(past["decision"])}
        # Plain text, in which lines stay lines and signs stay signs.
        st.text(page.say("overridden", **said))
    if record["outcome"] is not None:
        st.write(page.say("defaulted" if record["outcome"]["defaulted"] else "repaid"))


def _ask(page: Page, record: Mapping[str, Any], waits: bool) -> None:
    # What was typed stays until it is recorded; the next override begins empty. A click draws the
    # page anew: what had been seen is what was there before.
    count, seen = st.session_state.get("seen", {}).get(
        record["id"], (len(record["overrides"]), record["etag"])
    )
    st.session_state["seen"] = {record["id"]: (count, record["etag"])}
    with st.form("override"), failures_told(page):
        st.subheader(page.say("decide" if waits else "override"), anchor=False)
        chosen = st.radio(
            page.say("decision"),
            ("accept", "refuse"),
            index=None,
            format_func=page.say,
            horizontal=True,
            key=f"override_decision_{count}",
        )
        motive = st.text_area(page.say("motive"), key=f"override_motive_{count}", max_chars=2000)
        actor = page.signature(f"override_actor_{count}")
        send = page.say("decide_send" if waits else "override_send")
        if not st.form_submit_button(send, type="primary" if waits else "secondary"):
            return
        if chosen is None or not (motive.strip() and actor):
            st.warning(page.say("who_and_why"), icon=":material/warning:")
            return
        page.api.override(record["id"], seen, chosen, actor, motive)
        del st.session_state["seen"]
        st.session_state["said"] = page.say("decide_kept" if waits else "override_kept")
        st.rerun()
