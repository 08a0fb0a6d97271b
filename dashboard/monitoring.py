"""What monitoring has found: the verdict, the alerts, how decisions moved, and the whole report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard.client import ApiError
from dashboard.context import Page, beside, failures_told, plain

_SHARES = ("accepted", "referred", "refused")
_ICONS = {"critical": ":material/error:", "warning": ":material/warning:"}


def show(page: Page) -> None:
    """The last look at the service, the most pressing first."""
    with failures_told(page):
        found = _last_look(page)
        if found is None:
            st.info(page.say("never_looked"), icon=":material/info:")
            return
        alerts = page.api.alerts()
        _show_verdict(page, alerts)
        when = {name: page.moment(found[name]) for name in ("at", "since", "until")}
        st.caption(page.say("looked", **when))
        _show_alerts(page, alerts)
        for model in found["models"]:
            _show_model(page, model)
        with st.expander(page.say("whole_report"), key="whole_report", on_change="rerun") as report:
            if report.open:
                # Made by the project itself, which has no script in it.
                st.iframe(page.api.monitoring_report(), height=900, alt=page.say("whole_report"))


def _last_look(page: Page) -> dict[str, Any] | None:
    try:
        return page.api.monitoring()
    except ApiError as error:
        if error.failure == "missing":
            return None
        raise


def _show_verdict(page: Page, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Say in one sentence how the service does: as ill as the gravest open alert."""
    critical = sum(alert["severity"] == "critical" for alert in alerts)
    if critical:
        st.error(page.say("verdict_critical", count=critical), icon=_ICONS["critical"])
    elif alerts:
        st.warning(page.say("verdict_warning", count=len(alerts)), icon=_ICONS["warning"])
    else:
        st.success(page.say("verdict_fine"), icon=":material/check_circle:")


def _show_alerts(page: Page, alerts: Sequence[Mapping[str, Any]]) -> None:
    if alerts:
        st.header(page.say("alerts"), anchor=False)
    for alert in alerts:
        box = st.error if alert["severity"] == "critical" else st.warning
        about = page.say("about_version", version=alert["model_version"])
        whom = about if alert["model_version"] else page.say("about_service")
        box(
            f"**{page.say(alert['severity'])}** ({whom}){page.say('colon')} "
            f"{plain(alert['message'])} {alert['advice']}",
            icon=_ICONS[alert["severity"]],
        )


def _show_model(page: Page, model: Mapping[str, Any]) -> None:
    decisions = page.number(model["decisions"])
    st.header(
        page.say("model_decided", version=model["model_version"], decisions=decisions), anchor=False
    )
    if model["comparison"] is not None:
        _show_drift(page, model["comparison"])


def _show_drift(page: Page, comparison: Mapping[str, Any]) -> None:
    with beside():
        st.metric(
            page.say("weighted_psi"), page.number(comparison["weighted_psi"], 3),
            help=page.say("psi_help"), width="content",
        )  # fmt: skip
        for name in _SHARES:
            share = comparison[name]
            moved = 100 * (share["current"] - share["reference"])
            st.metric(
                page.say(f"share_{name}"),
                page.percent(share["current"]),
                page.say("points", points=page.signed(moved, 1)),
                delta_color="off",
                delta_arrow="off",
                width="content",
            )
