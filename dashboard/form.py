"""An application as a form, made from the API's own OpenAPI document."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from dashboard.context import Page

NUMBER = "SK_ID_CURR"
DAYS_A_YEAR = 365.25
_ACROSS = 3
# Days before the application, which people tell in years.
_PAST = ("span_back", "date")
# What an officer asks after what must be given; of the rest every group has a pattern.
GROUPS: dict[str, tuple[str, ...]] = {
    "credit_group": ("AMT_ANNUITY", "AMT_GOODS_PRICE"),
    "work_group": ("NAME_INCOME_TYPE", "DAYS_EMPLOYED", "OCCUPATION_TYPE", "ORGANIZATION_TYPE"),
    "person_group": (
        NUMBER, "CODE_GENDER", "NAME_FAMILY_STATUS", "CNT_CHILDREN", "CNT_FAM_MEMBERS",
        "NAME_EDUCATION_TYPE", "NAME_HOUSING_TYPE", "FLAG_OWN_REALTY", "FLAG_OWN_CAR",
        "OWN_CAR_AGE",
    ),
    "scores_group": ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3"),
}  # fmt: skip
_OTHERS: dict[str, str] = {
    "documents_group": r"FLAG_DOCUMENT_|DAYS_ID_|DAYS_REG",
    "contact_group": r"FLAG_|DAYS_LAST_PHONE|REG_|LIVE_",
    "surroundings_group": r"REGION_|(OBS|DEF)_\d+_CNT",
    "enquiries_group": r"AMT_REQ_",
    "building_group": r".*_(AVG|MODE|MEDI)$",
    "remaining_group": r"",
}


class Field(NamedTuple):
    """A column of the application, as the document describes it.

    Attributes
    ----------
    name, label, unit : str
        The column, what it means in the page's language, and what its numbers count.
    kind : str
        The unit's own name: amount, span_back, date, yes_no, ...
    options : mapping
        The words of the values that one chooses from; empty for a number.
    whole, required : bool
        Whether a number has no decimals, and whether a value must be given.
    low, high : float
        Between which a number must be.
    absent : float, optional
        The number that stands for "it does not apply".
    """

    name: str
    label: str
    unit: str
    kind: str
    options: Mapping[Any, str]
    whole: bool
    required: bool
    low: float | None
    high: float | None
    absent: float | None

    @property
    def past(self) -> bool:
        """Whether it counts days back from the application."""
        return self.kind in _PAST


def fields(document: Mapping[str, Any], language: str) -> dict[str, Field]:
    """Read the application's columns, by name, in the document's order.

    Parameters
    ----------
    document : mapping
        The OpenAPI document.
    language : str
        Of the labels.
    """
    table = document["components"]["schemas"]["application"]
    required = set(table["required"])
    return {
        name: _field(name, schema, language, name in required)
        for name, schema in table["properties"].items()
    }


def _field(name: str, schema: Mapping[str, Any], language: str, required: bool) -> Field:
    words = schema["x-words"][language]
    whole = "integer" in schema["type"]
    gap = schema.get("not", {})
    return Field(
        name=name,
        label=words["label"],
        unit=words["unit"],
        kind=schema["x-unit"],
        options={int(value) if whole else value: text for value, text in words["options"].items()},
        whole=whole,
        required=required,
        low=schema.get("minimum"),
        high=gap.get("exclusiveMinimum", schema.get("maximum")),
        absent=gap.get("exclusiveMaximum"),
    )


def days_before(years: float) -> int:
    """Count the days of so many years back, all begun: their whole years are the years given."""
    return -math.ceil(years * DAYS_A_YEAR)


def whole_years(days: float) -> int:
    """Count the whole years of so many days back."""
    return int(-days / DAYS_A_YEAR)


def ask(page: Page, field: Field, value: Any, key: str) -> Any:
    """Draw a widget for a column; return None where nothing is known.

    Parameters
    ----------
    page : Page
        In whose language.
    field : Field
        The column.
    value : Any
        What it begins with.
    key : str
        Of the widget.
    """
    unit = page.say("years_unit" if field.kind == "span_back" else "years_ago_unit")
    label = f"{field.label} ({unit})" if field.past else field.label
    label += " *" if field.required else ""
    if field.options:
        return _ask_option(page, field, label, value, key)
    if field.past:
        return _ask_years(page, field, label, value, key)
    return _ask_number(page, field, label, value, key)


def _ask_option(page: Page, field: Field, label: str, value: Any, key: str) -> Any:
    # A value that is not known stays what it is, and nothing is chosen for anybody.
    strange = () if value is None or value in field.options else (value,)
    choices = [*(() if field.required else (None,)), *field.options, *strange]
    return st.selectbox(
        label,
        choices,
        choices.index(value) if value in choices else None,
        lambda option: field.options.get(option) or page.value(option),
        key,
        field.name,
        placeholder=page.say("unknown"),
    )


def _ask_years(page: Page, field: Field, label: str, value: Any, key: str) -> int | None:
    """Ask in years; days that were there before stay to the day unless the years are changed."""
    days = value if _is_number(value) and value != field.absent else None
    start = None if days is None else round(-days / DAYS_A_YEAR, 1)
    years: float | None = st.number_input(
        label,
        min_value=-(field.high or 0.0) / DAYS_A_YEAR,
        max_value=round(-(field.low or 0.0) / DAYS_A_YEAR, 1),
        value=start,
        step=1.0,
        format="%.1f",
        key=key,
        help=field.name,
        placeholder=page.say("unknown"),
    )
    if field.absent is not None and st.checkbox(
        page.say(f"absent_{field.name}"), value == field.absent, f"{key}_absent"
    ):
        return int(field.absent)
    if years is None:
        return None
    return int(days) if days is not None and years == start else days_before(years)


def _ask_number(page: Page, field: Field, label: str, value: Any, key: str) -> float | int | None:
    kind = int if field.whole else float
    known = value if _is_number(value) else None
    # Streamlit takes whole numbers or such with decimals, and no mixture of the two.
    low, high, start = (
        None if bound is None else kind(bound) for bound in (field.low, field.high, known)
    )
    given: dict[str, Any] = {"min_value": low, "max_value": high, "value": start}
    invented = field.name == NUMBER
    return st.number_input(  # type: ignore[no-any-return]
        label,
        **given,
        step=1 if field.whole else None,
        format=_format(field, known),
        key=key,
        help=f"{field.name} {page.say('unit', unit=field.unit) if field.unit else ''}".strip(),
        placeholder=page.say("number_invented" if invented else "unknown"),
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _format(field: Field, value: float | None) -> str:
    """Amounts as they are, scores and shares with four decimals; the value is not rounded."""
    if field.whole:
        return "%d"
    return "%g" if abs(value or (field.high or 0.0)) > 1.0 else "%.4f"


def ask_application(
    page: Page, columns: Mapping[str, Field], start: Mapping[str, Any], key: str
) -> dict[str, Any]:
    """Ask for all columns, what must be given first; return the values that are known."""
    left = dict(columns)
    required = [left.pop(name) for name, field in columns.items() if field.required]
    st.subheader(page.say("required_group"), anchor=False)
    values = _ask_some(page, required, start, key)
    for title, names in GROUPS.items():
        st.subheader(page.say(title), anchor=False)
        some = [left.pop(name) for name in names if name in left]
        values |= _ask_some(page, some, start, key)
    for title, pattern in _OTHERS.items():
        some = [left.pop(name) for name in list(left) if re.match(pattern, name)]
        if some:
            with st.expander(page.say(title, count=len(some))):
                values |= _ask_some(page, some, start, key)
    return {name: value for name, value in values.items() if value is not None}


def _ask_some(
    page: Page, some: Sequence[Field], start: Mapping[str, Any], key: str
) -> dict[str, Any]:
    """Ask row by row, so that on a narrow screen, too, the fields follow each other."""
    values = {}
    for first in range(0, len(some), _ACROSS):
        row = some[first : first + _ACROSS]
        for place, field in zip(st.columns(_ACROSS), row, strict=False):
            with place:
                values[field.name] = ask(page, field, start.get(field.name), f"{key}_{field.name}")
    return values
