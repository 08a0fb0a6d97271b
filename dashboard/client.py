"""What the page asks of the API, and what can go wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple
from urllib.parse import urlencode

import requests

Failure = Literal[
    "down", "slow", "not_ready", "no_key", "no_scope", "too_often", "missing", "changed", "refused",
    "incomplete", "failed",
]  # fmt: skip

_CONNECT_SECONDS = 3.0
_BY_STATUS: dict[int, Failure] = {
    401: "no_key",
    403: "no_scope",
    404: "missing",
    412: "changed",
    428: "changed",
    429: "too_often",
    503: "not_ready",
}


class FieldError(NamedTuple):
    """A field that the API refused: where it is in the request, and why."""

    pointer: str
    detail: str


class ApiError(Exception):
    """The API did not do what it was asked.

    Parameters
    ----------
    failure : Failure
        down: nothing answers at the address; slow: it did not answer in time; not_ready: it has
        no model or no store; no_key: it does not know the key; no_scope: the key may not do this;
        too_often: it asks for patience; missing: there is no such thing; changed: it is not
        what the caller has seen any more; refused: the request is wrong; incomplete: it would
        be, and was not sent; failed: anything else.
    detail : str
        The API's own words, or the library's.
    errors : tuple of FieldError
        The wrong fields of a refused request.
    wait : str
        After how many seconds to try again, where it says so.
    """

    def __init__(
        self,
        failure: Failure,
        detail: str = "",
        errors: tuple[FieldError, ...] = (),
        wait: str = "",
    ) -> None:
        super().__init__(detail)
        self.failure, self.detail, self.errors, self.wait = failure, detail, errors, wait


@dataclass(frozen=True, slots=True)
class Api:
    """The API as somebody may use it.

    Attributes
    ----------
    url : str
        Its address.
    key : str
        The caller's key; empty where none is needed.
    language : str
        Of texts: "fr" or "en".
    timeout : float
        Seconds to wait for an answer.
    """

    url: str
    key: str = field(repr=False)
    language: str
    timeout: float

    def ready(self) -> dict[str, Any]:
        """The model that answers."""
        return self._object("GET", "/ready")

    def schema(self) -> dict[str, Any]:
        """The OpenAPI document."""
        return self._object("GET", "/docs/openapi.json")

    def decide(self, body: bytes) -> dict[str, Any]:
        """Send a request body, as it is, to `POST /predict`: the API is the one to judge."""
        found = self._object("POST", "/predict", body)
        if "probability_of_default" not in found:
            raise ApiError("failed", str(found)[:200])
        return found

    def decide_all(self, items: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
        """A result for each of many applicants, the same for the same key."""
        sent = self._sent("POST", "/predict/batch", _json(items), {"Idempotency-Key": key})
        found = list(_found(sent).get("results", ()))
        if len(found) != len(items):
            raise ApiError("failed", f"{len(found)} results for {len(items)} applicants")
        return found

    def read_file(self, name: str, content: bytes) -> dict[str, Any]:
        """A CSV file's rows, as applications, and notes on how they were read."""
        path = f"/applications/read?{urlencode({'name': name[-200:]})}"
        return _found(self._sent("POST", path, content, {"Content-Type": "text/csv"}))

    def what_if(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """What rows would mean; nothing is decided."""
        return self._object("POST", "/what-if", _json(rows))

    def offers(self, rows: Mapping[str, Any]) -> dict[str, Any]:
        """The nearest loans that would be accepted; nothing is decided."""
        return self._object("POST", "/offers", _json(rows))

    def scopes(self) -> list[str]:
        """What the key may do."""
        return list(self._object("GET", "/key")["scopes"])

    def referred(self) -> list[dict[str, Any]]:
        """Decisions that wait for an officer, the oldest first."""
        return list(self._object("GET", "/predictions")["predictions"])

    def reviews(self) -> list[dict[str, Any]]:
        """Reviews that wait for a decision, those that are due first at the head."""
        return list(self._object("GET", "/reviews")["reviews"])

    def reviews_of(self, number: str) -> list[dict[str, Any]]:
        """The reviews of a decision, the oldest first."""
        return list(self._object("GET", f"/predictions/{number}/reviews")["reviews"])

    def review(self, number: str) -> dict[str, Any]:
        """A review with its words."""
        return self._object("GET", f"/reviews/{number}")

    def contest(self, number: str, words: str) -> None:
        """Open a review of a decision."""
        self._object("POST", f"/predictions/{number}/reviews", _json({"words": words}))

    def assign(self, number: str, assignee: str) -> None:
        """Say who is to decide on a review."""
        self._object("PUT", f"/reviews/{number}/assignee", _json({"assignee": assignee}))

    def decide_review(self, number: str, etag: str, decision: str, actor: str, motive: str) -> None:
        """Decide on a review, unless the decision is not any more what was seen with an ETag."""
        body = _json({"decision": decision, "actor": actor, "motive": motive})
        self._sent("POST", f"/reviews/{number}/decision", body, {"If-Match": etag})

    def notice(self, number: str) -> str:
        """The notice of a decision, as a page to print."""
        return self._sent("GET", f"/predictions/{number}/notice", None).text

    def record(self, number: str) -> dict[str, Any]:
        """A decision with what came after it, and its ETag."""
        response = self._sent("GET", f"/predictions/{number}", None)
        return {**_json_object(response), "etag": response.headers.get("ETag", "")}

    def explanation(self, number: str) -> dict[str, Any]:
        """Every contribution to a decision."""
        return self._object("GET", f"/predictions/{number}/explanation")

    def override(self, number: str, etag: str, decision: str, actor: str, motive: str) -> None:
        """Decide otherwise, unless the decision is not any more what was seen with an ETag."""
        body = _json({"decision": decision, "actor": actor, "motive": motive})
        self._sent("POST", f"/predictions/{number}/override", body, {"If-Match": etag})

    def applicant(self, number: int) -> dict[str, Any]:
        """A known applicant's rows."""
        return self._object("GET", f"/applicants/{number}")

    def history(self, number: int) -> dict[str, Any]:
        """Earlier decisions on an applicant, the newest first, and whether there may be others."""
        return self._object("GET", f"/applicants/{number}/predictions")

    def model(self) -> dict[str, Any]:
        """Champion and challenger."""
        return self._object("GET", "/model")

    def features(self) -> list[dict[str, Any]]:
        """What the champion looks at, the most important first."""
        return list(self._object("GET", "/model/features")["features"])

    def distribution(self, feature: str) -> dict[str, Any]:
        """How applicants are distributed in a feature."""
        return self._object("GET", f"/model/features/{feature}")

    def policy(self) -> dict[str, Any]:
        """How models are used, with the tag of that state."""
        return _policy(self._sent("GET", "/policy", None))

    def set_policy(self, change: Mapping[str, Any], tag: str) -> dict[str, Any]:
        """Change how models are used, if they are still used as the tag says."""
        return _policy(self._sent("PUT", "/policy", _json(change), {"If-Match": tag}))

    def alerts(self) -> list[dict[str, Any]]:
        """What monitoring has found and still finds."""
        return list(self._object("GET", "/alerts")["alerts"])

    def monitoring(self) -> dict[str, Any]:
        """The figures of the last look."""
        return self._object("GET", "/monitoring")

    def monitoring_report(self) -> str:
        """The page of the last look."""
        return self._sent("GET", "/monitoring/report", None).text

    def _object(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        return _found(self._sent(method, path, body))

    def _sent(
        self, method: str, path: str, body: bytes | None, extra: Mapping[str, str] = {}
    ) -> requests.Response:
        headers = {
            "Accept-Language": self.language,
            # One question, one connection: an idle one would make the API wait before it stops.
            "Connection": "close",
            **({"X-API-Key": self.key} if self.key else {}),
            **({"Content-Type": "application/json"} if body is not None else {}),
            **extra,
        }
        try:
            response = requests.request(
                method,
                f"{self.url}{path}",
                data=body,
                headers=headers,
                timeout=(_CONNECT_SECONDS, self.timeout),
                # The key goes to this address and to no other.
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise ApiError("slow", str(error)) from error
        except (requests.RequestException, ValueError) as error:
            # A key may hold what no header can; the library's words would repeat it.
            raise ApiError("down", type(error).__name__) from None
        if self.key and self.key.encode() in response.content:
            # Something else answers, and would have the page show the key.
            raise ApiError("failed", f"HTTP {response.status_code}")
        if not response.ok or response.is_redirect:
            raise _failure(response)
        return response


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _found(response: requests.Response) -> dict[str, Any]:
    found = _json_object(response)
    if not found:
        raise ApiError("failed", response.text[:200])
    return found


def _policy(response: requests.Response) -> dict[str, Any]:
    return {**_found(response), "tag": response.headers.get("ETag", "")}


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except requests.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _failure(response: requests.Response) -> ApiError:
    problem = _json_object(response)
    if "detail" not in problem:
        # Whoever answers, it is not the API.
        return ApiError("failed", f"HTTP {response.status_code}")
    status = response.status_code
    by_class: Failure = "refused" if status < requests.codes.server_error else "failed"
    errors = [FieldError(one["pointer"], one["detail"]) for one in problem.get("errors", [])]
    return ApiError(
        _BY_STATUS.get(status, by_class),
        str(problem["detail"]),
        tuple(errors),
        "".join(filter(str.isdigit, response.headers.get("Retry-After", "")))[:9],
    )
