"""The OpenAPI 3.1 document and its page, made from the tables and from the answers' models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from api.applicant import accepted_columns, must_be_given
from api.columns import json_schema
from api.problems import MEDIA_TYPE, FieldError, Problem, document
from scoring.tables import APPLICATION, HISTORY, TABLES, Table

_SCHEMAS = "#/components/schemas"
_BODY = "Applicant"
_DESCRIPTION = """\
Scores applications for consumer credit from the rows of the eight Home Credit tables.

Errors are problem documents (RFC 9457): `detail` says what is wrong, and `errors` names the \
fields by JSON pointer."""


class Application(OpenAPI):
    """A Flask app whose OpenAPI document says what the app does, and no more.

    Parameters
    ----------
    import_name : str
        As Flask's.
    version : str
        The API's version.
    row_limit : int
        The most rows a history table of a request may have.
    """

    def __init__(self, import_name: str, *, version: str, row_limit: int) -> None:
        super().__init__(
            import_name,
            info=Info(title="Credit scoring", version=version, description=_DESCRIPTION),
            # The library writes a null here unless told otherwise, and validators refuse it.
            security_schemes={},
            validation_error_model=Problem,
            doc_prefix="/docs",
            doc_url="/openapi.json",
            static_folder=None,
        )
        # Columns are easier to find in the order of Kaggle's files.
        self.json.sort_keys = False  # type: ignore[attr-defined]
        self.row_limit = row_limit
        # Swagger's page would have its document judged by a server on the internet.
        self.config["SWAGGER_CONFIG"] = {"validatorUrl": None, "docExpansion": "full"}

    def generate_spec_json(self) -> None:
        """Generate the document.

        flask-openapi3's own models of it drop keywords of JSON Schema, give every operation a 422
        response and write HTML into descriptions: that is mended afterwards.
        """
        declared = {
            (path, method): set(operation.responses or {})
            for path, item in self.paths.items()
            for method in ("get", "post")
            if (operation := getattr(item, method))
        }
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        for (path, method), statuses in declared.items():
            operation = self.spec_json["paths"][path][method]
            operation["description"] = operation["description"].replace("<br/>", "\n")
            responses = operation["responses"]
            for status in set(responses) - statuses:
                del responses[status]
        components = self.spec_json["components"]
        components["schemas"].update(_request_schemas(self.row_limit))
        if not components["securitySchemes"]:
            # Swagger's page would offer to log in.
            del components["securitySchemes"]


def applicant_body(example: dict[str, Any]) -> dict[str, Any]:
    """The request body of an operation that takes an applicant's rows."""
    return {
        "required": True,
        "description": "One applicant's rows, with Kaggle's own column names",
        "content": {
            "application/json": {
                "schema": {"$ref": f"{_SCHEMAS}/{_BODY}"},
                "examples": {
                    "invented": {"summary": "An invented applicant", "value": example},
                    "application alone": {
                        "summary": "Without any credit history",
                        "value": {"application": example["application"]},
                    },
                },
            }
        },
    }


def problem(
    status: int, description: str, detail: str, errors: Sequence[FieldError] = ()
) -> dict[str, Any]:
    """A response that is a problem document.

    Parameters
    ----------
    status : int
        Its HTTP status.
    description : str
        When it is given.
    detail : str
        The example's detail.
    errors : sequence of FieldError
        The example's wrong fields.
    """
    content = {
        "schema": {"$ref": f"{_SCHEMAS}/{Problem.__name__}"},
        "example": document(status, detail, errors),
    }
    return {"description": description, "content": {MEDIA_TYPE: content}}


NOT_READY = problem(
    503,
    "There is no model to answer",
    "No model can be loaded; the service's log says why. Try again later.",
)


def _request_schemas(row_limit: int) -> dict[str, Any]:
    histories = {
        table.name: {
            "type": "array",
            "items": {"$ref": f"{_SCHEMAS}/{table.name}"},
            "maxItems": row_limit,
        }
        for table in HISTORY
    }
    body = {
        "type": "object",
        "description": "One applicant: the application and any of the credit history",
        "required": [APPLICATION.name],
        "properties": {
            APPLICATION.name: {"$ref": f"{_SCHEMAS}/{APPLICATION.name}"},
            **histories,
        },
        "additionalProperties": False,
    }
    return {_BODY: body} | {table.name: _row_schema(table) for table in TABLES.values()}


def _row_schema(table: Table) -> dict[str, Any]:
    columns = accepted_columns(table)
    return {
        "type": "object",
        "description": f"A row of {table.name}",
        "required": [column.name for column in columns if must_be_given(table, column)],
        "properties": {
            column.name: json_schema(column, nullable=not must_be_given(table, column))
            for column in columns
        },
        "additionalProperties": False,
    }
