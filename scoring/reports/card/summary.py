"""A model card in one paragraph, for the jury and for credit officers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scoring.evaluation.bootstrap import Interval
from scoring.features import PROTECTED
from scoring.features.wording import Language, describe
from scoring.reports.card.fields import Data, Deciding, Driver
from scoring.reports.words import Words
from scoring.serving.scorer import Scorer

_TOLD_DRIVERS = 3


def summary(
    scorer: Scorer,
    data: Data,
    figures: Mapping[str, Interval],
    deciding: Deciding,
    drivers: Sequence[Driver],
    language: Language,
) -> str:
    """Say what the model does, how well, how it decides, what it looks at, and who decides."""
    words = Words("card", language)
    people = words("summary.invented" if data.source == "synthetic" else "summary.real")
    error = 100 * figures["ece"].value
    sentences = [
        words("summary.learning", data=data, people=people),
        words(
            "summary.figures",
            auc=figures["auc"],
            cost=figures["business_cost"],
            error=error,
            points=words("summary.points" if error >= 2 else "summary.point"),
        ),
        words(
            "summary.rule",
            ratio=round(deciding.false_negative / deciding.false_positive, 1),
            cutoff=deciding.cutoff,
        ),
    ]
    if deciding.refer_low != deciding.refer_high:
        sentences.append(
            words("summary.band", low=deciding.refer_low, high=deciding.refer_high),
        )
    meanings = (describe(item.feature, language) for item in drivers[:_TOLD_DRIVERS])
    used = PROTECTED & {feature.name for feature in scorer.features}
    sentences += [
        words("summary.drivers", drivers=words("summary.between").join(map(_lower, meanings))),
        words("summary.protected" if used else "summary.unprotected"),
        words("summary.person"),
    ]
    return " ".join(sentences)


def _lower(meaning: str) -> str:
    return meaning[:1].lower() + meaning[1:]
