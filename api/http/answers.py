"""Answers as JSON, and the language that they are in."""

from typing import Any

import orjson
from flask import Response, request
from pydantic import BaseModel

from scoring.language import LANGUAGES

JSON = "application/json"
# Where the caller has no wish that we can meet.
_USUAL = "en"


def json_answer(document: object, status: int = 200, *, language: str | None = None) -> Response:
    """Answer with a JSON document, of what orjson can write.

    Where the language of its texts depends on who asks, the answer's headers say it.
    """
    response = Response(orjson.dumps(document), status, content_type=JSON)
    if language is not None:
        response.headers["Content-Language"] = language
        response.vary.add("Accept-Language")
    return response


def fields_of(model: type[BaseModel], source: object) -> dict[str, Any]:
    """Take the fields that an answer's model documents from an object that has them all."""
    return {name: getattr(source, name) for name in model.model_fields}


def asked_language() -> str:
    """Choose the language that the caller likes best among ours: fr-CA counts as fr."""
    wanted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    return next((tag for tag in wanted if tag in LANGUAGES), _USUAL)
