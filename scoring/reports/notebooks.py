"""Run notebooks from top to bottom with parameters, and keep outputs worth a review."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
import polars as pl
from IPython.core.getipython import get_ipython
from nbconvert import HTMLExporter
from pandas.io.formats.style import Styler
from papermill.exceptions import PapermillExecutionError
from PIL import Image

from scoring.errors import ScoringError
from scoring.files import FilesError, check_file, staged_file

# The kernel listens on loopback only; it would warn at every start that it does not encrypt.
_KERNEL_ARGUMENTS = ["--log-level=40"]

# The exporter's own addresses of scripts on the internet; nothing here needs them.
_NO_SCRIPTS = dict.fromkeys(
    ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url", "widget_renderer_url"), ""
)
# What of a notebook's metadata is the author's, not the run's.
_LASTING = ("kernelspec", "jupytext")
# Of longer tables the first rows are shown.
_SHOWN_ROWS = 40
# The colours of a plot, with those between them along smooth edges.
_COLORS = 128


class NotebookError(ScoringError):
    """A cell of a notebook failed."""


def execute(notebook: Path, out: Path, parameters: Mapping[str, Any]) -> None:
    """Run a notebook in its own folder, with a progress bar, and write it with its outputs.

    The executed copy is written cell by cell, so that a failure can be read in it; the parameters
    are values for the cell tagged "parameters", whose relative paths start from that folder.

    Raises
    ------
    NotebookError
        If a cell raises.
    FilesError
        If `out` is there already and no executed copy, the notebook itself for example.
    """
    check_file(out)
    if out.exists() and b'"papermill"' not in out.read_bytes():
        raise FilesError(f"{out} is not replaced: it was not executed here. Name another file")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            notebook,
            out,
            parameters=dict(parameters),
            cwd=notebook.parent,
            extra_arguments=_KERNEL_ARGUMENTS,
        )
    except PapermillExecutionError as error:
        raise NotebookError(
            f"{notebook.name}: cell {error.exec_count} raised {error.ename}: {error.evalue}. "
            f"The outputs so far are in {out}"
        ) from error
    content = nbformat.read(out, as_version=4)
    for output in (each for cell in content.cells for each in cell.get("outputs", ())):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = _small(output.data["image/png"])
    nbformat.write(content, out)


def _small(picture: str) -> str:
    """A plot in base64 in a few colours: a third of the bytes, and no difference to see."""
    small = io.BytesIO()
    drawn = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    drawn.quantize(_COLORS, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


def show_tables() -> None:
    """Show Polars' tables in this notebook as people read them: no quotes, no types, few digits."""
    shell: Any = get_ipython()
    shell.display_formatter.formatters["text/html"].for_type(pl.DataFrame, table_html)


def table_html(table: pl.DataFrame) -> str:
    """Write the first rows of a table as HTML, texts on the left and numbers on the right."""
    # A table's styles are its own by this name, which is the same at every run.
    name = f"{zlib.crc32(repr(table).encode()):x}"
    styler = Styler(table.to_pandas(), uuid=name, cell_ids=False).hide(axis="index")
    texts = [column.name for column in table if not column.dtype.is_numeric()]
    left: Any = [{"selector": "", "props": "text-align: left"}]
    styler.set_table_styles(dict.fromkeys(texts, left))
    numbers: dict[Any, Any] = {
        column: str if column.startswith("SK_ID") else _number
        for column in table.columns
        if column not in texts
    }
    html: str = styler.format(numbers, na_rep="", escape="html").to_html(max_rows=_SHOWN_ROWS)
    return html


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 or value == round(value) else f"{value:.4g}"


def keep(executed: Path, notebook: Path) -> None:
    """Copy an executed notebook over its source without what changes at every run.

    Times, run identifiers and papermill's own notes go; cells, outputs and parameters stay.
    """
    content = nbformat.read(executed, as_version=4)
    lasting = {key: content.metadata[key] for key in _LASTING if key in content.metadata}
    content.metadata = nbformat.NotebookNode(lasting)
    injected = [c for c in content.cells if "injected-parameters" in c.metadata.get("tags", [])]
    content.cells = [cell for cell in content.cells if cell not in injected]
    for number, cell in enumerate(content.cells):
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.NotebookNode({"tags": tags} if tags else {})
        cell.id = f"cell-{number:02d}"
    with staged_file(notebook) as staged:
        nbformat.write(content, staged)


def as_html(executed: Path) -> str:
    """An executed notebook as one file of HTML that loads nothing."""
    content = nbformat.read(executed, as_version=4)
    exporter = HTMLExporter(template_name="lab", **_NO_SCRIPTS)
    body, _ = exporter.from_notebook_node(content, {"metadata": {"name": executed.stem}})
    return str(body)
