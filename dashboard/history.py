"""Earlier decisions on an applicant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.context import Page
from dashboard.decision import kind_of
from dashboard.form import NUMBER


def show(page: Page, rows: Mapping[str, Any], decision: str) -> None:
    """List the other decisions on an applicant than the one on the screen, the newest first."""
    application = rows.get("application")
    number = application.get(NUMBER) if isinstance(application, dict) else None
    past: dict[str, Any] = {"decisions": []}
    if isinstance(number, int):
        past = page.api.history(number)
    if past.get("own_only"):
        st.info(page.say("own_only"), icon=":material/info:")
    others = [record for record in past["decisions"] if record["id"] != decision]
    if not others:
        st.write(page.say("no_earlier"))
        return
    page.table(_row(page, record) for record in others)


def _row(page: Page, record: Mapping[str, Any]) -> dict[str, str]:
    pd, cutoff = page.percents(record["probability_of_default"], record["cutoff"])
    return {
        "when": page.moment(record["at"]), "decision": page.say(kind_of(record)),
        "pd": pd, "cutoff_row": cutoff, "version": record["model"]["version"],
        "who_took": record.get("actor") or "",
    }  # fmt: skip
