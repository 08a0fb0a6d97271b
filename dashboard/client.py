"""What the page asks of the API, and what can go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import requests

Failure = Literal["down", "slow", "not_ready", "refused", "failed"]

_CONNECT_SECONDS = 3.0


class FieldError(NamedTuple):
    """A field that the API refused: where it is in the request, and why."""

    pointer: str
    detail: str


class ApiError(Exception):
    """The API gave no decision.

    Parameters
    ----------
    failure : Failure
        down: nothing answers at the address; slow: it did not answer in time; not_ready: it has
        no model; refused: the request is wrong; failed: anything else.
    detail : str
        The API's own words, or the library's.
    errors : tuple of FieldError
        The wrong fields of a refused request.
    """

    def __init__(
        self, failure: Failure, detail: str = "", errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(detail)
        self.failure, self.detail, self.errors = failure, detail, errors


def ask_decision(url: str, body: bytes, timeout: float) -> dict[str, Any]:
    """Send a request body, as it is, to `POST /predict`.

    Parameters
    ----------
    url : str
        The API's address.
    body : bytes
        JSON, or what somebody takes for it: the API is the one to judge.
    timeout : float
        Seconds to wait for the answer.

    Raises
    ------
    ApiError
        If no decision came back.
    """
    try:
        response = requests.post(
            f"{url.rstrip('/')}/predict",
            data=body,
            # One question, one connection: an idle one would make the API wait before it stops.
            headers={"Content-Type": "application/json", "Connection": "close"},
            timeout=(_CONNECT_SECONDS, timeout),
        )
    except requests.Timeout as error:
        raise ApiError("slow", str(error)) from error
    except requests.RequestException as error:
        raise ApiError("down", str(error)) from error
    answer = _json_object(response)
    if response.ok and "probability_of_default" in answer:
        return answer
    raise _failure(response.status_code, answer)


def _json_object(response: requests.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except requests.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _failure(status: int, problem: Mapping[str, Any]) -> ApiError:
    detail = str(problem.get("detail", f"HTTP {status}"))
    if status == requests.codes.service_unavailable:
        return ApiError("not_ready", detail)
    if 400 <= status < 500 and "detail" in problem:
        errors = [FieldError(e["pointer"], e["detail"]) for e in problem.get("errors", [])]
        return ApiError("refused", detail, tuple(errors))
    return ApiError("failed", detail)
