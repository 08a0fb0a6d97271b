"""Datasets kept by what is in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.data.synthetic import write_sample
from scoring.data.versions import Addition, DataVersionError, DataVersions
from scoring.files import FilesError

ADDITION = Addition("a" * 64, 7, "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_sample(tmp_path_factory.mktemp("small") / "dataset", 12, seed=1, processes=1)


@pytest.fixture
def kept(small: Dataset, tmp_path: Path) -> DataVersions:
    versions = DataVersions.beside(tmp_path)
    versions.keep(small)
    return versions


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_restored_is_what_was_kept_byte_for_byte(
    kept: DataVersions, small: Dataset, tmp_path: Path
) -> None:
    restored = kept.restore(small.digest[:8], tmp_path / "again")
    assert restored.digest == small.digest
    assert contents(restored.folder) == contents(small.folder)


def test_a_kept_dataset_is_read_without_a_copy_and_survives_the_original(
    small: Dataset, tmp_path: Path
) -> None:
    copy = shutil.copytree(small.folder, tmp_path / "copy")
    versions = DataVersions.beside(tmp_path)
    versions.keep(Dataset.open(copy))
    shutil.rmtree(copy)
    with versions.opened(small.digest) as dataset:
        found = dataset.frames()["application"].collect()
    assert found.equals(small.frames()["application"].collect())


def test_the_same_dataset_is_kept_once_and_keeps_its_origin(small: Dataset, tmp_path: Path) -> None:
    versions = DataVersions.beside(tmp_path)
    first = versions.keep(small, ADDITION)
    before = sorted((tmp_path / "data").rglob("*"))
    assert versions.keep(small) == first
    assert sorted((tmp_path / "data").rglob("*")) == before
    assert versions.known() == [first]
    assert versions.find(small.digest).made_from == ADDITION


def test_datasets_share_the_files_that_they_have_in_common(
    kept: DataVersions, small: Dataset, tmp_path: Path
) -> None:
    other = write_sample(tmp_path / "other", 12, seed=2, processes=1)
    kept.keep(other)
    files = {entry["sha256"] for one in (small, other) for entry in one.manifest["files"].values()}
    assert {path.name for path in (tmp_path / "data" / "objects").iterdir()} == files
    assert {one.digest for one in kept.known()} == {small.digest, other.digest}


@pytest.mark.parametrize("damage", ["gone", "not what was kept"])
def test_a_damaged_file_is_named(
    kept: DataVersions, small: Dataset, tmp_path: Path, damage: str
) -> None:
    entry = small.manifest["files"]["bureau.parquet"]
    kept_file = tmp_path / "data" / "objects" / entry["sha256"]
    if damage == "gone":
        kept_file.unlink()
    else:
        kept_file.write_bytes(b"something else")
    with pytest.raises(DataVersionError, match=rf"bureau\.parquet of dataset .* is {damage}"):
        kept.check(small.digest)
    out = tmp_path / "out"
    with pytest.raises(DataVersionError, match="bureau"):
        kept.restore(small.digest, out)
    assert not out.exists()


def test_a_file_that_is_not_the_manifests_is_not_kept(small: Dataset, tmp_path: Path) -> None:
    copy = shutil.copytree(small.folder, tmp_path / "copy")
    shutil.copy(copy / "bureau.parquet", copy / "previous_application.parquet")
    versions = DataVersions.beside(tmp_path)
    with pytest.raises(DataVersionError, match=r"is not the file that dataset\.json"):
        versions.keep(Dataset.open(copy))
    assert versions.known() == []


@pytest.mark.parametrize(
    ("digest", "message"), [("abc", "too short"), ("f" * 12, "no datasets with the digest")]
)
def test_a_digest_that_is_none_is_told(kept: DataVersions, digest: str, message: str) -> None:
    with pytest.raises(DataVersionError, match=message):
        kept.find(digest)


def test_a_damaged_entry_is_named(kept: DataVersions, small: Dataset, tmp_path: Path) -> None:
    entry = tmp_path / "data" / "versions" / f"{small.digest}.json"
    entry.write_text("{}")
    with pytest.raises(DataVersionError, match=r"\.json is damaged"):
        kept.known()


def test_another_folder_is_not_overwritten(
    kept: DataVersions, small: Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    with pytest.raises(FilesError, match="not made by this command"):
        kept.restore(small.digest, out)
    assert contents(out) == {"letter.txt": b"dear"}


def test_the_commands_list_check_and_restore(
    kept: DataVersions, small: Dataset, tmp_path: Path
) -> None:
    run, digest = CliRunner(), kept.find(small.digest).digest
    listed = run.invoke(app, ["data", "list", "--mlruns", str(tmp_path)])
    assert listed.exit_code == 0
    assert digest[:12] in listed.stdout
    checked = run.invoke(app, ["data", "check", digest[:12], "--mlruns", str(tmp_path)])
    assert "8 files as kept" in checked.stdout
    out = tmp_path / "restored"
    restored = run.invoke(
        app, ["data", "restore", digest, "--out", str(out), "--mlruns", str(tmp_path)]
    )
    assert restored.exit_code == 0
    assert Dataset.open(out).digest == digest
    unknown = run.invoke(app, ["data", "check", "0" * 12, "--mlruns", str(tmp_path)])
    assert unknown.exit_code == 1
    assert "error: no datasets" in unknown.stderr
