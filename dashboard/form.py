"""An application as a form, made from the API's own OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import streamlit as st

from dashboard.context import Page

_DAYS_A_YEAR = 365.25
_ACROSS = 3
# What an officer asks first; the rest is there, further down.
GROUPS: dict[str, tuple[str, ...]] = {
    "credit_group": ("NAME_CONTRACT_TYPE", "AMT_CREDIT", "AMT_ANNUITY", "AMT_GOODS_PRICE"),
    "person_group": (
        "SK_ID_CURR", "DAYS_BIRTH", "CODE_GENDER", "NAME_FAMILY_STATUS", "CNT_CHILDREN",
        "NAME_EDUCATION_TYPE", "NAME_HOUSING_TYPE", "FLAG_OWN_CAR", "FLAG_OWN_REALTY",
    ),
    "work_group": (
        "AMT_INCOME_TOTAL", "NAME_INCOME_TYPE", "OCCUPATION_TYPE", "ORGANIZATION_TYPE",
        "DAYS_EMPLOYED",
    ),
    "scores_group": ("EXT_SOURCE_1", "EXT_SOURCE_2", "EXT_SOURCE_3"),
}  # fmt: skip


class Field(NamedTuple):
    """A column of the application, as the document describes it.

    Attributes
    ----------
    name, label : str
        The column, and what it means.
    options : tuple
        The values of a category; empty for a number.
    whole, required : bool
        Whether a number has no decimals, and whether a value must be given.
    low, high : float
        Between which a number must be.
    """

    name: str
    label: str
    options: tuple[Any, ...]
    whole: bool
    required: bool
    low: float | None
    high: float | None


def fields(document: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Field]:
    """The application's columns, by name, in the document's order.

    Parameters
    ----------
    document : mapping
        The OpenAPI document.
    labels : mapping of str to str
        What columns mean; those without one are called by their names.
    """
    table = document["components"]["schemas"]["application"]
    required = set(table["required"])
    return {
        name: Field(
            name=name,
            label=labels.get(name, name),
            options=tuple(option for option in schema.get("enum", ()) if option is not None),
            whole="integer" in schema["type"],
            required=name in required,
            low=schema.get("minimum"),
            high=schema.get("maximum"),
        )
        for name, schema in table["properties"].items()
    }


def ask(page: Page, field: Field, value: Any, key: str) -> Any:
    """A widget for a column; None where nothing is known.

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
    label = f"{field.label} *" if field.required else field.label
    if field.options:
        # A value that is not known stays what it is, and nothing is chosen for anybody.
        strange = () if value is None or value in field.options else (value,)
        choices = [*(() if field.required else (None,)), *field.options, *strange]
        place = choices.index(value) if value in choices else None
        return st.selectbox(
            label, choices, place, page.value, key, field.name, placeholder=page.say("unknown")
        )
    return _ask_number(page, field, label, value, key)


def _ask_number(page: Page, field: Field, label: str, value: Any, key: str) -> float | int | None:
    kind = int if field.whole else float
    known = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    # Streamlit takes whole numbers or such with decimals, and no mixture of the two.
    low, high, start = (
        None if one is None else kind(one) for one in (field.low, field.high, known)
    )
    given: dict[str, Any] = {"min_value": low, "max_value": high, "value": start}
    found: float | int | None = st.number_input(
        label,
        **given,
        step=1 if field.whole else None,
        format=_format(field, known),
        key=key,
        help=_help(page, field, known),
        placeholder=page.say("unknown"),
    )
    return found


def _format(field: Field, value: float | None) -> str:
    """Amounts with cents, scores and shares with four decimals; the value itself is not rounded."""
    if field.whole:
        return "%d"
    return "%.2f" if abs(value or (field.high or 0.0)) > 1.0 else "%.4f"


def _help(page: Page, field: Field, value: float | None) -> str:
    if not field.name.startswith("DAYS_"):
        return field.name
    told = f"{field.name}. {page.say('days_help')}"
    if value is None:
        return told
    return f"{told} {page.say('years', years=page.number(round(-value / _DAYS_A_YEAR, 1)))}"


def ask_application(
    page: Page, columns: Mapping[str, Field], start: Mapping[str, Any], key: str
) -> dict[str, Any]:
    """All columns, those that matter most first; the values that are known."""
    found: dict[str, Any] = {}
    grouped = {name for group in GROUPS.values() for name in group}
    for title, names in GROUPS.items():
        st.header(page.say(title))
        found |= _ask_some(page, [columns[name] for name in names if name in columns], start, key)
    rest = [field for name, field in columns.items() if name not in grouped]
    with st.expander(page.say("other_fields", count=len(rest))):
        found |= _ask_some(page, rest, start, key)
    return {name: value for name, value in found.items() if value is not None}


def _ask_some(page: Page, some: list[Field], start: Mapping[str, Any], key: str) -> dict[str, Any]:
    across = st.columns(_ACROSS)
    found = {}
    for place, field in enumerate(some):
        with across[place % _ACROSS]:
            found[field.name] = ask(page, field, start.get(field.name), f"{key}_{field.name}")
    return found
