"""The applicant's side: the notice of a decision, and a review by a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.context import Page, failures_told


def show(page: Page, record: Mapping[str, Any]) -> None:
    """Offer the notice for download, and show the decision's reviews and a form for a new one."""
    _offer_notice(page, record["id"])
    reviews = page.api.reviews_of(record["id"])
    for facts in reviews:
        show_review(page, facts["id"])
    if all(facts["state"] == "decided" for facts in reviews):
        _ask_for_review(page, record["id"], len(reviews))


def _offer_notice(page: Page, number: str) -> None:
    st.subheader(page.say("notice"), anchor=False)
    st.write(page.say("notice_intro"))
    name = f"{page.say('notice_file')}_{number[:8]}.html"
    with failures_told(page):
        content = page.api.notice(number)
        st.download_button(
            page.say("notice_take"), content, name, "text/html", key=f"notice_{number}",
            icon=":material/print:",
        )  # fmt: skip
        with st.expander(page.say("notice_look")):
            # Made by the API itself, without any script.
            st.iframe(content, height=700, alt=page.say("notice"))


def show_review(page: Page, number: str) -> None:
    """Show a review, and while it waits the forms to take it on and to decide."""
    review = page.api.review(number)
    with st.container(border=True):
        st.subheader(page.say(f"review_{review['state']}"), anchor=False)
        ends = "decided" if review["state"] == "decided" else "due"
        when = {name: page.moment(review[f"{name}_at"]) for name in ("received", ends)}
        st.write(page.say(f"review_until_{ends}", **when))
        st.text(page.say("review_words", words=review["words"]))
        if review["state"] == "decided":
            decision = page.say(review["decision"])
            st.text(page.say("review_ruled", **{**review, "decision": decision}))
            return
        who = review["assignee"]
        st.text(page.say("review_assigned", who=who) if who else page.say("review_unassigned"))
        _ask_ruling(page, review)


def _ask_ruling(page: Page, review: Mapping[str, Any]) -> None:
    if not review["assignee"]:
        who = page.signature(f"take_actor_{review['id']}")
        if st.button(page.say("review_take"), key=f"take_{review['id']}", disabled=not who):
            page.api.assign(review["id"], who)
            st.rerun()
    with st.form(f"ruling_{review['id']}"), failures_told(page):
        decision = st.radio(
            page.say("decision"), ("accept", "refuse"), None, page.say, horizontal=True,
            key=f"ruling_decision_{review['id']}",
        )  # fmt: skip
        motive = st.text_area(
            page.say("motive_told"), key=f"ruling_motive_{review['id']}", max_chars=2000
        )
        actor = page.signature(f"ruling_actor_{review['id']}", review["assignee"] or "")
        if not st.form_submit_button(page.say("ruling_send"), type="primary"):
            return
        if decision is None or not (motive.strip() and actor):
            st.warning(page.say("who_and_why"), icon=":material/warning:")
            return
        etag = page.api.record(review["prediction_id"])["etag"]
        page.api.decide_review(review["id"], etag, decision, actor, motive)
        st.session_state["said"] = page.say("ruling_kept")
        st.rerun()


def _ask_for_review(page: Page, number: str, count: int) -> None:
    with st.form(f"contest_{number}"), failures_told(page):
        st.subheader(page.say("contest"), anchor=False)
        st.write(page.say("contest_intro"))
        words = st.text_area(
            page.say("contest_words"), key=f"contest_words_{count}", max_chars=2000
        )
        if not st.form_submit_button(page.say("contest_send")):
            return
        if not words.strip():
            st.warning(page.say("contest_empty"), icon=":material/warning:")
            return
        page.api.contest(number, words)
        st.session_state["said"] = page.say("contest_kept")
        st.rerun()
