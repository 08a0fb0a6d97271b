"""What commands may replace, and what is left when they are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoring import files
from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.files import (
    LIST,
    FilesError,
    check_file,
    check_folder,
    remove_folder,
    staged_file,
    staged_folder,
)
from scoring.serving.scorer import Scorer
from tests.helpers import serving
from tests.helpers.waiting import eventually


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git/" not in path.as_posix()
    }


def written(out: Path, text: str = "first") -> Path:
    with staged_folder(out, kind="bundle") as staged:
        (staged / "inner").mkdir()
        (staged / "inner" / "a").write_text(text)
        (staged / "b").write_text(text)
    return out


def test_a_folder_of_ours_is_replaced_whole_and_lists_its_files(tmp_path: Path) -> None:
    out = written(tmp_path / "out")
    (out / "inner" / "a").write_text("damaged")
    (out / "b").unlink()
    written(out, "second")
    assert (out / "inner" / "a").read_text() == (out / "b").read_text() == "second"
    listed = json.loads((out / LIST).read_text())
    assert (listed["kind"], sorted(listed["files"])) == ("bundle", ["b", "inner/a"])
    # What somebody has changed is put aside, and not deleted.
    (aside,) = (path for path in tmp_path.iterdir() if path != out)
    assert aside.suffix == ".changed"
    assert (aside / "inner" / "a").read_text() == "damaged"
    written(out, "third")
    assert {*tmp_path.iterdir()} == {out, aside}
    (tmp_path / "empty").mkdir()
    written(tmp_path / "empty")


def repository(folder: Path) -> None:
    written(folder)
    subprocess.run(["git", "init", "--quiet", folder], check=True)


def with_a_stranger(folder: Path) -> None:
    (written(folder) / "inner" / "thesis.txt").write_text("years of work")


def with_an_empty_folder_more(folder: Path) -> None:
    (written(folder) / "new").mkdir()


def with_a_link_more(folder: Path) -> None:
    (written(folder) / "elsewhere").symlink_to(folder.parent)


def of_another_kind(folder: Path) -> None:
    with staged_folder(folder, kind="deliverables") as staged:
        (staged / "a").write_text("x")


def forged(name: str, text: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        folder.mkdir()
        (folder / name).write_text(text)

    make.__name__ = f"forged {name}"
    return make


LINKED = "it is a link"


def linked(folder: Path) -> None:
    folder.symlink_to(written(folder.with_name("target")))


def dangling(folder: Path) -> None:
    folder.symlink_to(folder.with_name("nowhere"))


def file(folder: Path) -> None:
    folder.write_text("a file")


def project(folder: Path) -> None:
    """What was there for the marker of old: a clone with a Procfile."""
    folder.mkdir()
    (folder / "Procfile").write_text("web: x\n")
    (folder / "README.md").write_text("# Mine\n")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (repository, "git repository"),
        (with_a_stranger, r"holds inner/thesis\.txt"),
        (with_an_empty_folder_more, "holds new"),
        (with_a_link_more, "holds elsewhere"),
        (of_another_kind, "holds"),
        (linked, LINKED),
        (dangling, LINKED),
        (file, "no folder"),
        (project, "holds Procfile|holds README"),
        (forged(LIST, "{}"), "holds"),
        (forged(LIST, '{"format": 1, "kind": "bundle", "files": {"x": "y"}}'), "holds"),
        (forged(LIST, "[" * 100_000), "holds"),
        (forged("dataset.json", '{"source": "mine"}'), "holds"),
        (forged("manifest.json", '{"name": "a web app", "icons": []}'), "holds"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_ours_alone_stays(
    make: Callable[[Path], None], why: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make(out)
    before = contents(tmp_path)
    with pytest.raises(FilesError, match=f"out is not replaced: .*({why}).*remove it yourself"):
        check_folder(out, "bundle")
    for kind in ("dataset", "model", "examples"):
        with pytest.raises(FilesError, match="is not replaced"):
            check_folder(out, kind)
    with pytest.raises(FilesError), staged_folder(out, kind="bundle"):
        pytest.fail("the block ran")
    remove_folder(out, kind="bundle")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("inside", [".", "sub", "sub/deeper"])
def test_the_working_folder_and_those_above_stay(
    inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if they are empty, or hold nothing but what we wrote."""
    out = tmp_path / "out"
    (out / inside).mkdir(parents=True)
    monkeypatch.chdir(out / inside)
    for name in (out, Path(), Path(os.path.relpath(out))):
        with pytest.raises(FilesError, match="working folder"):
            check_folder(name, "bundle")


def test_home_code_interpreter_and_mounts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home" / "me").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    monkeypatch.chdir(tmp_path / "home")
    own = (Path("/"), tmp_path / "home" / "me", serving.ROOT, serving.ROOT / "scoring")
    for folder in (*own, Path(sys.prefix), Path(sys.base_prefix)):
        with pytest.raises(FilesError, match="is not replaced"):
            check_folder(folder, "bundle")
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path).endswith("disk"))
    with pytest.raises(FilesError, match="mounted"):
        check_folder(tmp_path / "disk", "bundle")


def test_a_file_that_comes_while_we_write_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = written(tmp_path / "out")
    with pytest.raises(FilesError, match=r"holds late\.txt"), staged_folder(out, kind="bundle"):
        (out / "late.txt").write_text("kept")
    assert (out / "late.txt").read_text() == "kept"
    # At the very last moment, after everything was looked at.
    (out / "late.txt").unlink()
    exchange = files._exchange

    def late(one: Path, other: Path) -> bool:
        if not (other / "late.txt").exists() and not (one / "late.txt").exists():
            (other / "late.txt").write_text("kept")
        return exchange(one, other)

    monkeypatch.setattr(files, "_exchange", late)
    with pytest.raises(FilesError, match=r"holds late\.txt"):
        written(out, "second")
    assert (out / "late.txt").read_text() == "kept"
    assert (out / "b").read_text() == "first"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("README.md", "holds something else"),
        ("scoring.db", "holds something else"),
        ("folder", "a folder"),
        ("link.parquet", "a link"),
        ("pipe", "no plain file"),
        (".git/config", "git keeps"),
        ("tables/bureau.parquet", "a dataset that is written whole"),
        ("tables/predictions.parquet", "a dataset that is written whole"),
        ("model/p.parquet", "a model that is written whole"),
    ],
)
def test_results_go_over_results_of_their_kind_alone(
    name: str, why: str, tmp_path: Path, sample: Dataset, small_model: Path
) -> None:
    (tmp_path / "README.md").write_text("# Mine\n")
    (tmp_path / "scoring.db").write_bytes(b"SQLite format 3\0")
    (tmp_path / "folder").mkdir()
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    (tmp_path / "link.parquet").symlink_to(tmp_path / "mine.parquet")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".git").mkdir()
    (tmp_path / "tables").symlink_to(sample.folder)
    (tmp_path / "model").symlink_to(small_model)
    with pytest.raises(FilesError, match=why), staged_file(tmp_path / name, b"PAR1"):
        pytest.fail("the block ran")
    for new in ("new.csv", "sub/new.parquet", "mine.parquet"):
        with staged_file(tmp_path / new, b"PAR1") as staged:
            staged.write_bytes(b"PAR1 new")
        assert (tmp_path / new).read_bytes() == b"PAR1 new"
    with pytest.raises(FilesError, match=r"nothing that ends with '\.csv'"):
        check_file(tmp_path / "new.csv")
    check_file(Path("/dev") / "no-such.parquet")
    with pytest.raises(FilesError, match="no plain file"):
        check_file(Path(os.devnull), b"PAR1")


def command(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scoring", *map(str, words)], cwd=cwd or serving.ROOT,
        env={**os.environ, "PYTHONPATH": str(serving.ROOT)}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip


def test_a_bundle_over_a_clone_leaves_the_clone(small_model: Path, tmp_path: Path) -> None:
    """`python -m scoring bundle --out .` removed the project, its repository included."""
    clone = tmp_path / "clone"
    project(clone)
    subprocess.run(["git", "init", "--quiet", clone], check=True)
    before = contents(tmp_path)
    done = command("bundle", "--model", small_model, "--out", ".", cwd=clone)
    assert done.returncode == 1
    assert "is not replaced: the working folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(tmp_path) == before
    assert (clone / ".git" / "HEAD").is_file()


def test_commands_refuse_an_output_that_is_somebody_elses(
    sample: Dataset, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path / "mine")
    (tmp_path / "mine" / "1.json").write_text("{}")
    (tmp_path / "mine" / "dataset.json").write_text("{}")
    (tmp_path / "mine" / "index.html").write_text("<!doctype html><title>My site</title>")
    (tmp_path / "mine" / "note.ipynb").write_text('{"cells": []}')
    monkeypatch.chdir(tmp_path / "mine")
    before = contents(tmp_path)
    for words in (
        ("examples", sample.folder, "--out", "."),
        ("sample", "--applicants", "30", "--out", "."),
        ("features", sample.folder, "--out", "README.md"),
        ("predict", sample.folder, "--model", small_model, "--out", "README.md"),
        ("predict", sample.folder, "--model", small_model, "--out", sample.folder / "p.parquet"),
        ("predict", sample.folder, "--model", small_model, "--out", "."),
        ("bundle", "--model", small_model, "--out", tmp_path / "mine" / "README.md"),
        ("notebook", "note.ipynb", "--out", "note.ipynb"),
        ("notebook", "note.ipynb", "--out", "README.md"),
        ("overview", "--reports", "."),
    ):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 1, (words, done.output)
        assert "is not replaced" in done.stderr, (words, done.stderr)
    assert contents(tmp_path) == before


KEEP_WRITING = """
    import sys
    from pathlib import Path
    from scoring.files import staged_folder
    out = Path(sys.argv[1])
    for number in range(1_000_000):
        with staged_folder(out, kind="bundle") as staged:
            for name in "abcdefgh":
                (staged / name).write_text(str(number))
        print(number, flush=True)
"""


def started(script: str, *words: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, words)], cwd=serving.ROOT,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.endswith(".partial")]


def test_killed_at_any_moment_a_folder_is_there_and_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for kill in range(12):
        with started(KEEP_WRITING, out) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "0\n"
            deadline = time.monotonic() + 0.01 * kill
            while time.monotonic() < deadline:
                # It is never missing, not even while it is replaced.
                assert out.is_dir()
            process.kill()
        texts = {(out / name).read_text() for name in "abcdefgh"}
        assert len(texts) == 1
    written(out)
    assert leftovers(tmp_path) == []


def test_where_folders_cannot_change_places_the_next_run_puts_back_the_old_one(
    tmp_path: Path,
) -> None:
    out = written(tmp_path / "out")
    script = """
        import os, signal, sys
        from pathlib import Path
        from scoring import files
        files._exchange = lambda one, other: False
        sync = files._sync
        rename = Path.rename
        def rename_once(path, target):
            rename(path, target)
            os.kill(os.getpid(), signal.SIGKILL)
        with files.staged_folder(Path(sys.argv[1]), kind="bundle") as staged:
            (staged / "b").write_text("second")
            Path.rename = rename_once
    """
    with started(script, out) as process:
        assert process.wait(60) == -signal.SIGKILL
    assert not out.exists()
    with pytest.raises(RuntimeError), staged_folder(out, kind="bundle"):
        raise RuntimeError
    assert (out / "b").read_text() == "first"
    assert leftovers(tmp_path) == []


def test_without_an_exchange_a_folder_is_replaced_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    written(written(tmp_path / "out"), "second")
    assert (tmp_path / "out" / "b").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_leftovers_go_and_what_is_being_written_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = """
        import sys, time
        from pathlib import Path
        from scoring.files import staged_folder
        with staged_folder(Path(sys.argv[1]), kind="bundle") as staged:
            (staged / "half").write_text("half")
            print("writing", flush=True)
            time.sleep(300)
    """
    left = [tmp_path / f".out.{name}.partial" for name in ("0123456789abcdef", "mine", "1")]
    for folder in left:
        folder.mkdir()
    with started(script, out) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        (own,) = set(leftovers(tmp_path)) - set(left)
        written(out)
        assert (own / "new" / "half").read_text() == "half"
        # Names that are not quite ours are somebody else's.
        assert set(leftovers(tmp_path)) == {own, *left[1:]}
        process.kill()
    eventually(lambda: process.poll() is not None, 30)
    with staged_file(out.with_name("other.md")) as staged:
        staged.write_text("# x")
    assert own.exists()
    written(out)
    assert set(leftovers(tmp_path)) == set(left[1:])


def test_a_damaged_model_is_mended_by_saving_it_again(scorer: Scorer, tmp_path: Path) -> None:
    scorer.save(tmp_path / "model")
    (tmp_path / "model" / "model.txt").write_text("damaged")
    scorer.save(tmp_path / "model")
    assert Scorer.load(tmp_path / "model") == scorer
    (tmp_path / "model" / "notes.txt").write_text("mine")
    with pytest.raises(FilesError, match=r"holds notes\.txt"):
        scorer.save(tmp_path / "model")
