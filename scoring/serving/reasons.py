"""Reasons as they are answered and kept: one form, so that they can be compared to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from scoring.serving.scorer import Reason

# The most that are told of one decision.
REASONS = 4


def reasons_json(reasons: Sequence[Reason]) -> bytes:
    """Reasons as a JSON list: feature, value, contribution and texts by language."""
    return orjson.dumps(
        [
            {
                "feature": reason.feature,
                "value": reason.value,
                "contribution": reason.contribution,
                "texts": dict(reason.texts),
            }
            for reason in reasons
        ]
    )
