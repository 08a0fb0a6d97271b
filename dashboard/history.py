"""Earlier decisions on an applicant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.context import Page
from dashboard.form import NUMBER


def show(page: Page, rows: Mapping[str, Any]) -> None:
    """List the decisions on an applicant, the newest first."""
    application = rows.get("application")
    number = application.get(NUMBER) if isinstance(application, dict) else None
    past: dict[str, Any] = {"decisions": []}
    if isinstance(number, int):
        past = page.api.history(number)
    if past.get("own_only"):
        st.info(page.say("own_only"), icon=":material/info:")
    if not past["decisions"]:
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
        for record in past["decisions"]
    )
