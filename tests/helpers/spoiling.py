"""Files as they come back from programs, spreadsheets and people: spoiled at random, by a seed."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from scoring.data.tables import TABLES, Table

Rng = np.random.Generator
Texts = pl.DataFrame


def table_of(name: str) -> Table:
    return TABLES["application" if name.startswith("application") else name]


def _some(frame: Texts, table: Table, kinds: tuple[str, ...], rng: Rng) -> str:
    names = [one.name for one in table.columns if one.kind in kinds and one.name in frame.columns]
    return str(rng.choice(names or frame.columns))


# What is done to the values: a frame of texts in, another out.


def _recode(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("category",), rng)
    known = table[name].categories if name in table else ()
    codes = {text: str(place) for place, text in enumerate(known)}
    return frame.with_columns(pl.col(name).replace(codes))


def _change_case(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("category",), rng)
    upper = pl.col(name).str.to_uppercase()
    return frame.with_columns(upper if rng.random() < 0.5 else pl.col(name).str.to_lowercase())


def _pad(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("category", "amount", "integer"), rng)
    return frame.with_columns("  " + pl.col(name) + " ")


def _one_typo(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("category",), rng)
    frame = frame.clone()
    frame[int(rng.integers(frame.height)), name] = "Somethng else"
    return frame


def _missing_words(frame: Texts, _table: Table, rng: Rng) -> Texts:
    word = str(rng.choice(["NaN", "NA", "n/a", "null", "NULL", "None", "#N/A"]))
    return frame.with_columns(pl.all().fill_null(word))


def _floats(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("integer", "flag", "id"), rng)
    return frame.with_columns(pl.col(name).cast(pl.Float64).cast(pl.String))


def _infinite(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("amount", "number"), rng)
    frame = frame.clone()
    frame[int(rng.integers(frame.height)), name] = str(rng.choice(["inf", "-Infinity", "1e999"]))
    return frame


def _no_number(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("amount", "integer", "number"), rng)
    frame = frame.clone()
    frame[int(rng.integers(frame.height)), name] = str(rng.choice(["12,5", "1 200", "?", "€5"]))
    return frame


def _cut_column(frame: Texts, _table: Table, rng: Rng) -> Texts:
    return frame.drop(str(rng.choice(frame.columns)))


def _rename(frame: Texts, _table: Table, rng: Rng) -> Texts:
    name = str(rng.choice(frame.columns))
    return frame.rename({name: str(rng.choice([name.lower(), f" {name} ", f"{name}_x"]))})


def _lower_names(frame: Texts, _table: Table, _rng: Rng) -> Texts:
    return frame.rename(str.lower)


def _index_column(frame: Texts, _table: Table, rng: Rng) -> Texts:
    name = str(rng.choice(["", "Unnamed: 0", "index"]))
    return frame.with_row_index(name).with_columns(pl.col(name).cast(pl.String))


def _shuffle_columns(frame: Texts, _table: Table, rng: Rng) -> Texts:
    return frame.select(rng.permutation(frame.columns).tolist())


def _shuffle_rows(frame: Texts, table: Table, rng: Rng) -> Texts:
    if not table.key:
        return frame
    return frame[rng.permutation(frame.height).tolist()]


def _repeat_row(frame: Texts, table: Table, _rng: Rng) -> Texts:
    return pl.concat([frame, frame.head(1)]) if table.key else frame


def _booleans(frame: Texts, table: Table, rng: Rng) -> Texts:
    name = _some(frame, table, ("flag",), rng)
    return frame.with_columns(pl.col(name).replace({"0": "False", "1": "True"}))


def _swap(frame: Texts, table: Table, rng: Rng) -> Texts:
    """Two columns whose names were exchanged, and whose values tell them apart."""
    one, other = (_some(frame, table, ("category",), rng) for _ in range(2))
    if not {one, other} <= table.schema.keys() or table[one].categories == table[other].categories:
        return frame
    return frame.rename({one: other, other: one})


VALUES: tuple[Callable[[Texts, Table, Rng], Texts], ...] = (
    _recode, _change_case, _pad, _one_typo, _missing_words, _floats, _infinite, _no_number,
    _cut_column, _rename, _lower_names, _index_column, _shuffle_columns, _shuffle_rows,
    _repeat_row, _booleans, _swap,
)  # fmt: skip


# How the frame becomes a file.


def _text(frame: Texts, rng: Rng) -> bytes:
    separator = str(rng.choice([",", ";", "\t", "|"]))
    if separator != "," and rng.random() < 0.5:
        number = r"^-?[0-9]+\.[0-9]+(e-?[0-9]+)?$"
        decimal = pl.all().str.replace(r"\.", ",")
        frame = frame.with_columns(
            pl.when(pl.all().str.contains(number)).then(decimal).otherwise(pl.all())
        )
    text = frame.write_csv(separator=separator)
    if rng.random() < 0.3:
        text = text.replace("\n", "\r\n")
    if rng.random() < 0.1:
        # A file that was cut off while it was copied; whole lines alone nobody could tell from it.
        text = text[: int(rng.integers(len(text) // 2, len(text)))].rstrip("\r\n")
    return text.encode(str(rng.choice(["utf-8", "utf-8-sig", "cp1252", "utf-16"])), "replace")


def _loose(frame: Texts, table: Table, rng: Rng) -> pl.DataFrame:
    """Another type for every column that takes it, as programs save to make room."""
    kinds = {
        "integer": (pl.Int64, pl.Float64, pl.Float32, pl.Int16, pl.Float16),
        "flag": (pl.Int64, pl.Float64, pl.Int8, pl.UInt8, pl.Float16),
        "id": (pl.Int64, pl.Float64, pl.UInt32, pl.Float32),
        "amount": (pl.Float64, pl.Float32, pl.Float16, pl.Decimal(18, 3)),
        "number": (pl.Float64, pl.Float16),
    }
    for column in table.columns:
        if column.name in frame.columns and column.kind != "category" and rng.random() < 0.2:
            own = kinds[column.kind]
            kind = own[int(rng.integers(len(own)))]
            numbers = frame[column.name].cast(pl.Float64, strict=False)
            if numbers.null_count() == frame[column.name].null_count():
                wide = numbers.cast(kind, strict=False)
                if wide.null_count() == numbers.null_count():
                    frame = frame.with_columns(wide)
    return frame


def _write(name: str, frame: Texts, folder: Path, rng: Rng) -> None:
    file = str(rng.choice([name, f"{name} (1)", name.upper()]))
    kind = rng.random()
    if kind < 0.3:
        _loose(frame, table_of(name), rng).write_parquet(folder / f"{file}.parquet")
        return
    data = _text(frame, rng)
    if kind < 0.4:
        (folder / f"{file}.csv.gz").write_bytes(gzip.compress(data))
    elif kind < 0.5:
        with zipfile.ZipFile(folder / "files.zip", "a") as archive:
            archive.writestr(f"{file}.csv", data)
    else:
        (folder / f"{file}.csv").write_bytes(data)


def spoil(files: Mapping[str, Texts], folder: Path, seed: int) -> str:
    """Write the files into a folder, one of them spoiled; tells how.

    Parameters
    ----------
    files : mapping of str to DataFrame
        Texts as Kaggle's files have them, by the files' names.
    folder : Path
        Where to.
    seed : int
        Of what is done.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    spoiled = str(rng.choice(list(files)))
    done = []
    for name, plain in files.items():
        if name != spoiled:
            plain.write_csv(folder / f"{name}.csv")
            continue
        frame = plain
        for place in rng.choice(len(VALUES), int(rng.integers(0, 3)), replace=False):
            frame = VALUES[place](frame, table_of(name), rng)
            done.append(VALUES[place].__name__.strip("_"))
        _write(name, frame, folder, rng)
    written = ", ".join(path.name for path in folder.iterdir() if spoiled in path.name.lower())
    return f"seed {seed}: {spoiled}: {', '.join(done)}: {written}"
