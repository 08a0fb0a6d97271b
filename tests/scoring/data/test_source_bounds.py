"""Files that unpack to more than anybody has, read by the command in little memory."""

from __future__ import annotations

import gzip
import io
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from scoring.data import sources
from scoring.data.checks import DatasetError
from scoring.data.dataset import FILES
from scoring.data.sources import SourceFile, find_files, read_pieces
from scoring.data.tables import Table
from tests.helpers import serving
from tests.helpers.invented import invent, write_folder

NAME = "application_train"
HEADER = b"SK_ID_CURR,TARGET\n"
# Without the bounds each of these takes gigabytes; the interpreter and Polars take 0.7 GB of it.
MEMORY = 1_500_000_000


def read(file: SourceFile, table: Table) -> pl.DataFrame:
    return pl.concat(read_pieces(file, table))


def zeros(size: int) -> bytes:
    return HEADER + b"1,0\n" * (size // 4)


def gzip_bomb(folder: Path) -> None:
    with gzip.open(folder / f"{NAME}.csv.gz", "wb", compresslevel=9) as packed:
        piece = zeros(16 * 1024**2)
        for _ in range(32):
            packed.write(piece)


def zip_bomb(folder: Path) -> None:
    path = folder / f"{NAME}.csv.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(f"{NAME}.csv", zeros(512 * 1024**2))


def zip_in_zip(folder: Path) -> None:
    zip_bomb(folder)
    inner = folder / f"{NAME}.csv.zip"
    with zipfile.ZipFile(folder / f"{sources.COMPETITION}.zip", "w") as archive:
        archive.write(inner, inner.name)
    inner.unlink()


def wide(folder: Path) -> None:
    names = ",".join(["SK_ID_CURR", *(f"C{i}" for i in range(20_000))])
    (folder / f"{NAME}.csv").write_text(f"{names}\n{'1' + ',' * 20_000}\n")


def long_header(folder: Path) -> None:
    (folder / f"{NAME}.csv").write_bytes(b"x" * 200_000_000)


def wide_parquet(folder: Path) -> None:
    pl.DataFrame({f"C{i}": [1] for i in range(20_000)}).write_parquet(folder / f"{NAME}.parquet")


def long_parquet(folder: Path) -> None:
    rows = pl.LazyFrame({"SK_ID_CURR": [1]}).select(pl.repeat(1, 2_000_000).alias("SK_ID_CURR"))
    frame = pl.concat([rows.with_columns(pl.lit(0).alias(f"C{i}") for i in range(150))])
    frame.sink_parquet(folder / f"{NAME}.parquet", compression="zstd")


def many_members(folder: Path) -> None:
    with zipfile.ZipFile(folder / f"{sources.COMPETITION}.zip", "w") as archive:
        for number in range(12_000):
            archive.writestr(f"a-file-with-quite-a-long-name-{number:090d}.csv", b"")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (gzip_bomb, "more than 67,108,864 bytes"),
        (zip_bomb, "more than 67,108,864 bytes"),
        (zip_in_zip, "more than 67,108,864 bytes"),
        (wide, "first line|500 columns"),
        (long_header, "first line"),
        (wide_parquet, "500 columns"),
        (long_parquet, "values"),
        (many_members, "names of files"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_flood_is_refused_in_words_and_in_little_memory(
    make: Callable[[Path], None], told: str, tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    make(tmp_path / "raw")
    done = subprocess.run(
        [sys.executable, "-m", "scoring", "ingest", "raw", "--out", "out"], cwd=tmp_path,
        env={"PYTHONPATH": str(serving.ROOT), "PATH": "/usr/bin:/bin", "POLARS_MAX_THREADS": "1"},
        capture_output=True, text=True, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)),
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    words = " ".join(done.stderr.split())
    assert "none of Kaggle's is like that" in words
    assert any(word in words for word in told.split("|"))
    assert not (tmp_path / "out").exists()


def test_many_empty_values_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_VALUES", 1000)
    table = FILES[NAME]
    data = b"SK_ID_CURR,TARGET,A\n" + b",,\n" * 400
    with pytest.raises(DatasetError, match="more than 1,000 values"):
        read(SourceFile("x.csv", NAME, lambda: data), table)


def test_a_size_that_a_zip_lies_about_is_not_believed(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{NAME}.csv", zeros(80 * 1024**2))
    size = (len(zeros(80 * 1024**2))).to_bytes(4, "little")
    lying = buffer.getvalue().replace(size, (1000).to_bytes(4, "little"))
    (tmp_path / f"{NAME}.csv.zip").write_bytes(lying)
    found = find_files(tmp_path, FILES)[NAME]
    with pytest.raises(DatasetError):
        read(found, FILES[NAME])


def test_what_people_have_is_read_packed_or_not(tmp_path: Path) -> None:
    """Tables that shrink well, above and below the bound from which on it counts."""
    plain = write_folder(tmp_path / "plain", {NAME: invent(NAME)})
    data = (plain / f"{NAME}.csv").read_bytes()
    with gzip.open(tmp_path / f"{NAME}.csv.gz", "wb") as packed:
        packed.write(data)
    expected = read(find_files(plain, FILES)[NAME], FILES[NAME])
    assert read(find_files(tmp_path, FILES)[NAME], FILES[NAME]).equals(expected)
