"""Requests generated from the OpenAPI document: none breaks the service or the document's word."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)


@pytest.mark.parametrize("examples", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_no_generated_request_breaks_the_service(
    small_model: Path, tmp_path: Path, examples: int
) -> None:
    log = tmp_path / "log"
    with serving.running_api(small_model, log, {"RATE_LIMIT": "1000000/minute"}) as url:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")), "run",
                f"{url}/docs/openapi.json", "--checks", ",".join(CHECKS), "--seed", "1",
                "--max-examples", str(examples), "--continue-on-failure", "--no-color",
                "--generation-database", "none",
            ],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
    told = done.stdout[-6000:]
    assert done.returncode == 0, told
    generated = re.search(r"([\d,]+) generated", done.stdout)
    assert generated is not None, told
    assert int(generated[1].replace(",", "")) >= 3000
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    statuses = {line["status"] for line in lines if line["event"] == "answered"}
    assert 200 in statuses
    assert max(statuses) < 500
