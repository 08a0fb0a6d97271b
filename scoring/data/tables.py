"""The Home Credit tables: columns, types, keys, allowed ranges and sentinel values.

Everything that reads, makes or checks rows (ingestion, the sample applicants, the features,
the API's request schema) takes its knowledge of the tables from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeVar

import polars as pl

Kind = Literal["id", "flag", "integer", "amount", "number", "category"]

DTYPES: Mapping[Kind, type[pl.DataType]] = {
    "id": pl.Int32,
    "flag": pl.Int8,
    "integer": pl.Int32,
    "amount": pl.Float64,
    "number": pl.Float64,
    "category": pl.String,
}

# What manifests and models call rows of Kaggle's own files; sample applicants are others.
HOME_CREDIT = "home-credit"
# Home Credit writes "never" or "not employed" as a day a thousand years away.
DAY_SENTINEL = 365_243
# XNA stands for "not available", XAP for "not applicable".
TEXT_SENTINELS = ("XNA", "XAP")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
        Kaggle's own name.
    kind : Kind
        What the values are; decides the stored type (`DTYPES`). Amounts are in the lender's
        currency with at most three decimals.
    minimum, maximum : float or None
        Bounds, both included; None where the kind has none (categories).
    categories : tuple of str
        Every value known for a category, sentinels included; empty for other kinds.
    sentinels : tuple
        Values that stand for "missing" or "does not apply".
    required : bool
        Whether a row without a value here is an error.
    """

    name: str
    kind: Kind
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] = ()
    sentinels: tuple[int, ...] | tuple[str, ...] = ()
    required: bool = False

    @property
    def dtype(self) -> type[pl.DataType]:
        return DTYPES[self.kind]


@dataclass(frozen=True)
class Table:
    """One Kaggle table.

    Attributes
    ----------
    name : str
        Kaggle's file name without its ending; `application` for the two application files.
    columns : tuple of Column
        In the order of Kaggle's file.
    key : tuple of str
        The columns that identify a row; empty where Kaggle's rows have no unique key.
    link : str
        The column that leads to the applicant: SK_ID_CURR, or SK_ID_BUREAU for bureau_balance,
        whose rows hang on those of bureau.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    link: str = "SK_ID_CURR"
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def schema(self) -> pl.Schema:
        return pl.Schema({column.name: column.dtype for column in self.columns})


def _id(name: str) -> Column:
    return Column(name, "id", 1, 2**31 - 1, required=True)


def _flag(name: str, required: bool = False) -> Column:
    return Column(name, "flag", 0, 1, required=required)


def _count(name: str, maximum: int = 10_000, minimum: int = 0) -> Column:
    return Column(name, "integer", minimum, maximum)


def _days(
    name: str, sentinel: bool = False, required: bool = False, future: bool = False
) -> Column:
    """Days relative to the application, negative before it."""
    latest = 60_000 if future else 0
    if sentinel:
        return Column(name, "integer", -60_000, latest, sentinels=(DAY_SENTINEL,))
    return Column(name, "integer", -60_000, latest, required=required)


def _months(name: str) -> Column:
    return Column(name, "integer", -1_200, 0, required=True)


def _amount(name: str, required: bool = False) -> Column:
    return Column(name, "amount", 0, 1e10, required=required)


def _balance(name: str) -> Column:
    """An amount that may be below zero, as overpaid debts and cards are."""
    return Column(name, "amount", -1e10, 1e10)


def _share(name: str) -> Column:
    return Column(name, "number", 0, 1)


def _category(name: str, *categories: str, required: bool = False) -> Column:
    sentinels = tuple(value for value in categories if value in TEXT_SENTINELS)
    return Column(name, "category", categories=categories, sentinels=sentinels, required=required)


_YES_NO = ("N", "Y")
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_TYPE_SUITES = (
    "Children", "Family", "Group of people", "Other_A", "Other_B", "Spouse, partner",
    "Unaccompanied",
)  # fmt: skip
_OCCUPATIONS = (
    "Accountants", "Cleaning staff", "Cooking staff", "Core staff", "Drivers", "HR staff",
    "High skill tech staff", "IT staff", "Laborers", "Low-skill Laborers", "Managers",
    "Medicine staff", "Private service staff", "Realty agents", "Sales staff", "Secretaries",
    "Security staff", "Waiters/barmen staff",
)  # fmt: skip
_ORGANIZATIONS = (
    "Advertising", "Agriculture", "Bank", "Business Entity Type 1", "Business Entity Type 2",
    "Business Entity Type 3", "Cleaning", "Construction", "Culture", "Electricity", "Emergency",
    "Government", "Hotel", "Housing", *(f"Industry: type {i}" for i in range(1, 14)), "Insurance",
    "Kindergarten", "Legal Services", "Medicine", "Military", "Mobile", "Other", "Police", "Postal",
    "Realtor", "Religion", "Restaurant", "School", "Security", "Security Ministries",
    "Self-employed", "Services", "Telecom", *(f"Trade: type {i}" for i in range(1, 8)),
    *(f"Transport: type {i}" for i in range(1, 5)), "University", "XNA",
)  # fmt: skip
_BUILDING = (
    "APARTMENTS", "BASEMENTAREA", "YEARS_BEGINEXPLUATATION", "YEARS_BUILD", "COMMONAREA",
    "ELEVATORS", "ENTRANCES", "FLOORSMAX", "FLOORSMIN", "LANDAREA", "LIVINGAPARTMENTS",
    "LIVINGAREA", "NONLIVINGAPARTMENTS", "NONLIVINGAREA",
)  # fmt: skip

APPLICATION = Table(
    "application",
    (
        _id("SK_ID_CURR"),
        _flag("TARGET"),
        _category("NAME_CONTRACT_TYPE", "Cash loans", "Revolving loans", required=True),
        _category("CODE_GENDER", "F", "M", "XNA"),
        _category("FLAG_OWN_CAR", *_YES_NO),
        _category("FLAG_OWN_REALTY", *_YES_NO),
        _count("CNT_CHILDREN"),
        _amount("AMT_INCOME_TOTAL", required=True),
        _amount("AMT_CREDIT", required=True),
        _amount("AMT_ANNUITY"),
        _amount("AMT_GOODS_PRICE"),
        _category("NAME_TYPE_SUITE", *_TYPE_SUITES),
        _category(
            "NAME_INCOME_TYPE",
            "Businessman", "Commercial associate", "Maternity leave", "Pensioner",
            "State servant", "Student", "Unemployed", "Working",
        ),
        _category(
            "NAME_EDUCATION_TYPE",
            "Academic degree", "Higher education", "Incomplete higher", "Lower secondary",
            "Secondary / secondary special",
        ),
        _category(
            "NAME_FAMILY_STATUS",
            "Civil marriage", "Married", "Separated", "Single / not married", "Unknown", "Widow",
        ),
        _category(
            "NAME_HOUSING_TYPE",
            "Co-op apartment", "House / apartment", "Municipal apartment", "Office apartment",
            "Rented apartment", "With parents",
        ),
        _share("REGION_POPULATION_RELATIVE"),
        _days("DAYS_BIRTH", required=True),
        _days("DAYS_EMPLOYED", sentinel=True),
        _days("DAYS_REGISTRATION"),
        _days("DAYS_ID_PUBLISH"),
        _count("OWN_CAR_AGE", 150),
        _flag("FLAG_MOBIL"),
        _flag("FLAG_EMP_PHONE"),
        _flag("FLAG_WORK_PHONE"),
        _flag("FLAG_CONT_MOBILE"),
        _flag("FLAG_PHONE"),
        _flag("FLAG_EMAIL"),
        _category("OCCUPATION_TYPE", *_OCCUPATIONS),
        _count("CNT_FAM_MEMBERS"),
        _count("REGION_RATING_CLIENT", 3, minimum=1),
        # Kaggle's test file holds a -1 here.
        _count("REGION_RATING_CLIENT_W_CITY", 3, minimum=-1),
        _category("WEEKDAY_APPR_PROCESS_START", *_WEEKDAYS),
        _count("HOUR_APPR_PROCESS_START", 23),
        _flag("REG_REGION_NOT_LIVE_REGION"),
        _flag("REG_REGION_NOT_WORK_REGION"),
        _flag("LIVE_REGION_NOT_WORK_REGION"),
        _flag("REG_CITY_NOT_LIVE_CITY"),
        _flag("REG_CITY_NOT_WORK_CITY"),
        _flag("LIVE_CITY_NOT_WORK_CITY"),
        _category("ORGANIZATION_TYPE", *_ORGANIZATIONS),
        _share("EXT_SOURCE_1"),
        _share("EXT_SOURCE_2"),
        _share("EXT_SOURCE_3"),
        *(_share(f"{part}_{kind}") for kind in ("AVG", "MODE", "MEDI") for part in _BUILDING),
        _category(
            "FONDKAPREMONT_MODE",
            "not specified", "org spec account", "reg oper account", "reg oper spec account",
        ),
        _category("HOUSETYPE_MODE", "block of flats", "specific housing", "terraced house"),
        _share("TOTALAREA_MODE"),
        _category(
            "WALLSMATERIAL_MODE",
            "Block", "Mixed", "Monolithic", "Others", "Panel", "Stone, brick", "Wooden",
        ),
        _category("EMERGENCYSTATE_MODE", "No", "Yes"),
        _count("OBS_30_CNT_SOCIAL_CIRCLE"),
        _count("DEF_30_CNT_SOCIAL_CIRCLE"),
        _count("OBS_60_CNT_SOCIAL_CIRCLE"),
        _count("DEF_60_CNT_SOCIAL_CIRCLE"),
        _days("DAYS_LAST_PHONE_CHANGE"),
        *(_flag(f"FLAG_DOCUMENT_{i}") for i in range(2, 22)),
        *(
            _count(f"AMT_REQ_CREDIT_BUREAU_{window}")
            for window in ("HOUR", "DAY", "WEEK", "MON", "QRT", "YEAR")
        ),
    ),
    key=("SK_ID_CURR",),
)  # fmt: skip

BUREAU = Table(
    "bureau",
    (
        _id("SK_ID_CURR"),
        _id("SK_ID_BUREAU"),
        _category("CREDIT_ACTIVE", "Active", "Bad debt", "Closed", "Sold"),
        _category("CREDIT_CURRENCY", "currency 1", "currency 2", "currency 3", "currency 4"),
        _days("DAYS_CREDIT", required=True),
        _count("CREDIT_DAY_OVERDUE", 60_000),
        _days("DAYS_CREDIT_ENDDATE", future=True),
        _days("DAYS_ENDDATE_FACT", future=True),
        _balance("AMT_CREDIT_MAX_OVERDUE"),
        _count("CNT_CREDIT_PROLONG"),
        _balance("AMT_CREDIT_SUM"),
        _balance("AMT_CREDIT_SUM_DEBT"),
        _balance("AMT_CREDIT_SUM_LIMIT"),
        _balance("AMT_CREDIT_SUM_OVERDUE"),
        _category(
            "CREDIT_TYPE",
            "Another type of loan", "Car loan", "Cash loan (non-earmarked)", "Consumer credit",
            "Credit card", "Interbank credit", "Loan for business development",
            "Loan for purchase of shares (margin lending)", "Loan for the purchase of equipment",
            "Loan for working capital replenishment", "Microloan", "Mobile operator loan",
            "Mortgage", "Real estate loan", "Unknown type of loan",
        ),
        _days("DAYS_CREDIT_UPDATE", future=True),
        _balance("AMT_ANNUITY"),
    ),
    key=("SK_ID_BUREAU",),
)  # fmt: skip

BUREAU_BALANCE = Table(
    "bureau_balance",
    (
        _id("SK_ID_BUREAU"),
        _months("MONTHS_BALANCE"),
        _category("STATUS", "0", "1", "2", "3", "4", "5", "C", "X"),
    ),
    key=("SK_ID_BUREAU", "MONTHS_BALANCE"),
    link="SK_ID_BUREAU",
)

PREVIOUS_APPLICATION = Table(
    "previous_application",
    (
        _id("SK_ID_PREV"),
        _id("SK_ID_CURR"),
        _category("NAME_CONTRACT_TYPE", "Cash loans", "Consumer loans", "Revolving loans", "XNA"),
        _amount("AMT_ANNUITY"),
        _amount("AMT_APPLICATION"),
        _amount("AMT_CREDIT"),
        _balance("AMT_DOWN_PAYMENT"),
        _amount("AMT_GOODS_PRICE"),
        _category("WEEKDAY_APPR_PROCESS_START", *_WEEKDAYS),
        _count("HOUR_APPR_PROCESS_START", 23),
        _category("FLAG_LAST_APPL_PER_CONTRACT", *_YES_NO),
        _flag("NFLAG_LAST_APPL_IN_DAY"),
        Column("RATE_DOWN_PAYMENT", "number", -1, 10),
        Column("RATE_INTEREST_PRIMARY", "number", -10, 10),
        Column("RATE_INTEREST_PRIVILEGED", "number", -10, 10),
        _category(
            "NAME_CASH_LOAN_PURPOSE",
            "Building a house or an annex", "Business development", "Buying a garage",
            "Buying a holiday home / land", "Buying a home", "Buying a new car",
            "Buying a used car", "Car repairs", "Education", "Everyday expenses", "Furniture",
            "Gasification / water supply", "Hobby", "Journey", "Medicine",
            "Money for a third person", "Other", "Payments on other loans",
            "Purchase of electronic equipment", "Refusal to name the goal", "Repairs",
            "Urgent needs", "Wedding / gift / holiday", "XAP", "XNA",
        ),
        _category("NAME_CONTRACT_STATUS", "Approved", "Canceled", "Refused", "Unused offer"),
        _days("DAYS_DECISION", required=True),
        _category(
            "NAME_PAYMENT_TYPE",
            "Cash through the bank", "Cashless from the account of the employer",
            "Non-cash from your account", "XNA",
        ),
        _category(
            "CODE_REJECT_REASON",
            "CLIENT", "HC", "LIMIT", "SCO", "SCOFR", "SYSTEM", "VERIF", "XAP", "XNA",
        ),
        _category("NAME_TYPE_SUITE", *_TYPE_SUITES),
        _category("NAME_CLIENT_TYPE", "New", "Refreshed", "Repeater", "XNA"),
        _category(
            "NAME_GOODS_CATEGORY",
            "Additional Service", "Animals", "Audio/Video", "Auto Accessories",
            "Clothing and Accessories", "Computers", "Construction Materials",
            "Consumer Electronics", "Direct Sales", "Education", "Fitness", "Furniture",
            "Gardening", "Homewares", "House Construction", "Insurance", "Jewelry",
            "Medical Supplies", "Medicine", "Mobile", "Office Appliances", "Other",
            "Photo / Cinema Equipment", "Sport and Leisure", "Tourism", "Vehicles", "Weapon",
            "XNA",
        ),
        _category("NAME_PORTFOLIO", "Cards", "Cars", "Cash", "POS", "XNA"),
        _category("NAME_PRODUCT_TYPE", "XNA", "walk-in", "x-sell"),
        _category(
            "CHANNEL_TYPE",
            "AP+ (Cash loan)", "Car dealer", "Channel of corporate sales", "Contact center",
            "Country-wide", "Credit and cash offices", "Regional / Local", "Stone",
        ),
        _count("SELLERPLACE_AREA", 10_000_000, minimum=-1),
        _category(
            "NAME_SELLER_INDUSTRY",
            "Auto technology", "Clothing", "Connectivity", "Construction",
            "Consumer electronics", "Furniture", "Industry", "Jewelry", "MLM partners",
            "Tourism", "XNA",
        ),
        _count("CNT_PAYMENT"),
        _category("NAME_YIELD_GROUP", "XNA", "high", "low_action", "low_normal", "middle"),
        _category(
            "PRODUCT_COMBINATION",
            "Card Street", "Card X-Sell", "Cash", "Cash Street: high", "Cash Street: low",
            "Cash Street: middle", "Cash X-Sell: high", "Cash X-Sell: low",
            "Cash X-Sell: middle", "POS household with interest",
            "POS household without interest", "POS industry with interest",
            "POS industry without interest", "POS mobile with interest",
            "POS mobile without interest", "POS other with interest",
            "POS others without interest",
        ),
        _days("DAYS_FIRST_DRAWING", sentinel=True, future=True),
        _days("DAYS_FIRST_DUE", sentinel=True, future=True),
        _days("DAYS_LAST_DUE_1ST_VERSION", sentinel=True, future=True),
        _days("DAYS_LAST_DUE", sentinel=True, future=True),
        _days("DAYS_TERMINATION", sentinel=True, future=True),
        _flag("NFLAG_INSURED_ON_APPROVAL"),
    ),
    key=("SK_ID_PREV",),
)  # fmt: skip

POS_CASH_BALANCE = Table(
    "POS_CASH_balance",
    (
        _id("SK_ID_PREV"),
        _id("SK_ID_CURR"),
        _months("MONTHS_BALANCE"),
        _count("CNT_INSTALMENT"),
        _count("CNT_INSTALMENT_FUTURE"),
        _category(
            "NAME_CONTRACT_STATUS",
            "Active", "Amortized debt", "Approved", "Canceled", "Completed", "Demand",
            "Returned to the store", "Signed", "XNA",
        ),
        _count("SK_DPD", 60_000),
        _count("SK_DPD_DEF", 60_000),
    ),
    key=("SK_ID_PREV", "MONTHS_BALANCE"),
)  # fmt: skip

CREDIT_CARD_BALANCE = Table(
    "credit_card_balance",
    (
        _id("SK_ID_PREV"),
        _id("SK_ID_CURR"),
        _months("MONTHS_BALANCE"),
        _balance("AMT_BALANCE"),
        _amount("AMT_CREDIT_LIMIT_ACTUAL"),
        _balance("AMT_DRAWINGS_ATM_CURRENT"),
        _balance("AMT_DRAWINGS_CURRENT"),
        _balance("AMT_DRAWINGS_OTHER_CURRENT"),
        _balance("AMT_DRAWINGS_POS_CURRENT"),
        _balance("AMT_INST_MIN_REGULARITY"),
        _balance("AMT_PAYMENT_CURRENT"),
        _balance("AMT_PAYMENT_TOTAL_CURRENT"),
        _balance("AMT_RECEIVABLE_PRINCIPAL"),
        # Kaggle's own spelling.
        _balance("AMT_RECIVABLE"),
        _balance("AMT_TOTAL_RECEIVABLE"),
        _count("CNT_DRAWINGS_ATM_CURRENT"),
        _count("CNT_DRAWINGS_CURRENT"),
        _count("CNT_DRAWINGS_OTHER_CURRENT"),
        _count("CNT_DRAWINGS_POS_CURRENT"),
        _count("CNT_INSTALMENT_MATURE_CUM"),
        _category(
            "NAME_CONTRACT_STATUS",
            "Active", "Approved", "Completed", "Demand", "Refused", "Sent proposal", "Signed",
        ),
        _count("SK_DPD", 60_000),
        _count("SK_DPD_DEF", 60_000),
    ),
    key=("SK_ID_PREV", "MONTHS_BALANCE"),
)  # fmt: skip

INSTALLMENTS_PAYMENTS = Table(
    "installments_payments",
    (
        _id("SK_ID_PREV"),
        _id("SK_ID_CURR"),
        _count("NUM_INSTALMENT_VERSION"),
        _count("NUM_INSTALMENT_NUMBER"),
        _days("DAYS_INSTALMENT", required=True),
        _days("DAYS_ENTRY_PAYMENT"),
        _amount("AMT_INSTALMENT"),
        _amount("AMT_PAYMENT"),
    ),
    # An instalment may be paid in several parts on one day: no key.
    key=(),
)

HISTORY: tuple[Table, ...] = (
    BUREAU,
    BUREAU_BALANCE,
    PREVIOUS_APPLICATION,
    POS_CASH_BALANCE,
    INSTALLMENTS_PAYMENTS,
    CREDIT_CARD_BALANCE,
)
TABLES: Mapping[str, Table] = {table.name: table for table in (APPLICATION, *HISTORY)}

# Rows of one table, lazy (batch work) or not (a single request, where planning costs more than
# the work): the features are written once for both.
RowsT = TypeVar("RowsT", pl.LazyFrame, pl.DataFrame)

# Rows by table name, as `build_features` takes them: "application" and any of the history.
Frames = Mapping[str, RowsT]


def empty_frame(table: Table) -> pl.DataFrame:
    """A frame of the table's columns and types without a row."""
    return pl.DataFrame(schema=table.schema)
