"""Bodies and headers of requests, checked before anything is done with them, and of answers."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, pairwise
from typing import Annotated, Any, TypeVar

import numpy as np
import orjson
from flask import Response, request
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from api.http.near_misses import near_miss
from api.http.problems import FieldError, ProblemError, pointer_part
from scoring.data.values import nearest_name
from scoring.free_text import LEAST_MOTIVE, readable
from scoring.language import LANGUAGES

JSON = "application/json"
JSON_LINES = "application/x-ndjson"
# Where the caller has no wish that we can meet.
_USUAL = "en"

_UNICODE = ("utf-8", "utf8")
# What may be sent as an Idempotency-Key: printable, and short enough to be kept with each answer.
KEY_PATTERN = "^[!-~]([ -~]{0,198}[!-~])?$"
_KEY = re.compile(KEY_PATTERN)
_DEEPEST = 4
_MOST_ITEMS = 500_000
# Enough for who, why and some settings, in any script.
_LARGEST_MODEL = 32 * 1024

_BLANK = b" \t\r\n"
_ARRAY = re.compile(rb"[ \t\r\n]*\[")
_TELLS = np.isin(np.arange(256), list(b'[]{},"'))
_STEPS = np.zeros(256, np.int8)
_STEPS[list(b"[{")] = 1
_STEPS[list(b"]}")] = -1
_BLOCK = 1024 * 1024
_NUMBER = re.compile(r"[0-9]{1,18}")

BodyT = TypeVar("BodyT", bound=BaseModel)


# The lengths are those of what is kept, and checked there: two signs may end a line.
Text = Annotated[
    str, AfterValidator(readable),
    Field(json_schema_extra={"minLength": 1, "maxLength": 200}),
]  # fmt: skip
Motive = Annotated[
    str, AfterValidator(partial(readable, longest=2000, least=LEAST_MOTIVE)),
    Field(json_schema_extra={"minLength": LEAST_MOTIVE, "maxLength": 2000}),
]  # fmt: skip
Letter = Annotated[
    str, AfterValidator(partial(readable, longest=5000, least=LEAST_MOTIVE)),
    Field(json_schema_extra={"minLength": LEAST_MOTIVE, "maxLength": 5000}),
]  # fmt: skip


# So much the clocks of two machines may differ, or a caller's time be cut to whole seconds.
SKEW = timedelta(seconds=5)


def _in_utc(moment: datetime) -> datetime:
    """Convert a moment to UTC, which the first and last days of the calendar may not have."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Body(BaseModel):
    """A request's body: unknown fields and values of other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


def read_body(*accepted: str) -> bytes:
    """Read the body of the request.

    Raises ProblemError 415 if it is said to be something that is not accepted, and
    RequestEntityTooLarge if it is larger than the request may be.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in accepted or (JSON in accepted and charset not in _UNICODE):
        raise ProblemError(415, f"Send the body as {' or '.join(accepted)}, in UTF-8.")
    if request.content_encoding not in (None, "", "identity"):
        raise ProblemError(415, "Send the body as it is, without a Content-Encoding.")
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) == request.max_content_length:
        # A body sent in chunks does not say its length, and is cut off at the limit.
        raise RequestEntityTooLarge
    return body


def parse(body: bytes, most: int = _MOST_ITEMS) -> object:
    """Parse the JSON of a body.

    Raises ProblemError 400 if it is not JSON in UTF-8, 422 if it has more commas and brackets than
    `most`.
    """
    # An item of two bytes would take some sixty in memory.
    if sum(map(body.count, (b",", b"[", b"{"))) > most:
        raise ProblemError(422, f"The JSON has too many items: at most {most:,} are taken.")
    if b"\0" in body:
        raise ProblemError(400, "The body holds NUL bytes. Send JSON in UTF-8.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _not_json(str(error), body) from None


def _not_finite(value: object, place: str = "", depth: int = 0) -> Iterator[FieldError]:
    """Find the fields that are NaN or infinite, as deep as an applicant's can lie."""
    if isinstance(value, float) and not np.isfinite(value):
        yield FieldError(place, "NaN and infinity are no JSON: send null")
    elif isinstance(value, dict | list) and depth < _DEEPEST:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(inner, f"{place}/{pointer_part(str(name))}", depth + 1)


def split(body: bytes, most: int, *, lines: bool) -> list[bytes]:
    """Split a body into its lines, or the items of its array, each to be parsed by itself.

    Raises ProblemError 400 or 422 if the body is no array, 422 if it has more than `most`.
    """
    if lines:
        parts = body.split(b"\n", 2 * most)
        many = b"\n" in parts[-1]
    else:
        places = _commas(body, most)
        many = len(places) > most + 1
        parts = [body[start + 1 : end] for start, end in pairwise(places[: most + 1])]
    parts = [part.strip(_BLANK) for part in parts]
    # Lines of JSON often end with an empty one, and an array may hold nothing.
    if lines or parts == [b""]:
        parts = [part for part in parts if part]
    if many or len(parts) > most:
        raise ProblemError(422, f"More than {most:,} applicants, which is the most of a batch.")
    return parts


def _commas(body: bytes, most: int) -> list[int]:
    """Find where an array begins, its own commas, and where it ends; the first ones of too many."""
    if not _ARRAY.match(body):
        mend = near_miss(parse(body), batch=True)
        raise ProblemError(422, "The body must be an array of applicants.", [mend] if mend else [])
    places, depth, ends, quotes, escaped = [body.index(b"[")], 0, 0, 0, False
    for start in range(0, len(body), _BLOCK):
        part = body[start : start + _BLOCK]
        # Escaped quotes end no text.
        part = b"_" + part[1:] if escaped else part
        part = part.replace(rb"\\", b"__").replace(rb"\"", b"__")
        escaped = part.endswith(b"\\")
        block = np.frombuffer(part, np.uint8)
        at = np.flatnonzero(_TELLS[block])
        marks = block[at]
        quoted = quotes + np.cumsum(marks == ord('"'))
        outside = quoted % 2 == 0
        depths = depth + np.cumsum(_STEPS[marks] * outside)
        cuts = outside & ((depths == 0) | (depths == 1) & (marks == ord(",")))
        places += (start + at[cuts]).tolist()
        if len(places) > most + 1:
            return places
        if at.size:
            depth, quotes = int(depths[-1]), int(quoted[-1])
        ends += int(np.count_nonzero(depths == 0))
    if ends != 1 or places[-1] != len(body.rstrip(_BLANK)) - 1:
        raise _not_json("the array does not end, or something comes after it")
    return places


def read_model(model: type[BodyT], largest: int = _LARGEST_MODEL) -> BodyT:
    """Read the body as one of the documented models, of at most `largest` bytes.

    Raises ProblemError 400 or 415 as `parse` and `read_body` do, 422 if its fields are not the
    model's.
    """
    request.max_content_length = min(largest, request.max_content_length or largest)
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
        raise wrong_fields(errors) from None


def wrong_fields(errors: Sequence[FieldError], more: str = "") -> ProblemError:
    """Make the problem of a body some of whose fields are wrong."""
    several = "One field is" if len(errors) == 1 else f"{len(errors)} fields are"
    return ProblemError(422, f"{several} wrong{more}; errors says which and why.", errors)


def _field_error(model: type[BaseModel], place: list[str], kind: str, message: str) -> FieldError:
    detail = message.removeprefix("Value error, ")
    if kind == "extra_forbidden":
        nearest = nearest_name(place[-1], tuple(model.model_fields))
        detail = "unknown field" + (f"; did you mean {nearest}?" if nearest else "")
    return FieldError("".join(f"/{pointer_part(part)}" for part in place), detail)


def _not_json(why: str, body: bytes = b"") -> ProblemError:
    try:
        # Python reads the NaN and Infinity that it writes, which are no JSON.
        errors = list(islice(_not_finite(json.loads(body)), 50))
    except (ValueError, RecursionError):
        errors = []
    return ProblemError(400, f"The body is not JSON in UTF-8 (RFC 8259): {why}.", errors)


def idempotency_key() -> str | None:
    """Read the key with which the caller makes repeated requests known, None if there is none.

    Raises ProblemError 400 if it cannot be a key.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise ProblemError(
            400,
            "Idempotency-Key must be 1 to 200 printable ASCII characters, no space at the ends.",
        )
    return key


def seen_numbers() -> frozenset[int] | None:
    """Read the numbers, as ETags, of which If-Match wants one; None where any will do."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    # Proxies that compress answers make their tags weak; a number is exact all the same.
    tags = request.if_match.as_set(include_weak=True)
    # An empty tag is read as none at all.
    return frozenset(int(tag) for tag in tags if tag and _NUMBER.fullmatch(tag))


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
