"""A decision: what is in force, what the model said, why, and who is like the applicant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from dashboard.bins import Bins, bins_of
from dashboard.charts import distribution, points, scale, waterfall
from dashboard.client import ApiError
from dashboard.context import Page, as_typed, failures_told, plain

_ICONS = {
    "accept": ":material/check_circle:",
    "drawn": ":material/casino:",
    "refuse": ":material/cancel:",
    "refer": ":material/support_agent:",
}
_BOXES = {"accept": st.success, "refuse": st.error, "refer": st.warning}
_PD = "probability_of_default"
_STEPS = 8
_NAMED = 5


def show_in_force(page: Page, answer: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Say the decision in force on top; an officer's replaces the model's, which is said below."""
    overrides = record["overrides"]
    if not overrides:
        show_verdict(page, answer)
        return
    last = overrides[-1]
    decision = last["decision"]
    by = page.say("decided_by", actor=as_typed(last["actor"]), when=page.moment(last["at"]))
    _BOXES[decision](f"**{page.say(decision)}.** {by}", icon=_ICONS[decision])
    # Plain text, in which lines stay lines and signs stay signs.
    st.text(page.say("motive_was", motive=last["motive"]))
    view = f"{page.say(kind_of(answer))}. {_why(page, answer)}"
    st.caption(page.say("model_view", view=view))
    _show_basis(page, answer)
    _show_scale(page, answer, "scale")


def show_verdict(page: Page, answer: Mapping[str, Any], key: str = "scale") -> None:
    """Show the model's decision in words, and the probability beside the cut-off.

    A page that shows several gives each a key of its own.
    """
    said = f"**{page.say(kind_of(answer))}.** {_why(page, answer)}"
    _BOXES[answer["decision"]](said, icon=_ICONS[kind_of(answer)])
    _show_basis(page, answer)
    _show_scale(page, answer, key)


def show_erased(page: Page, record: Mapping[str, Any]) -> None:
    """Say what remains of a decision whose applicant was erased."""
    kind = record["final_decision"] if record["overrides"] else kind_of(record)
    when = page.moment(record["at"])
    remains = page.say("erased", decision=page.say(kind), when=when, **_figures(page, record))
    st.info(remains, icon=":material/person_off:")
    st.caption(page.say("model_said", id=record["id"], **record["model"]))


def _figures(page: Page, answer: Mapping[str, Any]) -> dict[str, str]:
    figures = page.percents(answer[_PD], answer["cutoff"], *answer["refer_band"])
    return dict(zip(("pd", "cutoff", "low", "high"), figures, strict=True))


def kind_of(answer: Mapping[str, Any]) -> str:
    """The decision; "drawn" where chance accepted somebody whom the model refuses."""
    decision = str(answer["decision"])
    by_chance = (decision, answer.get("model_decision")) == ("accept", "refuse")
    return "drawn" if by_chance else decision


def _why(page: Page, answer: Mapping[str, Any]) -> str:
    reasons = "; ".join(refer_reasons(page, answer))
    return page.say(f"{kind_of(answer)}_why", reasons=reasons, **_figures(page, answer))


def _show_scale(page: Page, answer: Mapping[str, Any], key: str) -> None:
    figure = scale(answer[_PD], answer["cutoff"], answer["refer_band"], page.texts, page.language)
    page.chart(figure, page.say("gauge_alt", **_figures(page, answer)), key)


def refer_reasons(page: Page, answer: Mapping[str, Any]) -> list[str]:
    """Say why an officer has to decide."""
    figures = {"known": page.percent(answer.get("known") or 0.0), **_figures(page, answer)}
    return [page.say(f"because_{why}", **figures) for why in answer.get("refer_reasons", ())]


def misunderstood(answer: Mapping[str, Any]) -> list[str]:
    """Say what was not understood: where it is, what it says, and the nearest that is known."""
    values = answer.get("warnings", ())
    nearest = [f" ({value['nearest']}?)" if value["nearest"] else "" for value in values]
    return [
        f"{value['pointer']} {value['value']}{near}"
        for value, near in zip(values, nearest, strict=True)
    ]


def _show_basis(page: Page, answer: Mapping[str, Any]) -> None:
    """Say what of the application was not understood."""
    if wrong := misunderstood(answer):
        shown = [as_typed(value) for value in wrong[:_NAMED]]
        if (more := len(wrong) - _NAMED) > 0:
            shown.append(page.say("and_more", count=more))
        st.warning(
            f"{page.say('not_understood')}{page.say('colon')} {'; '.join(shown)}",
            icon=":material/help:",
        )


def show_reasons(page: Page, record: Mapping[str, Any]) -> None:
    """Say the reasons of a refusal in force, else what weighed against the application and for it.

    Each is a sentence.
    """
    sentences = [reason["texts"][page.language] for reason in record["reasons"]]
    refused = record["final_decision"] == "refuse"
    st.subheader(page.say("reasons_heading" if refused else "weighed_against"), anchor=False)
    show_list(page, sentences)
    if refused:
        return
    # Where there is no explanation, the tab of the steps says why.
    with suppress(ApiError):
        causes = page.api.explanation(record["id"])["causes"]
        strongest = min(causes, key=lambda cause: cause["contribution"], default=None)
        if strongest is not None and strongest["contribution"] < 0:
            st.write(page.say("spoke_for", cause=plain(strongest["text"])))


def show_list(page: Page, sentences: Sequence[str]) -> None:
    """Show reasons in their order, or that there are none."""
    lines = (f"{place}. {plain(text)}" for place, text in enumerate(sentences, 1))
    st.markdown("\n".join(lines) or page.say("no_reasons"))


def show_steps(page: Page, answer: Mapping[str, Any], explained: Mapping[str, Any]) -> None:
    """Show the causes from the average applicant to this one, the largest first."""
    causes = explained["causes"]
    if not causes:
        st.write(page.say("no_reasons"))
        return
    moved = points([cause["contribution"] for cause in causes], explained["base"])
    said = [page.signed(step, 1) if round(step, 1) else "" for step in moved]
    # The chart ends where the steps are too small to be seen, and has one at least.
    shown = max(1, [*said[:_STEPS], ""].index(""))
    most, rest = causes[:shown], causes[shown:]
    labels = [cause["text"] for cause in most]
    steps = [cause["contribution"] for cause in most]
    if rest:
        labels.append(page.say("other_steps", count=len(rest)))
        steps.append(sum(cause["contribution"] for cause in rest))
    ends = page.say("average_applicant"), page.say("this_applicant")
    cutoff = answer["cutoff"], page.say("cutoff")
    figure = waterfall(labels, steps, ends, explained["base"], cutoff, page.language)
    st.write(page.say("steps_intro"))
    page.chart(figure, page.say("reasons_alt", strongest=labels[0]))
    for cause, step in zip(causes, said, strict=True):
        if step:
            with st.expander(f"{cause['text']} ({step})"):
                _show_features(page, cause["features"])


def _show_features(page: Page, features: Sequence[Mapping[str, Any]]) -> None:
    page.table(
        {
            "feature": step["text"],
            "value": step.get("value_text", ""),
            "contribution": page.signed(step["contribution"], 3),
        }
        for step in features
    )


def show_similar(page: Page, answer: Mapping[str, Any], explained: Mapping[str, Any]) -> None:
    """Show who the model gave a like probability, and, feature by feature, who is like whom."""
    st.write(page.say("comparison_intro"))
    with failures_told(page):
        _compare(page, answer[_PD], page.percent(answer[_PD]), page.api.distribution(_PD))
    features = {
        step["feature"]: step
        for cause in explained["causes"]
        for step in cause["features"]
        if "value" in step
    }
    if not features:
        st.info(page.say("no_read"), icon=":material/lock:")
        return
    chosen = st.multiselect(
        page.say("compared_features"),
        list(features),
        format_func=lambda name: str(features[name]["text"]),
        max_selections=6,
        key="compared",
        placeholder=page.say("choose"),
        select_all=False,
    )
    for name in chosen:
        step = features[name]
        with failures_told(page):
            _compare(page, step["value"], step["value_text"], page.api.distribution(name))


def _compare(page: Page, value: Any, said: str, counted: Mapping[str, Any]) -> None:
    share = counted["feature"] == _PD
    bins = bins_of(counted, value, page.percent if share else page.number)
    st.subheader(counted["text"], anchor=False)
    words = _place_in_words(page, value, said, bins)
    st.write(words)
    figure = distribution(bins, value, page.language, percent=share)
    alternative = page.say("distribution_alt", feature=counted["text"], words=words)
    page.chart(figure, alternative, key=f"distribution_{counted['feature']}")
    with st.expander(page.say("as_table", what=counted["text"])):
        _show_bins(page, bins)


def _show_bins(page: Page, bins: Bins) -> None:
    rates = bins.rates or [None] * len(bins.labels)
    rows = [*zip(bins.labels, bins.counts, rates, strict=True)]
    rows.append((page.say("unknown"), bins.missing, bins.missing_rate))
    page.table(
        {
            "range": label,
            "applicants": count,
            "rate_axis": page.say("untold") if rate is None else page.percent(rate),
            "own_bin": page.say("here") if i == bins.own else "",
        }
        for i, (label, count, rate) in enumerate(rows)
    )


def _place_in_words(page: Page, value: object, said: str, bins: Bins) -> str:
    """Say where the applicant stands among the others, and how often their like defaulted."""
    if value is None:
        share = page.percent(bins.missing / max(bins.applicants, 1))
        words, rate = page.say("value_missing", share=share), bins.missing_rate
    elif bins.own is None:
        return page.say("value_unseen", value=said)
    else:
        words = page.say("value_is", value=said)
        rate = None if bins.rates is None else bins.rates[bins.own]
        if bins.numeric:
            words += " " + page.say("value_above", share=page.percent(bins.below))
    if rate is not None and bins.average is not None:
        words += " " + page.say(
            "like_defaulted", rate=page.percent(rate), average=page.percent(bins.average)
        )
    return words
