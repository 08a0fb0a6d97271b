"""POST /what-if: what the champion would make of an applicant, without deciding anything."""

from __future__ import annotations

from typing import Any, cast

import orjson
from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.decisions import example
from api.decisions.answers import Reason, ReferBand, Warned, warnings_of
from api.decisions.explanation import Contribution, contributions_of, withhold_values
from api.http import limits
from api.http.access import current_client, scope
from api.http.bodies import JSON, read_body
from api.http.languages import asked_language, spoken
from api.http.openapi import KEY, NOT_READY, rows_body
from api.http.problems import ProblemError
from api.routes.prediction import (
    NOT_JSON,
    NOT_SAID_TO_BE_JSON,
    TOO_LARGE,
    WRONG_FIELDS,
    caller_of,
    case_of,
)
from api.routes.status import ReadyModel
from api.service import current_service
from scoring.data.requests import Rows, frames_of
from scoring.features.vectors import compute
from scoring.serving.caution import ReferReason, settle
from scoring.serving.costs import Decision
from scoring.serving.reasons import REASONS, reasons_json
from scoring.serving.scorer import Scored, Scorer

blueprint = APIBlueprint(
    "what_if",
    __name__,
    abp_tags=[Tag(name="prediction", description="Decisions on applications")],
    abp_security=KEY,
)


class Supposition(BaseModel):
    """What would be decided; base + contributions = logit."""

    probability_of_default: float = Field(ge=0, le=1)
    cutoff: float
    refer_band: ReferBand
    decision: Decision = Field(
        description="What would be decided while not everything is referred; nothing was"
    )
    refer_reasons: list[ReferReason] = Field(description="Why an officer would decide")
    known: float | None = Field(description="The share of what the model leans on that is known")
    base: float = Field(description="The log-odds of an average applicant of the training data")
    logit: float = Field(description="The log-odds of the probability")
    warnings: list[Warned] = Field(description="What was not understood, and taken for missing")
    reasons: list[Reason] = Field(max_length=REASONS, description="As a decision would have them")
    contributions: list[Contribution] = Field(
        description="All that are not zero, the largest in size first"
    )
    model: ReadyModel


@blueprint.post(
    "/what-if",
    operation_id="what_if",
    summary="See what changed rows would mean, deciding nothing",
    responses={
        200: Supposition,
        400: NOT_JSON,
        413: TOO_LARGE,
        415: NOT_SAID_TO_BE_JSON,
        422: WRONG_FIELDS,
        503: NOT_READY,
    },
    openapi_extensions={"requestBody": rows_body(example.REQUEST)},
)
@scope("score")
def what_if() -> Response:
    """The champion's probability, decision and contributions for an applicant's rows.

    Nothing is recorded, and `refer_all` does not apply: it is no decision on anybody. It counts
    against a limit of its own. Texts are in French or English, as Accept-Language prefers.
    """
    limits.spend(current_client().id, "what_if_limiter")
    service, language = current_service(), asked_language()
    live = service.lineup.champion()
    applicant = service.reader.read(service.reader.parse(read_body(JSON)))
    (case,) = service.desk.with_histories([case_of(applicant, caller_of(None, ""))])
    if isinstance(case, ProblemError):
        raise case
    scorer = live.scorer
    scored = scorer.score(compute(frames_of([cast("Rows", case.rows)])))
    told = _told(scorer, scored, language)
    # Whoever may see what is stored looks at the applicant, which is recorded.
    stored = case.history == "stored"
    if stored:
        withhold_values(told)
    (known,) = scorer.known(scored.values)
    decision, why = settle(
        scorer.decide(scored.pds)[0], known,
        understood=case.misunderstood is None, least_known=service.settings.least_known,
    )  # fmt: skip
    told |= {"decision": decision, "refer_reasons": why, "known": known}
    told["warnings"] = warnings_of(case.misunderstood, withheld=stored)
    return spoken({**told, "model": ReadyModel.of(live).model_dump()}, language)


def _told(scorer: Scorer, scored: Scored, language: str) -> dict[str, Any]:
    pd = float(scored.pds[0])
    (reasons,) = scorer.reasons_of(scored, top=REASONS)
    return {
        "probability_of_default": pd,
        "cutoff": float(scorer.cutoff),
        "refer_band": list(scorer.refer_band),
        "reasons": orjson.Fragment(reasons_json(reasons)),
        **contributions_of(scorer, scored, language),
    }
