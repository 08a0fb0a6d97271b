"""The language of an answer, as the caller likes."""

from __future__ import annotations

from flask import Response, request

from api.http.bodies import json_answer
from scoring.language import LANGUAGES

_DEFAULT = "en"


def asked_language() -> str:
    """The language that the caller likes best among ours, a region's for its country's too."""
    wanted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    return next((tag for tag in wanted if tag in LANGUAGES), _DEFAULT)


def spoken(answer: object, language: str) -> Response:
    """An answer as JSON that says which language it is in."""
    response = json_answer(answer)
    response.headers["Content-Language"] = language
    response.vary.add("Accept-Language")
    return response
