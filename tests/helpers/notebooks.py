"""Cells of the notebooks, run on what a test has made."""

from __future__ import annotations

import ast
from typing import Any

import jupytext
import plotly.io as pio

from scoring.monitoring.drift import Checks, Study
from tests.helpers import serving


def evidently_checks(study: Study) -> Checks:
    """What the cells of notebook 3 that are tagged "evidently" make of a study."""
    notebook = jupytext.read(serving.ROOT / "notebooks" / "03_drift.py")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [cell.source for cell in code if "evidently" in cell.metadata.get("tags", [])]
    setup = next(cell.source for cell in code if "import" in cell.source)
    imports = [
        node for node in ast.parse(setup).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names: dict[str, Any] = {"study": study}
    template = pio.templates.default
    try:
        exec(ast.unparse(ast.Module(imports, [])), names)  # noqa: S102
        exec("\n".join(tagged), names)  # noqa: S102
    finally:
        pio.templates.default = template
    checks = names["checks"]
    assert isinstance(checks, Checks)
    return checks
