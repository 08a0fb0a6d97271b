"""A decision: what it is, what drove it, and how the applicant compares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.bins import Bins, bins_of
from dashboard.charts import distribution, scale, waterfall
from dashboard.context import Page, as_typed, failures_told

_ICONS = {
    "accept": ":material/check_circle:",
    "refuse": ":material/cancel:",
    "refer": ":material/support_agent:",
}
_BOXES = {"accept": st.success, "refuse": st.error, "refer": st.warning}
_STEPS = 8
_COMPARED = 3
_NAMED = 5


def show_verdict(page: Page, answer: Mapping[str, Any]) -> None:
    """The decision in words, and the probability beside the cut-off."""
    pd, cutoff, decision = answer["probability_of_default"], answer["cutoff"], answer["decision"]
    low, high = band = answer["refer_band"]
    percents = map(page.percent, (pd, cutoff, low, high))
    figures = dict(zip(("pd", "cutoff", "low", "high"), percents, strict=True))
    why = page.say(f"{decision}_why", reasons="; ".join(refer_reasons(page, answer)), **figures)
    _BOXES[decision](f"**{page.say(decision)}.** {why}", icon=_ICONS[decision])
    _show_basis(page, answer)
    figure = scale(pd, cutoff, band, page.texts, page.language)
    page.chart(figure, page.say("gauge_alt", **figures))


def refer_reasons(page: Page, answer: Mapping[str, Any]) -> list[str]:
    """Why an officer has to decide, in words."""
    low, high = map(page.percent, answer["refer_band"])
    figures = {"known": page.percent(answer.get("known") or 0.0), "low": low, "high": high}
    return [page.say(f"because_{one}", **figures) for one in answer.get("refer_reasons", ())]


def misunderstood(answer: Mapping[str, Any]) -> list[str]:
    """What was not understood: where it is, what it says, and the nearest that is known."""
    return [
        f"{one['pointer']} {one['value']}" + (f" ({one['nearest']}?)" if one["nearest"] else "")
        for one in answer.get("warnings", ())
    ]


def _show_basis(page: Page, answer: Mapping[str, Any]) -> None:
    """What the decision stands on: what was not understood, how much was known, which history."""
    colon = page.say("colon")
    if wrong := misunderstood(answer):
        shown = [as_typed(one) for one in wrong[:_NAMED]]
        if more := len(wrong) - _NAMED:
            shown += [page.say("and_more", count=more)] if more > 0 else []
        st.warning(
            f"{page.say('not_understood')}{colon} {'; '.join(shown)}", icon=":material/help:"
        )
    if (known := answer.get("known")) is not None:
        st.caption(f"{page.say('known')}{colon} {page.percent(known)}", help=page.say("known_help"))
    if used := answer.get("history"):
        st.caption(f"{page.say('history')}{colon} {page.say(f'history_{used}')}")


def show_reasons(page: Page, answer: Mapping[str, Any], explained: Mapping[str, Any]) -> None:
    """The reasons in sentences, and the steps from the average applicant to this one."""
    st.markdown("\n".join(f"- {as_typed(words)}" for words in reasons_of(page, answer)))
    told = explained["causes"]
    most, rest = told[:_STEPS], told[_STEPS:]
    if not told:
        st.write(page.say("no_reasons"))
        return
    labels = [one["text"] for one in most]
    steps = [one["contribution"] for one in most]
    if rest:
        labels.append(page.say("other_steps", count=len(rest)))
        steps.append(sum(one["contribution"] for one in rest))
    ends = page.say("average_applicant"), page.say("this_applicant")
    st.write(page.say("reasons_intro"))
    figure = waterfall(labels, steps, ends, explained["base"], page.language)
    page.chart(figure, page.say("reasons_alt", strongest=labels[0]))
    steps_of_all = features_of(explained)
    with st.expander(page.say("all_contributions", count=len(steps_of_all))):
        page.table(
            {
                "feature": step["text"],
                "value": page.value(step["value"]) if "value" in step else "",
                "effect": page.say("raises" if step["contribution"] > 0 else "lowers"),
                "contribution": page.signed(step["contribution"], 3),
            }
            for step in steps_of_all
        )


def reasons_of(page: Page, answer: Mapping[str, Any]) -> list[str]:
    """The reasons of a decision, a sentence each in the page's language."""
    return [one["texts"].get(page.language, one["feature"]) for one in answer["reasons"]]


def features_of(explained: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The features of all causes, the largest contribution first."""
    features = [feature for cause in explained["causes"] for feature in cause["features"]]
    return sorted(features, key=lambda feature: -abs(feature["contribution"]))


def show_comparison(page: Page, explained: Mapping[str, Any]) -> None:
    """The applicant beside those that the model learnt from, in the features one chooses."""
    told = {one["feature"]: one for one in features_of(explained) if "value" in one}
    if not told:
        st.info(page.say("no_read"), icon=":material/lock:")
        return
    st.write(page.say("comparison_intro"))
    chosen = st.multiselect(
        page.say("compared_features"),
        list(told),
        default=list(told)[:_COMPARED],
        format_func=lambda name: str(told[name]["text"]),
        max_selections=6,
        key="compared",
    )
    for name in chosen:
        with failures_told(page):
            _compare(page, told[name], page.api.distribution(name))


def _compare(page: Page, one: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    bins = bins_of(found, one["value"], page.number)
    st.header(one["text"])
    words = _in_words(page, one["value"], bins)
    st.write(words)
    figure = distribution(bins, one["value"], page.texts)
    alternative = page.say("distribution_alt", feature=one["text"], words=words)
    page.chart(figure, alternative, key=f"distribution_{one['feature']}")
    with st.expander(page.say("as_table", what=one["text"])):
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


def _in_words(page: Page, value: object, bins: Bins) -> str:
    """Where the applicant stands among the others, and how often their like defaulted."""
    if value is None:
        share = page.percent(bins.missing / max(bins.applicants, 1))
        told, rate = page.say("value_missing", share=share), bins.missing_rate
    elif bins.own is None:
        return page.say("value_unseen", value=page.value(value))
    else:
        told = page.say("value_is", value=page.value(value))
        rate = None if bins.rates is None else bins.rates[bins.own]
        if bins.numeric:
            told += " " + page.say("value_above", share=page.percent(bins.below))
    if rate is not None and bins.average is not None:
        told += " " + page.say(
            "like_defaulted", rate=page.percent(rate), average=page.percent(bins.average)
        )
    return told
