"""Errors as RFC 9457 problem documents: what is wrong, where, and nothing of our insides."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response, request
from pydantic import BaseModel, Field
from pydantic.dataclasses import dataclass
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge
from werkzeug.wrappers import Response as WerkzeugResponse

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request."""

    pointer: str = Field(description="Where it is in the body, as a JSON pointer (RFC 6901)")
    detail: str = Field(description="What is wrong with it, and what would be right")


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(description="about:blank: the status says what kind of problem it is")
    title: str = Field(description="The HTTP status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong, and what to do about it")
    errors: list[FieldError] = Field(
        default=[], description="The wrong fields, where it is the fields that are wrong"
    )


class ProblemError(Exception):
    """A request that is answered with a problem document.

    Its status is 400 or above, the detail is in words for the caller; headers go with the status,
    such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, errors
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """Make the problem document; a list of errors is there only where there are any."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        return document | ({"errors": list(map(asdict, self.errors))} if self.errors else {})


def pointer_part(name: str) -> str:
    """Escape a name as part of a JSON pointer, cut where no known name is as long."""
    return name[:80].replace("~", "~0").replace("/", "~1")


def unavailable() -> ProblemError:
    """Make the problem of a store that cannot be used: nothing is decided without a record."""
    return ProblemError(
        503,
        "The store of decisions cannot be used at the moment, and nothing is decided that is not "
        "recorded. Try again later; with an Idempotency-Key nothing is decided twice.",
        headers={"Retry-After": "2"},
    )


def init_app(app: Flask) -> None:
    """Answer every error of the app with a problem document."""
    app.register_error_handler(ProblemError, answer)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(Exception, _answer_unforeseen)


def answer(error: ProblemError) -> Response:
    """Answer with the problem document of an error."""
    body = orjson.dumps(error.document())
    return Response(body, error.status, headers=error.headers, content_type=MEDIA_TYPE)


def _answer_http_error(error: HTTPException) -> Response | WerkzeugResponse:
    if error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        # Redirects are exceptions too.
        return error.get_response()
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return answer(ProblemError(error.code, _http_detail(error), headers=headers))


def _http_detail(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return "There is nothing at this address. /docs/ lists what there is."
    if isinstance(error, MethodNotAllowed):
        return f"This address answers {', '.join(sorted(error.valid_methods or []))} only."
    if isinstance(error, RequestEntityTooLarge):
        return f"The body is larger than {request.max_content_length:,} bytes. Send fewer rows."
    return error.description or HTTPStatus(error.code or 500).description


def _answer_unforeseen(error: Exception) -> Response:
    logger.error("unforeseen error", exc_info=error)
    detail = "The service failed on this request. It is logged; try again later."
    return answer(ProblemError(500, detail))
