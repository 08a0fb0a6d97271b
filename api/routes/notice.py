"""GET /predictions/{id}/notice: what an applicant is told of a decision, ready to be sent."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from pydantic import BaseModel, Field

from api.decisions.notice import History, notice_of
from api.http.access import scope
from api.http.bodies import asked_language
from api.http.openapi import LANGUAGE, NOT_FOUND, STORE_AWAY, operation, problem, resource
from api.routes.records import ERASED_PROBLEM, PredictionPath, find_kept
from api.service import current_service
from scoring.language import LANGUAGES

blueprint = resource("notice", "records", "What was decided, and what came of it")

_HTML, _TEXT = "text/html", "text/plain"
_WRONG = problem(422, "There is no such language", "A parameter of the address is wrong.")
_NOTICE: dict[str, Any] = {
    "description": "A page that loads nothing and prints on a sheet of A4, or text",
    "content": {kind: {"schema": {"type": "string"}} for kind in (_HTML, _TEXT)},
}


class NoticeQuery(BaseModel):
    """In which language."""

    language: str | None = Field(
        default=None,
        pattern=f"^({'|'.join(LANGUAGES)})$",
        description="Of the notice; that of Accept-Language where it is left out",
    )


@blueprint.get(
    "/predictions/<string:id>/notice",
    summary="The notice of a decision, for the applicant",
    responses={200: _NOTICE, 404: NOT_FOUND, 410: ERASED_PROBLEM, 422: _WRONG, 503: STORE_AWAY},
    openapi_extensions=operation(LANGUAGE),
)
@scope("score", "read")
def notice(path: PredictionPath, query: NoticeQuery) -> Response:
    """The decision in force, its principal reasons, the data used, and how to contest it.

    HTML, or text where Accept prefers text/plain. It is written from the record: asked for again
    it says the same, unless somebody has decided otherwise or a review was asked for meanwhile.
    Whose decisions are told is as for the decision itself.
    """
    prediction, service = find_kept(path.id, "notice"), current_service()
    store, language = service.store, query.language or asked_language()
    overrides, reviews = store.outcomes.overrides(prediction.id), store.reviews.of(prediction.id)
    origin = store.decisions.find(prediction.counter_offer_to or "")
    demonstration = service.archived.demonstrates(prediction.model_digest)
    history = History(prediction, origin, overrides, reviews, demonstration)
    written = notice_of(history, service.archived.layouts, service.settings, language)
    kind = request.accept_mimetypes.best_match((_HTML, _TEXT), _HTML)
    body = render_template(f"notice.{'txt' if kind == _TEXT else 'html'}.jinja", notice=written)
    response = Response(body, content_type=f"{kind}; charset=utf-8")
    response.headers["Content-Language"] = language
    response.vary.update(("Accept", "Accept-Language"))
    return response
