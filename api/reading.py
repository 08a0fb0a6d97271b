"""Bodies, headers and parameters of requests, checked before anything is done with them."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import partial
from typing import Annotated, TypeVar

import orjson
from flask import Flask, Response, request
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from api.columns import nearest_name
from api.problems import FieldError, ProblemError
from scoring.free_text import LEAST_MOTIVE, readable

JSON = "application/json"
JSON_LINES = "application/x-ndjson"

_UNICODE = ("utf-8", "utf8")
# What may be sent as an Idempotency-Key: printable, and short enough to be kept with each answer.
_KEY = re.compile(r"[!-~]{1,200}")
_LONGEST_NAME = 80

BodyT = TypeVar("BodyT", bound=BaseModel)


Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(readable),
]  # fmt: skip
Motive = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=LEAST_MOTIVE, max_length=2000),
    AfterValidator(partial(readable, longest=2000, least=LEAST_MOTIVE)),
]  # fmt: skip


class Body(BaseModel):
    """A request's body: unknown fields and values of other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


def init_app(app: Flask) -> None:
    """Read what is left of a body before a request is refused.

    A client may send head and body apart. Where the answer leaves before the body has come, the
    server reads on for it later, together with the beginning of the connection's next request,
    which it then forgets until the client gives up.
    """

    def read_on(response: Response) -> Response:
        # Beyond the limit nothing is read on: the client has to make a new connection.
        with suppress(HTTPException):
            request.get_data(cache=False)
        return response

    app.after_request(read_on)


def read_body(*accepted: str) -> bytes:
    """The body of the request.

    Raises
    ------
    ProblemError
        415 if it is said to be something that is not accepted.
    RequestEntityTooLarge
        If it is larger than the request may be.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in accepted or charset not in _UNICODE:
        raise ProblemError(415, f"Send the body as {' or '.join(accepted)}, in UTF-8.")
    if request.content_encoding not in (None, "", "identity"):
        raise ProblemError(415, "Send the body as it is, without a Content-Encoding.")
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) == request.max_content_length:
        # A body sent in chunks does not say its length, and is cut off at the limit.
        raise RequestEntityTooLarge
    return body


def parse(body: bytes) -> object:
    """The JSON of a body.

    Raises
    ------
    ProblemError
        400 if it is not JSON in UTF-8.
    """
    if b"\0" in body:
        raise ProblemError(400, "The body holds NUL bytes. Send JSON in UTF-8.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"The body is not JSON in UTF-8 (RFC 8259): {error}."
        raise ProblemError(400, detail) from None


def read_model(model: type[BodyT]) -> BodyT:
    """The body as one of the documented models.

    Raises
    ------
    ProblemError
        400 or 415 as for `parse` and `read_body`, 422 if its fields are not the model's.
    """
    body = read_body(JSON)
    if not isinstance(parse(body), dict):
        raise ProblemError(422, "The body must be an object.")
    try:
        # In JSON's own mode a strict model takes dates, which JSON writes as text.
        return model.model_validate_json(body)
    except ValidationError as failure:
        errors = [
            _field_error(model, [str(part) for part in error["loc"]], error["type"], error["msg"])
            for error in failure.errors(include_url=False, include_context=False)[:50]
        ]
        several = "One field is" if len(errors) == 1 else f"{len(errors)} fields are"
        detail = f"{several} wrong; errors says which and why."
        raise ProblemError(422, detail, errors) from None


def _field_error(model: type[BaseModel], place: list[str], kind: str, message: str) -> FieldError:
    parts = [part[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1") for part in place]
    detail = message
    if kind == "extra_forbidden":
        nearest = nearest_name(place[-1], tuple(model.model_fields))
        detail = "unknown field" + (f"; did you mean {nearest}?" if nearest else "")
    return FieldError(pointer="".join(f"/{part}" for part in parts), detail=detail)


def idempotency_key() -> str | None:
    """The key with which the caller makes repeated requests known, None if there is none.

    Raises
    ------
    ProblemError
        400 if it cannot be a key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise ProblemError(
            400, "Idempotency-Key must be 1 to 200 printable ASCII characters without spaces."
        )
    return key


def digest_of(body: bytes) -> str:
    """The SHA-256 of a body."""
    return hashlib.sha256(body).hexdigest()
