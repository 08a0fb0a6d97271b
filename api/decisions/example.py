"""An invented applicant and what is decided on them.

The documentation shows both, and a model's first run is on the applicant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent

REQUEST: dict[str, Any] = json.loads((_FOLDER / "example_request.json").read_bytes())
ANSWER: dict[str, Any] = json.loads((_FOLDER / "example_answer.json").read_bytes())
