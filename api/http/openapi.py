"""The OpenAPI 3.1 document and its page, made from the tables and from the answers' models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from flask import Response
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema

from api.decisions.column_checks import json_schema
from api.decisions.reader import accepted_columns, must_be_given
from api.http.bodies import KEY_PATTERN
from api.http.problems import MEDIA_TYPE, FieldError, Problem, document
from scoring.data.tables import APPLICATION, HISTORY, TABLES, Table
from scoring.language import LANGUAGES

_SCHEMAS = "#/components/schemas"
_BODY = "Applicant"
_KNOWN = "KnownApplicantNumber"
_DESCRIPTION = """\
Scores applications for consumer credit from the rows of the eight Home Credit tables.

Errors are problem documents (RFC 9457): `detail` says what is wrong, and `errors` names the \
fields by JSON pointer. Where the service listens to a network, calls need an API key."""

# Either of the two ways to send a key.
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: cs_..."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
KEY: list[dict[str, list[Any]]] = [{"bearer": []}, {"header": []}]

IDEMPOTENCY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes a repeated request known: it gets the first answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": KEY_PATTERN},
}
LANGUAGE: dict[str, Any] = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": f"The language of texts: {' or '.join(LANGUAGES)}",
    "schema": {"type": "string"},
    "example": "fr",
}
IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what is changed: 412 if it is another one by now",
    "schema": {"type": "string"},
}
_METHODS = ("get", "post", "put")


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
    batch_limit : int
        The most applicants of a batch.
    bodies : sequence of pydantic models
        Those that operations name by `request_body`.
    """

    def __init__(
        self,
        import_name: str,
        *,
        version: str,
        row_limit: int,
        batch_limit: int,
        bodies: Sequence[type[BaseModel]],
    ) -> None:
        super().__init__(
            import_name,
            info=Info(title="Credit scoring", version=version, description=_DESCRIPTION),
            security_schemes=SECURITY_SCHEMES,
            validation_error_model=Problem,
            validation_error_callback=_refused_parameters,
            doc_prefix="/docs",
            doc_url="/openapi.json",
            static_folder=None,
        )
        # Columns are easier to find in the order of Kaggle's files.
        self.json.sort_keys = False  # type: ignore[attr-defined]
        self._limits = row_limit, batch_limit
        self._bodies = bodies
        # Swagger's page would have its document judged by a server on the internet.
        self.config["SWAGGER_CONFIG"] = {"validatorUrl": None, "docExpansion": "full"}

    def generate_spec_json(self) -> None:
        """Generate the document.

        flask-openapi3's own models of it drop keywords of JSON Schema, give every operation a 422
        response, write HTML into descriptions and put added parameters in the place of others:
        that is mended afterwards.
        """
        declared = {
            (path, method): operation
            for path, item in self.paths.items()
            for method in _METHODS
            if (operation := getattr(item, method))
        }
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        for (path, method), operation in declared.items():
            told = self.spec_json["paths"][path][method]
            told["description"] = told["description"].replace("<br/>", "\n")
            responses = told["responses"]
            for status in set(responses) - set(operation.responses or {}):
                del responses[status]
            if operation.security:
                responses.update(_REFUSALS)
            told.setdefault("parameters", []).extend(_HEADERS.get(told["operationId"], ()))
        _, bodies = models_json_schema(
            [(body, "validation") for body in self._bodies], ref_template=f"{_SCHEMAS}/{{model}}"
        )
        schemas = self.spec_json["components"]["schemas"]
        schemas.update(bodies["$defs"])
        schemas.update(_request_schemas(*self._limits))
        for schema in schemas.values():
            for described in schema.get("properties", {}).values():
                # Clients would take what has a default for something that is always there.
                described.pop("default", None)


def _refused_parameters(failure: ValidationError) -> Response:
    """Parameters of an address that cannot be: numbers out of range and the like."""
    errors = [
        FieldError(pointer=f"/{'/'.join(map(str, error['loc']))}"[:200], detail=error["msg"])
        for error in failure.errors(include_url=False, include_context=False, include_input=False)
    ]
    body = document(422, "A parameter of the address is wrong; errors says which.", errors)
    return Response(orjson.dumps(body), 422, content_type=MEDIA_TYPE)


def request_body(model: str) -> dict[str, Any]:
    """The request body of an operation that takes a documented model."""
    content = {"application/json": {"schema": {"$ref": f"{_SCHEMAS}/{model}"}}}
    return {"required": True, "content": content}


def batch_body(example: dict[str, Any]) -> dict[str, Any]:
    """The request body of an operation that takes many applicants."""
    one = {"oneOf": [{"$ref": f"{_SCHEMAS}/{_BODY}"}, {"$ref": f"{_SCHEMAS}/{_KNOWN}"}]}
    return {
        "required": True,
        "description": "Applicants as for POST /predict: an array, or a line of JSON each",
        "content": {
            "application/json": {
                "schema": {"$ref": f"{_SCHEMAS}/Applicants"},
                "example": [{"application": example["application"]}, {"SK_ID_CURR": 100002}],
            },
            "application/x-ndjson": {"schema": one},
        },
    }


def applicant_body(example: dict[str, Any]) -> dict[str, Any]:
    """The request body of an operation that takes an applicant's rows."""
    return {
        "required": True,
        "description": "One applicant's rows, with Kaggle's own column names",
        "content": {
            "application/json": {
                "schema": {
                    "oneOf": [{"$ref": f"{_SCHEMAS}/{_BODY}"}, {"$ref": f"{_SCHEMAS}/{_KNOWN}"}]
                },
                "examples": {
                    "invented": {"summary": "An invented applicant", "value": example},
                    "application alone": {
                        "summary": "Without any credit history",
                        "value": {"application": example["application"]},
                    },
                    "a known applicant": {
                        "summary": "Somebody whose rows the service has",
                        "value": {"SK_ID_CURR": 100002},
                    },
                },
            }
        },
    }


def rows_body(example: dict[str, Any]) -> dict[str, Any]:
    """The request body of an operation that takes an applicant's rows and no number alone."""
    content = {"schema": {"$ref": f"{_SCHEMAS}/{_BODY}"}, "example": example}
    return {
        "required": True,
        "description": "One applicant's rows, with Kaggle's own column names",
        "content": {"application/json": content},
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
    "There is no model to answer, or the store cannot be used",
    "No model can be loaded; the service's log says why. Try again later.",
)


STORE_AWAY = problem(
    503,
    "The store cannot be used",
    "The store of decisions cannot be used at the moment. Try again later.",
)
NOT_FOUND = problem(404, "There is none", "There is no decision of that id.")
BAD_BODY: dict[str | int, Any] = {
    400: problem(400, "The body is not JSON in UTF-8", "The body is not JSON in UTF-8 (RFC 8259)."),
    413: problem(413, "The body is too large", "The body is larger than 10,485,760 bytes."),
    415: problem(415, "It is not said to be JSON", "Send the body as application/json, in UTF-8."),
    422: problem(422, "A field is wrong", "One field is wrong; errors says which and why."),
}
_REFUSALS = {
    "401": problem(401, "There is no valid API key", "Send a key: Authorization: Bearer cs_..."),
    "403": problem(403, "The key's scopes are others", "This key has no scope admin."),
    "429": problem(429, "The caller asks too often", "Too many requests. Try again in 12 seconds."),
}
_HEADERS: dict[str, tuple[dict[str, Any], ...]] = {
    "predict": (IDEMPOTENCY,),
    "predict_batch": (IDEMPOTENCY,),
    "set_policy": (IF_MATCH,),
    "explanation": (LANGUAGE,),
    "override": (IF_MATCH,),
    "what_if": (LANGUAGE,),
    "model_features": (LANGUAGE,),
    "model_feature": (LANGUAGE,),
}


def _request_schemas(row_limit: int, batch_limit: int) -> dict[str, Any]:
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
    number = {
        "type": "object",
        "description": "An applicant whose rows and features the service has",
        "required": ["SK_ID_CURR"],
        "properties": {"SK_ID_CURR": json_schema(APPLICATION["SK_ID_CURR"], nullable=False)},
        "additionalProperties": False,
    }
    several = {
        "type": "array",
        "items": {"oneOf": [{"$ref": f"{_SCHEMAS}/{_BODY}"}, {"$ref": f"{_SCHEMAS}/{_KNOWN}"}]},
        "maxItems": batch_limit,
    }
    described = {_BODY: body, _KNOWN: number, "Applicants": several}
    return described | {table.name: _row_schema(table) for table in TABLES.values()}


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
