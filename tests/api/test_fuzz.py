"""Requests generated from the OpenAPI document: none breaks the service or the document's word."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import serving

pytestmark = pytest.mark.system

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)


# They take the rows that /predict takes, and check them by the same code: each boundary of each
# column once is enough.
ALIKE = ("predict_batch", "what_if")


@pytest.mark.parametrize("examples", [8, pytest.param(600, marks=pytest.mark.slow)])
def test_no_generated_request_breaks_the_service(
    small_model: Path, tmp_path: Path, examples: int
) -> None:
    log = tmp_path / "log"
    limits = dict.fromkeys(("RATE_LIMIT", "WHAT_IF_LIMIT"), "1000000/minute")
    with serving.running_api(small_model, log, limits) as url:
        others = generated(url, examples, tmp_path, "exclude")
        alike = generated(url, examples, tmp_path, "include", "--phases", "examples,fuzzing")
    assert others >= 1000
    assert alike >= examples * len(ALIKE)
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    statuses = {line["status"] for line in lines if line["event"] == "answered"}
    assert 200 in statuses
    assert max(statuses) < 500


def generated(url: str, examples: int, folder: Path, which: str, *words: str) -> int:
    """How many requests were generated; none of them may break anything."""
    chosen = [word for name in ALIKE for word in (f"--{which}-operation-id", name)]
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/docs/openapi.json",
            "--checks", ",".join(CHECKS), "--seed", "1", "--max-examples", str(examples),
            "--continue-on-failure", "--no-color", "--generation-database", "none", *chosen, *words,
        ],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = done.stdout[-6000:]
    assert done.returncode == 0, told
    found = re.search(r"([\d,]+) generated", done.stdout)
    assert found is not None, told
    return int(found[1].replace(",", ""))
