"""POST /applications/read: a file of applications in, their rows out, ready for a batch."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
from flask import Response, request
from pydantic import BaseModel, Field

from api.decisions.reader import accepted_columns
from api.http.access import scope
from api.http.bodies import json_answer, read_body
from api.http.openapi import BAD_BODY, operation, resource
from api.http.problems import ProblemError
from api.service import current_service
from scoring.data.checks import DatasetError
from scoring.data.delimited import Note, TooLargeError, check_most
from scoring.data.sources import SourceFile, read_text
from scoring.data.tables import APPLICATION, Column
from scoring.data.values import is_missing

blueprint = resource("applications", "prediction", "Decisions on applications")

_APPLICATIONS = replace(APPLICATION, columns=accepted_columns(APPLICATION))
_KINDS = ("text/csv", "application/octet-stream")
_BODY = {
    "required": True,
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in _KINDS},
}
_MOST_ROWS = 5_000
_MOST_VALUES = 2_500_000


class FileQuery(BaseModel):
    """Which file."""

    name: str = Field(default="the file", max_length=200, description="Its name, for messages")


class Applications(BaseModel):
    """A file's rows."""

    rows: list[dict[str, Any]] = Field(description="Each as `application` of POST /predict has it")
    notes: list[Note] = Field(description="What was made of the file to read it")


@blueprint.post(
    "/applications/read",
    summary="Read a CSV file of up to 5,000 applications, deciding nothing",
    responses={200: Applications, 413: BAD_BODY[413], 415: BAD_BODY[415], 422: BAD_BODY[422]},
    openapi_extensions=operation(body=_BODY),
)
@scope("score")
def read_applications(query: FileQuery) -> Response:
    """Rows of a CSV file, zipped or gzipped or not, however it is laid out, in its order.

    Values that are missing are left out, and text that is no number stays text: POST /predict
    judges each row alone.
    """
    most = request.max_content_length = current_service().settings.batch_body_limit
    body = read_body(*_KINDS)
    file = SourceFile(query.name, "", lambda: body)
    try:
        frame, notes = read_text(file, _APPLICATIONS, most, _MOST_VALUES)
        check_most(frame.height, _MOST_ROWS, "rows")
    except TooLargeError as error:
        detail = f"More than {_MOST_ROWS:,} rows are not read at a time: send fewer."
        raise ProblemError(422, detail) from error
    except DatasetError as error:
        raise ProblemError(422, str(error)) from error
    if "SK_ID_CURR" not in frame.columns:
        raise ProblemError(422, f"{query.name}: there is no column SK_ID_CURR. Add it.")
    lacking = tuple(name for name in _APPLICATIONS.schema if name not in frame.columns)
    if lacking and frame.width > 1:
        notes.append(
            Note("missing_columns", lacking, "columns that are not there count as missing")
        )
    cells = [_cells(frame[name], _APPLICATIONS[name]) for name in frame.columns]
    rows = [
        {name: cell for name, cell in row if cell is not None} for row in zip(*cells, strict=True)
    ]
    return json_answer({"rows": rows, "notes": notes})


def _cells(texts: pl.Series, column: Column) -> Iterator[tuple[str, str | float | None]]:
    """Yield a column's name with each of its values as JSON has them, None where there is none."""
    dtype = pl.String if column.kind == "category" else pl.Float64
    for text, value in zip(texts, texts.str.strip_chars().cast(dtype, strict=False), strict=True):
        cell = value
        if text is None or is_missing(text):
            cell = None
        elif not isinstance(value, float) or not math.isfinite(value):
            cell = text
        elif column.dtype.is_integer() and value.is_integer():
            cell = int(value)
        yield column.name, cell
