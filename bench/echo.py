"""The least that a Flask service can do with a request: give its body back."""

from __future__ import annotations

from flask import Flask, Response, request

app = Flask(__name__)


@app.post("/predict")
def echo() -> Response:
    """Answer the body."""
    return Response(request.get_data(cache=False), content_type="application/json")


@app.get("/ready")
def ready() -> str:
    """Answer that it is there."""
    return "ready"
