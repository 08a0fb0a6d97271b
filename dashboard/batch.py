"""Many applicants at a time: a file in, a file out."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import known
from dashboard.context import Page, beside, failures_told
from dashboard.form import Field

_CHUNK = 100
_MOST = 5000
_SHOWN = 200


def show(page: Page) -> None:
    """Choose a file, have all of its applicants decided on, and take the results away."""
    st.write(page.say("batch_intro", most=page.number(_MOST)))
    uploaded = st.file_uploader(page.say("batch_file"), type=["csv", "parquet"], key="batch_file")
    if uploaded is None:
        return
    with failures_told(page):
        content = uploaded.getvalue()
        table = _read(page, uploaded.name, content)
        if table is None:
            return
        st.write(page.say("batch_read", count=page.number(len(table)), columns=table.shape[1]))
        if st.button(page.say("batch_send"), type="primary", key="batch_send"):
            items = items_of(table, known.columns(page.api))
            st.session_state["batch"] = (content, _decided(page, items))
        sent, results = st.session_state.get("batch", (None, None))
        if sent == content and results is not None:
            _show_results(page, results)


def _read(page: Page, name: str, content: bytes) -> pd.DataFrame | None:
    """The file as a table; None, and words, if it is none that can be used."""
    try:
        table = read_table(name, content)
    except (ValueError, OSError) as error:
        st.error(page.say("batch_unreadable", detail=str(error)[:300]), icon=":material/error:")
        return None
    if "SK_ID_CURR" not in table.columns:
        st.error(page.say("batch_no_number"), icon=":material/error:")
        return None
    if len(table) > _MOST:
        most = page.number(_MOST)
        st.error(page.say("batch_too_long", most=most), icon=":material/error:")
        return None
    return table


def read_table(name: str, content: bytes) -> pd.DataFrame:
    """A CSV file, with commas or semicolons, or a Parquet file.

    Raises
    ------
    ValueError, OSError
        If it is neither.
    """
    if name.lower().endswith(".parquet"):
        return pd.read_parquet(io.BytesIO(content))
    text = content.decode("utf-8-sig")
    separator = ";" if ";" in text.partition("\n")[0] else ","
    return pd.read_csv(io.StringIO(text), sep=separator, keep_default_na=False, na_values=[""])


def items_of(table: pd.DataFrame, columns: Mapping[str, Field]) -> list[dict[str, Any]]:
    """Requests: by number where nothing else is known, else by the application's values.

    A whole number beside missing ones was read as one with decimals, and is made whole again.
    """
    if list(table.columns) == ["SK_ID_CURR"]:
        return [{"SK_ID_CURR": _plain(value, whole=True)} for value in table["SK_ID_CURR"]]
    names = [name for name in table.columns if name != "TARGET"]
    whole = {name for name in names if name in columns and columns[name].whole}
    return [
        {
            "application": {
                name: _plain(value, whole=name in whole)
                for name, value in zip(names, row, strict=True)
                if not pd.isna(value)
            }
        }
        for row in table[names].itertuples(index=False, name=None)
    ]


def _plain(value: Any, *, whole: bool) -> Any:
    """A value as JSON has it."""
    found = value.item() if hasattr(value, "item") else value
    return int(found) if whole and isinstance(found, float) and found.is_integer() else found


def _decided(page: Page, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    bar = st.progress(0.0, page.say("batch_running"))
    for start in range(0, len(items), _CHUNK):
        some = items[start : start + _CHUNK]
        for item, result in zip(some, page.api.decide_all(some), strict=True):
            results.append(_row(page, item, result))
        done = page.say("batch_done", done=page.number(len(results)), all=page.number(len(items)))
        bar.progress(len(results) / len(items), done)
    bar.empty()
    return results


def _row(page: Page, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    number = item.get("SK_ID_CURR", item.get("application", {}).get("SK_ID_CURR"))
    found, problem = result.get("prediction"), result.get("problem")
    if found is None:
        wrong = [f"{one['pointer']} {one['detail']}" for one in (problem or {}).get("errors", ())]
        told = "; ".join(wrong) or (problem or {}).get("detail", "")
        return {"SK_ID_CURR": number, "decision": None, "problem": told}
    reasons = [one["texts"].get(page.language, one["feature"]) for one in found["reasons"]]
    return {
        "SK_ID_CURR": number,
        "decision": found["decision"],
        "probability_of_default": found["probability_of_default"],
        "cutoff": found["cutoff"],
        "reasons": "; ".join(reasons),
        "id": found["id"],
        "problem": "",
    }


def _show_results(page: Page, results: Sequence[Mapping[str, Any]]) -> None:
    table = pd.DataFrame(results)
    counts = table["decision"].value_counts()
    kinds = ("accept", "refer", "refuse")
    wrong = int(table["decision"].isna().sum())
    with beside():
        for kind in kinds:
            told = page.number(int(counts.get(kind, 0)))
            st.metric(page.say(kind), told, width="content")
        st.metric(page.say("batch_wrong"), page.number(wrong), width="content")
    st.dataframe(table.head(_SHOWN), hide_index=True)
    if len(table) > _SHOWN:
        st.caption(page.say("batch_first", count=_SHOWN))
    # Spreadsheets read a CSV file in French with semicolons and decimal commas.
    french = page.language == "fr"
    written = table.to_csv(index=False, sep=";" if french else ",", decimal="," if french else ".")
    st.download_button(
        page.say("batch_take"), written.encode("utf-8-sig"), "decisions.csv", "text/csv",
        key="batch_take",
    )  # fmt: skip
