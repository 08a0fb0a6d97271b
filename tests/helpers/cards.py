"""A model card with every field filled, for tests."""

from __future__ import annotations

from scoring.reports.card.fields import (
    Approval,
    Card,
    Data,
    Deciding,
    Driver,
    Fairness,
    Family,
    Features,
    Figure,
    Group,
    Identity,
    Method,
    Ratio,
)


def filled_card(name: str = "credit-scoring", version: str = "1") -> Card:
    """A complete card of some version, with values that tests recognise."""
    return Card(
        identity=Identity(name, version, "7", "2026-11-22", "the risk team"),
        data=Data("synthetic", "ab" * 32, 10_000, 0.0802, 8_000, 2_000, "a hash below 0.2"),
        features=Features(911, {"application": 120, "bureau": 791}, ("CODE_GENDER",)),
        method=Method(
            "lightgbm",
            {"num_leaves": 16},
            "none",
            "by gain",
            41,
            "The best trial is chosen.",
            (Family("dummy", 0.5, 0.8, 0.07, False), Family("lightgbm", 0.76, 0.5, 0.06, True)),
        ),
        holdout=(
            Figure("auc", 0.7512, 0.7201, 0.7811),
            Figure("business_cost", 0.54, 0.5, 0.58),
            Figure("ece", 0.013, 0.01, 0.02),
        ),
        cross_validation={"auc": 0.7499},
        deciding=Deciding(
            10.0, 1.0, 0.0909, Figure("cutoff", 0.0911, 0.08, 0.1), 0.08, 0.1, 0.07, "12,345 lost."
        ),
        fairness=Fairness(
            (
                Group(
                    "sex", "F", 1_300, 91, Figure("accepted", 0.72, 0.7, 0.74),
                    Figure("defaults refused", 0.6, 0.5, 0.7),
                    Figure("good refused", 0.25, 0.22, 0.28), Figure("gap", 0.01, -0.01, 0.03),
                ),
            ),
            "family status: Unknown (1)",
            (Ratio("age", "under 30", "60 and over", Figure("ratio", 0.612, 0.57, 0.66)),),
            Figure("auc", 0.83, 0.81, 0.85),
            "Leaving protected attributes out costs 0.001 of AUC.",
        ),
        drivers=(Driver("application__EXT_SOURCES_MEAN", "external scores", 0.3),),
        packages={"lightgbm": "4.7.0"},
        approval=Approval(),
        curves={
            "roc": ((0.0, 0.0), (0.2, 0.7), (1.0, 1.0)),
            "reliability": ((0.02, 0.03, 0.01, 0.05), (0.2, 0.22, 0.15, 0.3)),
            "cost": ((0.0, 0.92), (0.09, 0.54), (0.9, 0.8)),
        },
    )  # fmt: skip
