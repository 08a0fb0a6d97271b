"""What would be accepted in the place of the loan that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.context import Page, beside, failures_told, plain
from dashboard.decision import kind_of


def show(page: Page, rows: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Search for offers, and let one be taken.

    Parameters
    ----------
    page : Page
        In whose language.
    rows : mapping
        The applicant's rows, as they were decided on.
    answer : mapping
        The decision.

    Returns
    -------
    dict or None
        The rows with the loan that was taken; None while none is.
    """
    with failures_told(page), st.spinner(page.say("searching")):
        found = page.api.offers(rows)
        if answer["final_decision"] == "accept" != answer["model_decision"]:
            st.write(page.say("offers_drawn" if kind_of(answer) == "drawn" else "offers_besides"))
        st.write(found["texts"][page.language])
        pds = [offer["probability_of_default"] for offer in found["offers"]]
        # The last is what they are held against.
        said = page.percents(*pds, answer["refer_band"][0])[:-1]
        for place, (offer, pd) in enumerate(zip(found["offers"], said, strict=True)):
            with st.container(border=True):
                _show_offer(page, offer, pd)
                key, unnamed = f"offer_{answer['id']}_{place}", not page.actor.strip()
                if st.button(page.say("take_offer"), key=key, disabled=unnamed):
                    return {**rows, "application": {**rows["application"], **offer["columns"]}}
    return None


def _show_offer(page: Page, offer: Mapping[str, Any], pd: str) -> None:
    st.markdown(f"**{offer['texts'][page.language]}**")
    said = [f"- {plain(changed['texts'][page.language])}" for changed in offer["changed"]]
    st.markdown("\n".join(said))
    with beside():
        if offer["payments"] is not None:
            st.metric(page.say("payments"), page.number(offer["payments"]), width="content")
        if offer["cost_of_credit"] is not None:
            cost = page.number(round(offer["cost_of_credit"]))
            st.metric(page.say("cost_of_credit"), cost, width="content")
        st.metric(page.say("pd"), pd, width="content")
