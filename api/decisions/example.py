"""An invented applicant, for the API's documentation and for the model's first run."""

from __future__ import annotations

from typing import Any

REQUEST: dict[str, Any] = {
    "application": {
        "SK_ID_CURR": 900001,
        "NAME_CONTRACT_TYPE": "Cash loans",
        "CODE_GENDER": "F",
        "FLAG_OWN_CAR": "N",
        "FLAG_OWN_REALTY": "Y",
        "CNT_CHILDREN": 1,
        "AMT_INCOME_TOTAL": 148500.0,
        "AMT_CREDIT": 432000.0,
        "AMT_ANNUITY": 21150.0,
        "AMT_GOODS_PRICE": 405000.0,
        "NAME_INCOME_TYPE": "Working",
        "NAME_EDUCATION_TYPE": "Higher education",
        "NAME_FAMILY_STATUS": "Married",
        "NAME_HOUSING_TYPE": "House / apartment",
        "DAYS_BIRTH": -14200,
        "DAYS_EMPLOYED": -2150,
        "DAYS_REGISTRATION": -3648.0,
        "DAYS_ID_PUBLISH": -2120,
        "OCCUPATION_TYPE": "Core staff",
        "ORGANIZATION_TYPE": "School",
        "EXT_SOURCE_2": 0.61,
        "EXT_SOURCE_3": None,
    },
    "bureau": [
        {
            "SK_ID_BUREAU": 5900001,
            "CREDIT_ACTIVE": "Active",
            "CREDIT_CURRENCY": "currency 1",
            "DAYS_CREDIT": -540,
            "AMT_CREDIT_SUM": 180000.0,
            "AMT_CREDIT_SUM_DEBT": 61200.5,
            "CREDIT_TYPE": "Consumer credit",
        },
        {
            "SK_ID_BUREAU": 5900002,
            "CREDIT_ACTIVE": "Closed",
            "DAYS_CREDIT": -1730,
            "DAYS_ENDDATE_FACT": -1010,
            "AMT_CREDIT_SUM": 67500.0,
            "CREDIT_TYPE": "Consumer credit",
        },
    ],
    "bureau_balance": [
        {"SK_ID_BUREAU": 5900001, "MONTHS_BALANCE": -1, "STATUS": "0"},
        {"SK_ID_BUREAU": 5900001, "MONTHS_BALANCE": -2, "STATUS": "1"},
    ],
    "previous_application": [
        {
            "SK_ID_PREV": 2900001,
            "NAME_CONTRACT_TYPE": "Consumer loans",
            "AMT_APPLICATION": 54000.0,
            "AMT_CREDIT": 52065.0,
            "AMT_ANNUITY": 5310.0,
            "NAME_CONTRACT_STATUS": "Approved",
            "DAYS_DECISION": -620,
            "CODE_REJECT_REASON": "XAP",
            "CNT_PAYMENT": 12,
        }
    ],
    "POS_CASH_balance": [
        {
            "SK_ID_PREV": 2900001,
            "MONTHS_BALANCE": -19,
            "CNT_INSTALMENT": 12,
            "CNT_INSTALMENT_FUTURE": 11,
            "NAME_CONTRACT_STATUS": "Active",
            "SK_DPD": 0,
        }
    ],
    "installments_payments": [
        {
            "SK_ID_PREV": 2900001,
            "NUM_INSTALMENT_NUMBER": 1,
            "DAYS_INSTALMENT": -590,
            "DAYS_ENTRY_PAYMENT": -598,
            "AMT_INSTALMENT": 5310.0,
            "AMT_PAYMENT": 5310.0,
        }
    ],
    "credit_card_balance": [],
}

ANSWER: dict[str, Any] = {
    "id": "019aae6c-55d2-7b1f-9d5e-6a0f4c1b2e3d",
    "at": "2026-11-23T09:41:12.204117+00:00",
    "applicant": 900001,
    "probability_of_default": 0.0714,
    "cutoff": 0.0909,
    "refer_band": [0.0682, 0.1136],
    "decision": "refer",
    "model_decision": "refer",
    "refer_reasons": ["band"],
    "warnings": [],
    "known": 0.6351,
    "history": "sent",
    "reasons": [
        {
            "feature": "application__CREDIT_TO_GOODS",
            "value": 1.0667,
            "contribution": 0.1042,
            "texts": {
                "en": "Credit relative to the price of the goods",
                "fr": "Crédit rapporté au prix du bien",
            },
        },
        {
            "feature": "OCCUPATION_TYPE",
            "value": "Core staff",
            "contribution": 0.0121,
            "texts": {"en": "Occupation", "fr": "Profession"},
        },
    ],
    "model": {
        "name": "credit-scoring",
        "version": "3",
        "feature_set_version": "0f1e2d3c4b5a6978",
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "role": "champion",
        "why": "champion",
        "demonstration": False,
    },
}
