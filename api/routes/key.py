"""GET /key: what the caller's own key may do."""

from __future__ import annotations

from flask import Response
from pydantic import BaseModel

from api.http.access import current_client, scope
from api.http.answers import json_answer
from api.http.openapi import STORE_AWAY, resource
from scoring.store import SCOPES, Scope

blueprint = resource("key", "administration")


class KeyFacts(BaseModel):
    """An API key, as far as it is told."""

    name: str
    scopes: list[Scope]


@blueprint.get(
    "/key",
    operation_id="key",
    summary="What may this key do?",
    responses={200: KeyFacts, 503: STORE_AWAY},
)
@scope(*SCOPES)
def key() -> Response:
    """The name and the scopes of the key that was sent, so that a page offers what it may do."""
    client = current_client()
    return json_answer({"name": client.name, "scopes": sorted(client.scopes)})
