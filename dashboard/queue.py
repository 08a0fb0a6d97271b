"""What waits for a person: referred applications, and reviews, overdue ones first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import decision, override
from dashboard.context import Page, failures_told
from dashboard.review import show_review


def show(page: Page) -> None:
    """List reviews by when they are due, then referred applications, and look into one of them."""
    with failures_told(page):
        reviews = _show_reviews(page, page.api.reviews())
        referred = _show_referred(page, page.api.referred())
        waiting = reviews | referred
        chosen = st.selectbox(
            page.say("queue_open"), list(waiting), None, waiting.__getitem__, key="queue_chosen",
            placeholder=page.say("choose"),
        )  # fmt: skip
        if chosen in reviews:
            _show_case(page, page.api.review(chosen)["prediction_id"])
            show_review(page, chosen)
        elif chosen:
            override.show(page, _show_case(page, chosen))


def _show_case(page: Page, number: str) -> dict[str, Any]:
    """Show a decision and why it was made; return its record."""
    record = page.api.record(number)
    decision.show_in_force(page, record, record)
    decision.show_reasons(page, record)
    return record


def _show_reviews(page: Page, reviews: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """List reviews; return what each is called, by its id."""
    st.header(page.say("queue_reviews", count=len(reviews)), anchor=False)
    if overdue := sum(review["state"] == "overdue" for review in reviews):
        st.error(page.say("queue_overdue", count=overdue), icon=":material/alarm:")
    who = {review["id"]: _applicant(page, review) for review in reviews}
    rows = [
        {
            "applicant": who[review["id"]],
            "review_state": page.say(f"state_{review['state']}"),
            "due": page.moment(review["due_at"]),
            "received": page.moment(review["received_at"]),
            "assignee": review["assignee"] or "",
        }
        for review in reviews
    ]
    _show_table(page, rows)
    states = (page.say(f"review_{review['state']}") for review in reviews)
    return {number: f"{who[number]} · {state}" for number, state in zip(who, states, strict=True)}


def _applicant(page: Page, review: Mapping[str, Any]) -> str:
    """Look up whose review it is: once, because looking is recorded, and again if it changes."""
    applicants: dict[Any, str] = st.session_state.setdefault("contested", {})
    key = page.api, review["id"], review["assignee"]
    if key not in applicants:
        applicants[key] = str(page.api.record(review["prediction_id"])["applicant"])
    return applicants[key]


def _show_referred(page: Page, referred: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """List referred applications by their age; return what each is called, by its id."""
    # The oldest is first; an applicant who was scored again waits with the newest decision.
    newest = {waiting["applicant"]: waiting for waiting in referred}
    st.header(page.say("queue_referred", count=len(newest)), anchor=False)
    if older := len(referred) - len(newest):
        st.caption(page.say("queue_older", count=older))
    oldest_first = sorted(newest.values(), key=lambda waiting: str(waiting["at"]))
    rows = [
        {
            "applicant": str(waiting["applicant"]),
            "pd": page.percent(waiting["probability_of_default"]),
            "refer": "; ".join(page.say(f"short_{why}") for why in waiting["refer_reasons"]),
            "when": page.moment(waiting["at"]),
        }
        for waiting in oldest_first
    ]
    _show_table(page, rows)
    return {one["id"]: f"{one['applicant']} · {page.moment(one['at'])}" for one in oldest_first}


def _show_table(page: Page, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        page.table(rows)
    else:
        st.write(page.say("queue_empty"))
