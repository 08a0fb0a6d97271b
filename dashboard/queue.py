"""What waits for a person: referred applications, and reviews, overdue ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import decision, override
from dashboard.context import Page, failures_told
from dashboard.review import show_review


def show(page: Page) -> None:
    """List reviews by when they are due, then referred applications by their age."""
    with failures_told(page):
        reviews = page.api.reviews()
        overdue = sum(review["state"] == "overdue" for review in reviews)
        st.header(page.say("queue_reviews", count=len(reviews), overdue=overdue))
        if overdue:
            st.error(page.say("queue_overdue", count=overdue), icon=":material/alarm:")
        _show_reviews(page, reviews)
    with failures_told(page):
        referred = page.api.referred()
        # The oldest is first; an applicant who was scored again waits with the newest decision.
        newest = {waiting["applicant"]: waiting for waiting in referred}
        st.header(page.say("queue_referred", count=len(newest)))
        if older := len(referred) - len(newest):
            st.caption(page.say("queue_older", count=older))
        _show_referred(page, sorted(newest.values(), key=lambda waiting: str(waiting["at"])))


def _show_reviews(page: Page, reviews: Sequence[Mapping[str, Any]]) -> None:
    if not reviews:
        st.write(page.say("queue_empty"))
        return
    who = {review["id"]: _applicant(page, review) for review in reviews}
    page.table(
        {
            "number": who[review["id"]],
            "review_state": page.say(f"state_{review['state']}"),
            "due": page.moment(review["due_at"]),
            "received": page.moment(review["received_at"]),
            "assignee": review["assignee"] or "",
        }
        for review in reviews
    )
    due = {one["id"]: f"{who[one['id']]} · {page.moment(one['due_at'])}" for one in reviews}
    if chosen := _chosen(page, due, "queue_review"):
        show_review(page, chosen)


def _applicant(page: Page, review: Mapping[str, Any]) -> str:
    """Look up whose review it is: once, because looking is recorded, and again if it changes."""
    applicants: dict[Any, str] = st.session_state.setdefault("contested", {})
    key = page.api, review["id"], review["assignee"]
    if key not in applicants:
        applicants[key] = str(page.api.record(review["prediction_id"])["applicant"])
    return applicants[key]


def _show_referred(page: Page, referred: Sequence[Mapping[str, Any]]) -> None:
    if not referred:
        st.write(page.say("queue_empty"))
        return
    page.table(
        {
            "when": page.moment(waiting["at"]),
            "number": str(waiting["applicant"]),
            "pd": page.percent(waiting["probability_of_default"]),
            "refer": "; ".join(page.say(f"short_{why}") for why in waiting["refer_reasons"]),
        }
        for waiting in referred
    )
    who = {one["id"]: f"{one['applicant']} · {page.moment(one['at'])}" for one in referred}
    if chosen := _chosen(page, who, "queue_referred"):
        record = page.api.record(chosen)
        decision.show_in_force(page, record, record)
        decision.show_reasons(page, record)
        override.show(page, record)


def _chosen(page: Page, labels: Mapping[str, str], key: str) -> str | None:
    """Let one of those that wait be looked into; None while none is chosen."""
    return st.selectbox(
        page.say("queue_open"),
        list(labels),
        None,
        labels.__getitem__,
        key=key,
        placeholder=page.say("choose"),
    )
