"""The models in the service: where they come from, what they look at, how they are used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import known
from dashboard.charts import shares
from dashboard.client import ApiError
from dashboard.context import Page, beside, failures_told, show_failure
from dashboard.texts import as_number, separators

# Features in the table, and of these in the chart.
_TOP, _DRAWN = 20, 10
_STRATEGIES = ("champion", "shadow", "split", "bandit")
# By what they are multiplied on the page: two are given in percent.
_EXPLORED = {"explore_share": 100, "explore_bound": 100, "explore_budget": 1}
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
        else:
            st.header(page.say("exploration"), anchor=False)
            st.write(_exploration(page, page.api.policy()))
            st.write(page.say("exploration_ethics"))


def _show_model(page: Page, role: str, model: Mapping[str, Any] | None) -> None:
    st.header(page.say(role), anchor=False)
    if model is None:
        st.write(page.say("no_challenger"))
        return
    lineage = model["lineage"]
    learnt = {name: page.value(value) for name, value in lineage.get("training", {}).items()}
    source, candidate = learnt.get("source", ""), page.value(lineage.get("candidate"))
    learnt["source"] = page.texts.get(f"source_{source}", source)
    costs = {name: page.number(cost) for name, cost in model["costs"].items()}
    rows = {
        page.say("version"): f"{model['name']} {model['version']}",
        page.say("cutoff_row"): page.percent(model["cutoff"]),
        page.say("band_row"): " – ".join(map(page.percent, model["refer_band"])),
        page.say("costs"): page.say("costs_are", **costs),
        page.say("features_used"): page.number(model["features"]),
        page.say("learnt_from"): page.say(
            "learnt_from_are" if "applicants" in learnt else "unknown", **learnt
        ),
        page.say("family"): page.texts.get(f"family_{candidate}", candidate),
        page.say("digest"): model["digest"][:12],
    }
    st.table([{page.say("what"): what, page.say("value"): told} for what, told in rows.items()])
    if measured := lineage.get("cross_validation"):
        with beside():
            for name in (one for one in _FIGURES if one in measured):
                value = measured[name]
                told = page.percent(value) if name == "refused" else page.number(value, 3)
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
    figure = shares(drawn, values[:_DRAWN], page.say("importance_axis"), page.language)
    page.chart(figure, page.say("importance_alt", strongest=labels[0]))
    with st.expander(page.say("as_table", what=page.say("importance"))):
        page.table(
            {"feature": label, "importance": page.percent(value)}
            for label, value in zip(labels, values, strict=True)
        )


def _show_policy(page: Page) -> None:
    state = st.session_state
    # The forms show one state of the policy until one is sent, and change no other.
    if "policy_seen" not in state or "strategy" not in state:
        state["policy_seen"] = policy = page.api.policy()
        state["strategy"], state["refer_all"] = policy["strategy"], policy["refer_all"]
        state["challenger_share"] = round(100 * policy["challenger_share"])
        for name, unit in _EXPLORED.items():
            typed = f"{unit * policy[name]:.10g}"
            state[name] = typed.replace(".", separators(page.language)[0])
    with st.form("policy"):
        st.header(page.say("policy"), anchor=False)
        strategy = st.selectbox(
            page.say("strategy"),
            _STRATEGIES,
            format_func=lambda one: page.say(f"strategy_{one}"),
            key="strategy",
        )
        percents = f"%d{page.say('percent_sign')}%"
        share = st.slider(
            page.say("challenger_share"), 0, 100, format=percents, key="challenger_share"
        )
        refer_all = st.checkbox(page.say("refer_all"), key="refer_all")
        change = {"strategy": strategy, "challenger_share": share / 100, "refer_all": refer_all}
        _send(page, change, {}, "policy")


def _show_exploration(page: Page) -> None:
    """Whom chance accepts, on the same state of the policy."""
    with st.form("exploration"):
        st.header(page.say("exploration"), anchor=False)
        told = st.empty()
        st.write(page.say("exploration_ethics"))
        figures = _figures(page, st.session_state["policy_seen"])
        change, places = {}, {}
        for name, unit in _EXPLORED.items():
            # What is no number or out of range is refused by the API, and told in words.
            typed = st.text_input(page.say(name, **figures), key=name, max_chars=20)
            given, places[f"/{name}"] = as_number(typed, page.language), st.empty()
            change[name] = given if isinstance(given, str) else round(given / unit, 6)
        _send(page, change, places, "exploration")
        told.write(_exploration(page, st.session_state["policy_seen"]))


def _exploration(page: Page, policy: Mapping[str, Any]) -> str:
    """Whether anybody is explored, or why not, and what the month has spent of its budget."""
    state = policy["exploration"]
    return page.say(f"exploration_{state}" if state else "unknown", **_figures(page, policy))


def _figures(page: Page, policy: Mapping[str, Any]) -> dict[str, str]:
    """What a policy holds, and what bound and budget have to exceed, as texts."""
    said = {name: page.value(value) for name, value in policy.items()}
    said |= {name: page.percent(policy[name]) for name in ("explore_share", "explore_bound")}
    if (floor := policy["explore_floor"]) is not None:
        said["explore_floor"] = page.percent(math.ceil(round(1e4 * floor, 6)) / 1e4, 2)
    least = policy["explore_bound"] * (policy["default_cost"] or 0)
    least = math.ceil(round(100 * least, 6)) / 100
    return said | {"least": page.number(least, 2 if least % 1 else 0)}


def _send(
    page: Page, change: Mapping[str, Any], places: dict[str, DeltaGenerator], form: str
) -> None:
    """Ask who and why, and send a change of the policy; what is wrong is told at its field."""
    state = st.session_state
    motive = st.text_input(page.say("motive"), key=f"{form}_motive", max_chars=2000)
    places["/motive"] = st.empty()
    actor = page.signature(f"{form}_actor")
    places["/actor"] = st.empty()
    if failure := state.pop(f"{form}_failure", None):
        show_failure(page, failure)
    if not st.form_submit_button(page.say(f"{form}_send"), key=f"{form}_send"):
        return
    try:
        sent = {**change, "actor": actor, "motive": motive}
        state["policy_seen"] = page.api.set_policy(sent, state["policy_seen"]["tag"])
    except ApiError as error:
        if error.failure == "changed":
            del state["policy_seen"]
            state[f"{form}_failure"] = error
            st.rerun()
        _show_wrong(page, error, places, change)
    else:
        st.success(page.say("policy_kept"), icon=":material/check_circle:")


def _show_wrong(
    page: Page, error: ApiError, places: Mapping[str, DeltaGenerator], change: Mapping[str, Any]
) -> None:
    wrong = {field.pointer for field in error.errors}
    if not wrong or wrong - places.keys():
        show_failure(page, error)
    read = {name: value for name, value in change.items() if not isinstance(value, str)}
    figures = _figures(page, st.session_state["policy_seen"] | read)
    for pointer in wrong & places.keys():
        name = pointer.removeprefix("/")
        word = "no_number" if name in change.keys() - read else f"{name}_wrong"
        places[pointer].error(page.say(word, **figures), icon=":material/error:")
