"""An invented applicant, and answers about them.

The documentation shows all, and a model's first run is on the applicant.
"""

import json
from pathlib import Path
from typing import Any

_EXAMPLE = json.loads(Path(__file__).with_suffix(".json").read_bytes())

REQUEST: dict[str, Any] = _EXAMPLE["request"]
ANSWER: dict[str, Any] = _EXAMPLE["answer"]
RECORD: dict[str, Any] = ANSWER | _EXAMPLE["record"]
READINESS: dict[str, Any] = _EXAMPLE["readiness"]
