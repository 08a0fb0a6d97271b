"""Many applicants at a time: a file in, a file out."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from dashboard import known
from dashboard.client import ApiError
from dashboard.context import Page, as_typed, beside, failures_told, show_failure
from dashboard.decision import kind_of, misunderstood, refer_reasons
from dashboard.texts import separators

_CHUNK = 100
_MOST = 5000
_SHOWN = 200
# The columns of results, and which text is above each.
COLUMNS = {
    "SK_ID_CURR": "number", "decision": "decision",
    "probability_of_default": "pd", "reasons": "reasons_tab", "cutoff": "cutoff_row",
    "refer_reasons": "refer", "not_understood": "not_understood", "known": "known",
    "history": "history", "at": "when", "id": "identity", "problem": "batch_wrong",
}  # fmt: skip


@dataclass
class _Batch:
    """A file's applicants, and the answers on as many of them as there are, until `error`."""

    source: tuple[str, str, str]
    items: list[dict[str, Any]]
    notes: list[dict[str, Any]]
    results: list[dict[str, Any]] = field(default_factory=list)
    error: ApiError | None = None


def show(page: Page) -> None:
    """Choose a file, have all of its applicants decided on, and take the results away."""
    st.write(page.say("batch_intro", most=page.number(_MOST)))
    types = ["csv", "txt", "tsv", "zip", "gz", "parquet"]
    with failures_told(page):
        head = ",".join(known.columns(page.api))
        st.download_button(page.say("batch_template"), f"{head}\n", "applications.csv")
    uploaded = st.file_uploader(page.say("batch_file"), type=types, key="batch_file")
    with failures_told(page):
        if uploaded is not None:
            _take(page, uploaded.name, uploaded.getvalue())
        # A look at another tab forgets the file, and not what was answered.
        if batch := st.session_state.get("batch"):
            _show_batch(page, batch)


def _take(page: Page, name: str, content: bytes) -> None:
    """Have a file read, unless it is the one that is there; say what is wrong with it."""
    source = name, hashlib.sha256(content).hexdigest(), page.api.url
    if getattr(st.session_state.get("batch"), "source", None) == source:
        return
    st.session_state["batch"] = None
    try:
        content = as_csv(page, content) if content.startswith(b"PAR1") else content
        read = page.api.read_file(name, content) if content.strip() else {"rows": [], "notes": []}
        st.session_state["batch"] = _Batch(source, _items(page, read["rows"]), read["notes"])
    except (pa.ArrowException, ValueError, OSError, ApiError) as error:
        if isinstance(error, ApiError) and error.failure != "refused":
            raise
        st.error(page.say("batch_unreadable", detail=as_typed(str(error))), icon=":material/error:")


def as_csv(page: Page, content: bytes) -> bytes:
    """A Parquet file as CSV: numbers as the shortest texts that mean them, an index as a column."""
    file = pq.ParquetFile(io.BytesIO(content))
    if file.metadata.num_rows > _MOST:
        raise ValueError(page.say("batch_too_long", most=page.number(_MOST)))
    table = file.read().to_pandas()
    table = table.reset_index() if any(table.index.names) else table
    kinds = {name: str(kind) for name, kind in table.dtypes.items() if name != "TARGET"}
    if half := [str(name) for name, kind in kinds.items() if kind == "float16"]:
        raise ValueError(page.say("batch_float16", columns=", ".join(half)))
    return bytes(table.to_csv(index=False), "utf-8")


def _items(page: Page, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Requests: by number where nothing else is known of anybody, else by the values."""
    if not rows:
        raise ValueError(page.say("batch_empty"))
    by_number = all(row.keys() <= {"SK_ID_CURR"} for row in rows)
    return rows if by_number else [{"application": row} for row in rows]


def _show_batch(page: Page, batch: _Batch) -> None:
    done, count = len(batch.results), len(batch.items)
    st.write(page.say("batch_read", name=as_typed(batch.source[0]), count=page.number(count)))
    for note in batch.notes:
        columns = as_typed(", ".join(note["columns"]))
        st.caption(page.say(f"batch_{note['kind']}", columns=columns))
    if "application" not in batch.items[0]:
        st.caption(page.say("batch_by_number"))
    if batch.error is not None:
        show_failure(page, batch.error)
    if 0 < done < count:
        told = page.say("batch_interrupted", done=page.number(done), all=page.number(count))
        st.warning(told, icon=":material/pause_circle:")
    label = page.say("batch_again" if done else "batch_send")
    if done < count and st.button(label, type="primary", key="batch_send"):
        batch.error = _sent(page, batch)
        st.rerun()
    if done:
        _show_results(page, batch)


def _sent(page: Page, batch: _Batch) -> ApiError | None:
    """Have those decided on who are not yet; what has kept the API from it, if anything."""
    bar, count = st.progress(0.0, page.say("batch_running")), len(batch.items)
    while (start := len(batch.results)) < count:
        some = batch.items[start : start + _CHUNK]
        # The same for the same applicants at the same place: nobody is decided on twice.
        key = hashlib.sha256(json.dumps([page.api.url, start, some]).encode()).hexdigest()
        try:
            batch.results += page.api.decide_all(some, key)
        except ApiError as error:
            return error
        done = len(batch.results)
        told = page.say("batch_done", done=page.number(done), all=page.number(count))
        bar.progress(done / count, told)
    return None


def _row(page: Page, item: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """A result in the page's language."""
    number = item.get("application", item).get("SK_ID_CURR")
    answer, problem = result.get("prediction"), result.get("problem") or {}
    if answer is None:
        wrong = [f"{one['pointer']} {one['detail']}" for one in problem.get("errors", ())]
        told = "; ".join(wrong) or problem.get("detail", "")
        return {"SK_ID_CURR": number, "decision": "batch_wrong", "problem": told}
    return {
        **{name: answer[name] for name in COLUMNS if name in answer},
        "SK_ID_CURR": number,
        "decision": kind_of(answer),
        "reasons": " · ".join(reason["texts"][page.language] for reason in answer["reasons"]),
        "not_understood": "; ".join(misunderstood(answer)),
        "refer_reasons": "; ".join(refer_reasons(page, answer)),
    }


def _show_results(page: Page, batch: _Batch) -> None:
    asked = zip(batch.items, batch.results, strict=False)
    table = pd.DataFrame([_row(page, *one) for one in asked], columns=list(COLUMNS))
    kinds = ("accept", "drawn", "refer", "refuse", "batch_wrong")
    counts = table["decision"].value_counts()
    with beside():
        for kind in kinds:
            count = int(counts.get(kind, 0))
            if count or kind != "drawn":
                st.metric(page.say(kind), page.number(count), width="content")
    words = {kind: page.say(kind) for kind in kinds}
    words |= {used: page.say(f"history_{used}") for used in ("stored", "none")}
    words["sent"] = page.say("batch_history_sent")
    titles = {name: page.say(text) for name, text in COLUMNS.items()}
    table = table.replace({"decision": words, "history": words}).rename(columns=titles)
    shown = table.head(_SHOWN)
    empty = shown.columns[(shown.isna() | (shown == "")).all()]
    wide = {titles[name]: st.column_config.Column(width="large") for name in ("problem", "reasons")}
    wide[titles["SK_ID_CURR"]] = st.column_config.Column(page.say("applicant"))
    shares = {
        titles[name]: st.column_config.NumberColumn(format="percent")
        for name in ("probability_of_default", "cutoff", "known")
    }
    shown = shown.drop(columns=empty)
    st.dataframe(shown, hide_index=True, column_config=wide | shares, placeholder="–")
    if len(table) > _SHOWN:
        st.caption(page.say("batch_first", count=_SHOWN))
    # Where decimals have commas, spreadsheets read a CSV file with semicolons.
    comma = separators(page.language)[0] == ","
    text = table.to_csv(index=False, sep=";" if comma else ",", decimal="," if comma else ".")
    st.download_button(page.say("batch_take"), text.encode("utf-8-sig"), "decisions.csv")
