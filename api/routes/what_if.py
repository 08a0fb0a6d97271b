"""POST /what-if: what the champion would make of an applicant, without deciding anything."""

import orjson
from flask import Response
from pydantic import BaseModel, Field

from api.decisions import example
from api.decisions.answers import ReadyModel, Reason, ReferBand, Warned, facts_of, warnings_of
from api.decisions.explanation import CauseContribution, contributions_of, withhold_values
from api.decisions.requests import DecisionRequest
from api.http import limits
from api.http.access import current_client, scope
from api.http.bodies import JSON, asked_language, json_answer, read_body
from api.http.openapi import BAD_ROWS, LANGUAGE, NOT_READY, operation, resource, rows_body
from api.routes.prediction import caller_of
from api.service import current_service
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.serving.reasons import REASONS

blueprint = resource("what_if", "prediction", "Decisions on applications")


class Supposition(BaseModel):
    """What would be decided; base + contributions of the causes = logit."""

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
    causes: list[CauseContribution] = Field(
        description="All that are not zero, the largest in size first"
    )
    model: ReadyModel


@blueprint.post(
    "/what-if",
    summary="See what changed rows would mean, deciding nothing",
    responses={200: Supposition, **BAD_ROWS, 503: NOT_READY},
    openapi_extensions=operation(LANGUAGE, body=rows_body({"example": example.REQUEST})),
)
@scope("score")
def what_if() -> Response:
    """The champion's probability, decision and contributions for an applicant's rows.

    Nothing is recorded, and `refer_all` does not apply: it is no decision on anybody. It counts
    against a limit of its own. Texts are in French or English, as Accept-Language prefers.
    """
    limits.spend(current_client().id, "what_if_limiter")
    service, language = current_service(), asked_language()
    # Without a model there is nothing to read rows for.
    service.models.champion()
    applicant = service.reader.read(service.reader.parse(read_body(JSON)))
    supposed = service.decisions.suppose(DecisionRequest(applicant, caller_of()))
    score = supposed.score
    explained = contributions_of(score.model.scorer, score.scored, language)
    # Whoever may see what is stored looks at the applicant, which is recorded.
    stored = supposed.applicant.history == "stored"
    if stored:
        withhold_values(explained)
    return json_answer(
        {
            "probability_of_default": score.pd,
            "cutoff": float(score.model.scorer.cutoff),
            "refer_band": list(score.model.scorer.refer_band),
            "decision": supposed.decision,
            "refer_reasons": supposed.refer_reasons,
            "known": score.known,
            "reasons": orjson.Fragment(score.reasons),
            "warnings": warnings_of(supposed.applicant.misunderstood, withheld=stored),
            "model": facts_of(score.model),
            **explained,
        },
        language=language,
    )
