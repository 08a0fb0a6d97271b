"""Models kept whole in the store, and archives that hold something else."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scoring.files import FilesError
from scoring.serving.scorer import Scorer
from scoring.store import Store, StoreError
from scoring.store.models import pack, unpack


def digest_of(folder: Path) -> str:
    return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_kept_model_comes_back_as_it_was(
    store: Store, banded_scorer: Scorer, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    banded_scorer.save(folder)
    digest = digest_of(folder)
    assert store.models.restore(digest, tmp_path / "before") is None
    store.models.archive(digest, "credit-scoring", "3", folder)
    found = store.models.restore(digest, tmp_path / "some" / "place")
    assert found == tmp_path / "some" / "place"
    assert files_of(found) == files_of(folder)
    assert Scorer.load(found).version == banded_scorer.version
    # Once is enough: the folder is not even looked at again.
    shutil.rmtree(folder)
    store.models.archive(digest, "credit-scoring", "3", folder)


def test_the_same_files_make_the_same_archive(small_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in sorted(small_model.iterdir(), reverse=True):
        shutil.copyfile(path, copy / path.name)
        (copy / path.name).chmod(0o600)
    digest = digest_of(small_model)
    assert pack(copy, digest) == pack(small_model, digest)


def test_workers_that_keep_a_model_at_once_do_not_fail(
    store: Store, small_model: Path, tmp_path: Path
) -> None:
    digest = digest_of(small_model)
    with ThreadPoolExecutor(4) as pool:
        for done in [
            pool.submit(store.models.archive, digest, "credit-scoring", "3", small_model)
            for _ in range(8)
        ]:
            done.result()
    assert store.models.restore(digest, tmp_path / "model") is not None


def replaced(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 3, "files": {}}')


def half_replaced(folder: Path) -> None:
    (folder / "model.txt").write_text("another model")


def emptied(folder: Path) -> None:
    (folder / "scorer.json").unlink()


@pytest.mark.parametrize("change", [replaced, half_replaced, emptied, shutil.rmtree])
def test_another_model_is_not_kept_under_a_models_name(
    store: Store, small_model: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(small_model, tmp_path / "model"))
    digest = digest_of(folder)
    change(folder)
    with pytest.raises(StoreError, match=digest):
        store.models.archive(digest, "credit-scoring", "3", folder)
    assert store.models.restore(digest, tmp_path / "out") is None


def archive_of(*members: tarfile.TarInfo, content: bytes = b"evil") -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for member in members:
            member.size = len(content) if member.isfile() else 0
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue())


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


@pytest.mark.parametrize(
    "wrong",
    [
        member("../evil"),
        member("learned/../../evil"),
        member("/tmp/evil"),  # noqa: S108 - never written
        member("./evil"),
        member(".hidden"),
        member("a//b"),
        member("a\\..\\b"),
        member("a\nb"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.LNKTYPE, "../evil"),
        member("pipe", tarfile.FIFOTYPE),
        member("disk", tarfile.BLKTYPE),
        member("folder", tarfile.DIRTYPE),
    ],
    ids=lambda one: f"{one.name!r}-{one.type.decode()}",
)
def test_an_archive_of_anything_but_plain_files_is_refused(
    wrong: tarfile.TarInfo, tmp_path: Path
) -> None:
    into = tmp_path / "models" / "model"
    into.parent.mkdir()
    with pytest.raises(StoreError, match="no plain file"):
        unpack(archive_of(member("model.txt"), wrong), "0" * 64, into)
    assert list(tmp_path.rglob("*")) == [into.parent]


def test_a_damaged_or_changed_archive_is_refused(small_model: Path, tmp_path: Path) -> None:
    digest = digest_of(small_model)
    content = pack(small_model, digest)
    plain, middle = gzip.decompress(content), len(content) // 2
    changed = gzip.compress(plain.replace(b"leaf_value=", b"leaf_valuf=", 1))
    assert changed != content
    for wrong in (
        content[:middle],
        content[:20],
        b"",
        b"no archive",
        content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :],
        gzip.compress(plain[:1000]),
        changed,
        archive_of(member("manifest.json"), content=b"{}"),
    ):
        with pytest.raises(StoreError, match=digest):
            unpack(wrong, digest, tmp_path / "model")
        assert list(tmp_path.iterdir()) == []


def test_an_archive_that_swells_is_refused(tmp_path: Path) -> None:
    bomb = member("model.txt")
    bomb.size = 10**12
    raw = io.BytesIO(bomb.tobuf() + bytes(1024))
    with pytest.raises(StoreError, match="more than"):
        unpack(gzip.compress(raw.getvalue()), "0" * 64, tmp_path / "model")


def test_what_is_no_model_is_not_replaced(small_model: Path, tmp_path: Path) -> None:
    digest = digest_of(small_model)
    (tmp_path / "letters").write_text("precious")
    with pytest.raises(FilesError, match="not replaced"):
        unpack(pack(small_model, digest), digest, tmp_path)
    assert (tmp_path / "letters").read_text() == "precious"
