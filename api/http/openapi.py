"""The OpenAPI 3.1 document and its page, made from the tables and from the answers' models."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flask import Response, redirect, url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.info import Info
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import ValidationError
from pydantic.json_schema import models_json_schema
from werkzeug.wrappers import Response as WerkzeugResponse

from api.decisions.column_checks import in_words, json_schema
from api.decisions.counter_offers import ACTOR, COUNTER_OFFER_TO, ID_PATTERN
from api.decisions.reader import accepted_columns, must_be_given
from api.http.bodies import JSON, JSON_LINES, KEY_PATTERN, Body
from api.http.problems import MEDIA_TYPE, FieldError, Problem, ProblemError, answer
from scoring.data.tables import APPLICATION, HISTORY, TABLES, Column, Table

_SCHEMAS = "#/components/schemas"
_BODY = "Applicant"
_KNOWN = "KnownApplicantNumber"
_COUNTER_OFFER = "CounterOffer"


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"{_SCHEMAS}/{schema}"}


# What a body may be: rows or the number of a known applicant; where it is decided, another loan
# than an earlier decision's as well.
KNOWN_OR_SENT = {"oneOf": [_reference(_BODY), _reference(_KNOWN)]}
DECIDED = {"oneOf": [*KNOWN_OR_SENT["oneOf"], _reference(_COUNTER_OFFER)]}
_DESCRIPTION = """\
Scores applications for consumer credit from the rows of the eight Home Credit tables.

Errors are problem documents (RFC 9457): `detail` says what is wrong, and `errors` names the \
fields by JSON pointer. Where the service listens to a network, calls need an API key."""

# Either of the two ways to send a key.
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: cs_..."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
KEYS: list[dict[str, list[str]]] = [{name: []} for name in SECURITY_SCHEMES]


def _header(name: str, description: str, **schema: object) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }


# Headers that endpoints read, for `operation`.
IDEMPOTENCY = _header(
    "Idempotency-Key",
    "Makes a repeated request known: it gets the first answer",
    minLength=1,
    maxLength=200,
    pattern=KEY_PATTERN,
)
LANGUAGE = _header("Accept-Language", "The language of texts: fr or en") | {"example": "fr"}
IF_MATCH = _header("If-Match", "The ETag of what is changed: 412 if it is another one by now")
_METHODS = ("get", "post", "put")
# flask-openapi3 would put added parameters in the place of others.
_HEADERS = "x-headers"


def resource(
    name: str, tag: str = "", description: str = "", *, keyed: bool = True
) -> APIBlueprint:
    """Make the blueprint of a module of `api.routes`, whose operations are named as their views.

    The document has them under the heading `tag`; `keyed` says whether they take an API key.
    """
    return APIBlueprint(
        name,
        __name__,
        abp_tags=[Tag(name=tag, description=description)] if tag else None,
        abp_security=KEYS if keyed else None,
        operation_id_callback=lambda *, name, **_: name,
    )


def operation(*headers: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe the headers and body that an endpoint reads, as its `openapi_extensions`."""
    return {_HEADERS: list(headers)} | ({"requestBody": body} if body else {})


class Application(OpenAPI):
    """A Flask app whose OpenAPI document says what the app does, and no more.

    The limits are the most rows of a history table, and the most applicants of a batch.
    """

    def __init__(self, import_name: str, version: str, row_limit: int, batch_limit: int) -> None:
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
        # Swagger's page would have its document judged by a server on the internet.
        self.config["SWAGGER_CONFIG"] = {"validatorUrl": None, "docExpansion": "none"}
        self.view_functions["openapi.openapi"] = _to_the_reference

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
            document = self.spec_json["paths"][path][method]
            document["description"] = document["description"].replace("<br/>", "\n")
            responses = document["responses"]
            for status in set(responses) - set(operation.responses or {}):
                del responses[status]
            if operation.security:
                responses.update(_REFUSALS)
            document.setdefault("parameters", []).extend(document.pop(_HEADERS, ()))
        _, bodies = models_json_schema(
            [(body, "validation") for body in Body.__subclasses__()],
            ref_template=f"{_SCHEMAS}/{{model}}",
        )
        schemas = self.spec_json["components"]["schemas"]
        schemas.update(bodies["$defs"])
        schemas.update(_request_schemas(*self._limits))
        for schema in schemas.values():
            for described in schema.get("properties", {}).values():
                # Clients would take what has a default for something that is always there.
                described.pop("default", None)


def _to_the_reference() -> WerkzeugResponse:
    """Lead who opens /docs to the reference, instead of to a list of pages with one entry."""
    return redirect(url_for("swagger.swagger"))


def _refused_parameters(failure: ValidationError) -> Response:
    """Answer parameters of an address that cannot be: numbers out of range and the like."""
    errors = [
        FieldError(f"/{'/'.join(map(str, error['loc']))}"[:200], error["msg"])
        for error in failure.errors(include_url=False, include_context=False, include_input=False)
    ]
    detail = "A parameter of the address is wrong; errors says which."
    return answer(ProblemError(422, detail, errors))


def body_of(model: type[Body]) -> dict[str, Any]:
    """Describe the request body of an endpoint that calls `read_model`."""
    return {"required": True, "content": {JSON: {"schema": _reference(model.__name__)}}}


def rows_body(content: dict[str, Any], *, of: dict[str, Any] | None = None) -> dict[str, Any]:
    """Describe a request body of an applicant's rows, or of what a schema says besides.

    That is `KNOWN_OR_SENT` or `DECIDED`.
    """
    return {
        "required": True,
        "description": "One applicant's rows, with Kaggle's own column names",
        "content": {JSON: {"schema": of or _reference(_BODY), **content}},
    }


def batch_body(example: list[dict[str, Any]]) -> dict[str, Any]:
    """Describe the request body of an endpoint that takes many applicants."""
    return {
        "required": True,
        "description": "Applicants as for POST /predict: an array, or a line of JSON each",
        "content": {
            JSON: {"schema": _reference("Applicants"), "example": example},
            JSON_LINES: {"schema": DECIDED},
        },
    }


def problem(
    status: int, description: str, detail: str, errors: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Describe a response that is a problem document: when it is given, and an example."""
    example = ProblemError(status, detail, [FieldError(**error) for error in errors])
    content = {"schema": _reference(Problem.__name__), "example": example.document()}
    return {"description": description, "content": {MEDIA_TYPE: content}}


def _documented(name: str) -> dict[str | int, Any]:
    """Describe the problems that `problems.toml` has under a name, by status."""
    return {each["status"]: problem(**each) for each in _PROBLEMS[name]}


_PROBLEMS = tomllib.loads(Path(__file__).with_name("problems.toml").read_text("utf-8"))
NOT_READY = _documented("not_ready")[503]
STORE_AWAY = _documented("store_away")[503]
NOT_FOUND = _documented("not_found")[404]
WRONG_QUERY = _documented("wrong_query")[422]
BAD_BODY = _documented("bad_body")
BAD_ROWS = BAD_BODY | _documented("bad_rows")
_REFUSALS = {str(status): refusal for status, refusal in _documented("refusals").items()}


def _request_schemas(row_limit: int, batch_limit: int) -> dict[str, Any]:
    histories = {
        table.name: {"type": "array", "items": _reference(table.name), "maxItems": row_limit}
        for table in HISTORY
    }
    rows = {APPLICATION.name: _reference(APPLICATION.name), **histories}
    applicant = _object(
        "One applicant: the application and any of the credit history", [APPLICATION.name], rows
    )
    counter_offer = _object(
        "The same with another loan than an earlier decision's on the applicant",
        [APPLICATION.name, COUNTER_OFFER_TO, ACTOR],
        {
            **rows,
            COUNTER_OFFER_TO: {"type": "string", "pattern": f"^{ID_PATTERN}$"},
            ACTOR: {"type": "string", "minLength": 1, "maxLength": 200},
        },
    )
    number = _object(
        "An applicant whose rows and features the service has",
        ["SK_ID_CURR"],
        {"SK_ID_CURR": json_schema(APPLICATION["SK_ID_CURR"], nullable=False)},
    )
    several = {"type": "array", "items": DECIDED, "maxItems": batch_limit}
    described = {_BODY: applicant, _KNOWN: number, _COUNTER_OFFER: counter_offer}
    described["Applicants"] = several
    return described | {table.name: _row_schema(table) for table in TABLES.values()}


def _row_schema(table: Table) -> dict[str, Any]:
    columns = {column: must_be_given(column) for column in accepted_columns(table)}
    return _object(
        f"A row of {table.name}",
        [column.name for column, required in columns.items() if required],
        {
            column.name: _column_schema(table, column, required=required)
            for column, required in columns.items()
        },
    )


def _column_schema(table: Table, column: Column, *, required: bool) -> dict[str, Any]:
    schema = json_schema(column, nullable=not required)
    return in_words(column, schema) if table is APPLICATION else schema


def _object(description: str, required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }
