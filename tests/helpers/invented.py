"""Rows invented from `scoring.data.tables` alone: valid, related, and nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from scoring.data.dataset import FILES
from scoring.data.tables import Column, Table

APPLICANTS = 12


def invent(name: str, rows: int = APPLICANTS, seed: int = 0) -> pl.DataFrame:
    """Valid rows of one file, in random order, with nulls and sentinels where they are allowed."""
    table = FILES[name]
    rng = np.random.default_rng([seed, *name.encode()])
    columns = {column.name: _values(column, table, rows, rng) for column in table.columns}
    frame = pl.DataFrame(columns, schema=table.schema).sample(fraction=1, shuffle=True, seed=seed)
    if name == "application_test":
        return frame.with_columns(pl.col("SK_ID_CURR") + rows)
    return frame


def invent_all(seed: int = 0) -> dict[str, pl.DataFrame]:
    return {name: invent(name, seed=seed) for name in FILES}


def write_csv(frame: pl.DataFrame, path: Path) -> Path:
    """Write as Kaggle did, with pandas: whole numbers beside nulls become "-3648.0"."""
    frame.to_pandas().to_csv(path, index=False, encoding="utf-8")
    return path


def write_folder(folder: Path, frames: Mapping[str, pl.DataFrame]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        write_csv(frame, folder / f"{name}.csv")
    return folder


def _values(
    column: Column, table: Table, rows: int, rng: np.random.Generator
) -> list[int | float | str | None]:
    if column.name in (*table.key, table.link):
        return list(range(100_001, 100_001 + rows)) if column.kind == "id" else [-7] * rows
    if column.name == "TARGET":
        return [int(value) for value in rng.random(rows) < 0.3]
    nothing = 0.0 if column.required else 0.2
    return [None if rng.random() < nothing else _value(column, rng) for _ in range(rows)]


def _value(column: Column, rng: np.random.Generator) -> int | float | str:
    if column.kind == "category":
        return str(rng.choice(column.categories))
    if column.sentinels and rng.random() < 0.2:
        return int(column.sentinels[0])
    assert column.minimum is not None
    assert column.maximum is not None
    if column.dtype.is_integer():
        return int(rng.integers(int(column.minimum), int(column.maximum), endpoint=True))
    digits = 3 if column.kind == "amount" else 16
    return round(float(rng.uniform(column.minimum, column.maximum)), digits)
