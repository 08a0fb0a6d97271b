"""The models in the service: where they come from, what they look at, how they are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import known
from dashboard.charts import shares
from dashboard.client import ApiError
from dashboard.context import Page, beside, failures_told, show_failure

# Features in the table, and of these in the chart.
_TOP, _DRAWN = 20, 10
_STRATEGIES = ("champion", "shadow", "split", "bandit")
# Given in percent.
_EXPLORED = ("explore_share", "explore_bound")
_FIGURES = ("auc", "ks", "brier", "ece", "business_cost", "refused")


def show(page: Page) -> None:
    """Champion and challenger, importance, and the policy for those who may change it."""
    with failures_told(page):
        found = page.api.model()
        for role in ("champion", "challenger"):
            _show_model(page, role, found[role])
        _show_importance(page)
    with failures_told(page):
        if "admin" in page.api.scopes():
            _show_policy(page)
            _show_exploration(page)


def _show_model(page: Page, role: str, model: Mapping[str, Any] | None) -> None:
    st.header(page.say(role), anchor=False)
    if model is None:
        st.write(page.say("no_challenger"))
        return
    training = model["lineage"].get("training", {})
    costs = {name: page.number(cost) for name, cost in model["costs"].items()}
    rows = {
        page.say("version"): f"{model['name']} {model['version']}",
        page.say("cutoff_row"): page.percent(model["cutoff"]),
        page.say("band_row"): " – ".join(map(page.percent, model["refer_band"])),
        page.say("costs"): page.say("costs_are", **costs),
        page.say("features_used"): page.number(model["features"]),
        page.say("learnt_from"): page.say(
            "learnt_from_are",
            applicants=page.value(training.get("applicants")),
            source=page.value(training.get("source")),
        )
        if "applicants" in training
        else page.say("unknown"),
        page.say("family"): page.value(model["lineage"].get("candidate")),
        page.say("digest"): model["digest"][:12],
    }
    st.table([{page.say("what"): what, page.say("value"): told} for what, told in rows.items()])
    measured = model["lineage"].get("metrics", {})
    if measured:
        with beside():
            for name in (one for one in _FIGURES if one in measured):
                told = page.number(measured[name], 3)
                st.metric(page.say(f"figure_{name}"), told, width="content")
        st.caption(page.say("cross_validated"))


def _show_importance(page: Page) -> None:
    told = known.features(page.api)[:_TOP]
    st.header(page.say("importance"), anchor=False)
    if not told or told[0]["importance"] is None:
        st.write(page.say("no_importance"))
        return
    labels, values = [one["text"] for one in told], [one["importance"] for one in told]
    drawn = labels[:_DRAWN]
    st.write(page.say("importance_intro", count=len(drawn)))
    figure = shares(drawn, values[:_DRAWN], page.say("importance_axis"))
    page.chart(figure, page.say("importance_alt", strongest=labels[0]))
    with st.expander(page.say("as_table", what=page.say("importance"))):
        page.table(
            {"feature": label, "importance": page.percent(value)}
            for label, value in zip(labels, values, strict=True)
        )


def _show_policy(page: Page) -> None:
    state = st.session_state
    if "policy_failure" in state:
        show_failure(page, state.pop("policy_failure"))
    # The forms show one state of the policy until one is sent, and change no other.
    if "policy_seen" not in state or "strategy" not in state:
        state["policy_seen"] = policy = page.api.policy()
        state["strategy"], state["refer_all"] = policy["strategy"], policy["refer_all"]
        state["challenger_share"] = round(100 * policy["challenger_share"])
        state["explore_budget"] = policy["explore_budget"]
        for name in _EXPLORED:
            state[name] = round(100 * policy[name], 4)
    with st.form("policy"):
        st.header(page.say("policy"), anchor=False)
        strategy = st.selectbox(
            page.say("strategy"),
            _STRATEGIES,
            format_func=lambda one: page.say(f"strategy_{one}"),
            key="strategy",
        )
        share = st.slider(
            page.say("challenger_share"), 0, 100, format="%d %%", key="challenger_share"
        )
        refer_all = st.checkbox(page.say("refer_all"), key="refer_all")
        change = {"strategy": strategy, "challenger_share": share / 100, "refer_all": refer_all}
        _send(page, change, "policy")


def _show_exploration(page: Page) -> None:
    """Whom chance accepts, on the same state of the policy."""
    with st.form("exploration"):
        st.header(page.say("exploration"), anchor=False)
        told = st.empty()
        st.caption(page.say("exploration_ethics"))
        change = {
            name: round(number / 100, 6)
            for name in _EXPLORED
            for number in [st.number_input(page.say(name), 0.0, 100.0, format="%g", key=name)]
        }
        budget = st.number_input(
            page.say("explore_budget"), 0.0, 1e9, format="%g", key="explore_budget"
        )
        _send(page, {**change, "explore_budget": budget}, "exploration")
        told.write(_exploration(page, st.session_state["policy_seen"]))


def _exploration(page: Page, policy: Mapping[str, Any]) -> str:
    """Whether anybody is explored, and what the month has spent of its budget."""
    if not policy["explore_share"]:
        return page.say("exploration_off")
    return page.say(
        "exploration_on",
        share=page.percent(policy["explore_share"]),
        bound=page.percent(policy["explore_bound"]),
        spent=page.value(policy["explore_spent"]),
        budget=page.number(policy["explore_budget"]),
    )


def _send(page: Page, change: Mapping[str, Any], form: str) -> None:
    """Ask who and why, and send a change of the policy once the button is pressed."""
    state = st.session_state
    motive = st.text_input(page.say("motive"), key=f"{form}_motive", max_chars=2000)
    actor = page.signature(f"{form}_actor")
    if not st.form_submit_button(page.say(f"{form}_send"), key=f"{form}_send"):
        return
    if not (motive.strip() and actor):
        st.warning(page.say("who_and_why"), icon=":material/warning:")
        return
    try:
        sent = {**change, "actor": actor, "motive": motive}
        state["policy_seen"] = page.api.set_policy(sent, state["policy_seen"]["tag"])
    except ApiError as error:
        if error.failure != "changed":
            raise
        del state["policy_seen"]
        state["policy_failure"] = error
        st.rerun()
    st.success(page.say("policy_kept"), icon=":material/check_circle:")
