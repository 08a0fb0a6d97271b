"""The store's commands as a release, an administrator and a scheduler run them."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scoring.__main__ import app
from scoring.store import Store
from tests.helpers import serving
from tests.helpers.databases import prediction

# What is not installed where the API is deployed.
TRAINING = (
    "evidently", "fairlearn", "imblearn", "matplotlib", "mlflow", "optuna", "pandas", "plotly",
    "pyarrow", "scipy", "shap", "sklearn",
)  # fmt: skip
# A command after the other in one process, which ends with the first that fails.
DEPLOYED = f"""
import sys
sys.modules.update(dict.fromkeys({TRAINING!r}))
from scoring.__main__ import app
for words in (["migrate"], ["keys", "add", "bank", "--scope", "admin"], ["purge"]):
    try:
        app(words, prog_name="python -m scoring")
    except SystemExit as end:
        if end.code:
            raise
"""


def scoring(*words: str, database: str = "") -> Result:
    return CliRunner().invoke(app, words, env={"DATABASE_URL": database})


def test_a_release_migrates_and_says_where(database_url: str) -> None:
    for _ in range(2):
        done = scoring("migrate", database=database_url)
        assert done.exit_code == 0, done.stderr
        assert "up to date" in done.stdout
    store = Store(database_url)
    store.check()
    store.close()


def test_a_key_from_making_to_revoking(database_url: str) -> None:
    scoring("migrate", database=database_url)
    made = scoring("keys", "add", "Zoë's page", "--scope", "score", "--scope", "outcome",
                   database=database_url)  # fmt: skip
    assert made.exit_code == 0, made.stderr
    # The key alone, so that a script can take it.
    text = made.stdout.strip()
    store = Store(database_url)
    key = store.keys.verify(text)
    assert key is not None
    assert key.scopes == {"score", "outcome"}
    listed = scoring("keys", "list", database=database_url).stdout
    assert all(part in listed for part in (key.id, "Zoë's page", "outcome, score"))
    assert text[-43:] not in listed + made.stderr
    assert scoring("keys", "revoke", key.id, database=database_url).exit_code == 0
    assert store.keys.verify(text) is None
    store.close()


def test_purge_deletes_what_is_old_and_counts_it(database_url: str, tmp_path: Path) -> None:
    purge = ("purge", "--mlruns", str(tmp_path))
    store = Store(database_url)
    store.migrate()
    now = datetime.now(UTC)
    kept = [prediction(at=now - timedelta(days=days)) for days in (200, 190, 10)]
    store.decisions.record([prediction(at=now - timedelta(days=400)), *kept])
    done = scoring(*purge, "--days", "365", database=database_url)
    assert done.exit_code == 0, done.stderr
    counted = dict(line.split()[:2] for line in done.stdout.splitlines())
    assert (counted["predictions"], counted["shadows"]) == ("1", "0")
    assert list(store.decisions.search()) == kept
    # 183 days where nothing is said.
    scoring(*purge, database=database_url)
    assert list(store.decisions.search()) == kept[2:]
    refused = scoring(*purge, "--days", "30", database=database_url)
    assert refused.exit_code == 1
    assert "183 days at least" in refused.stderr
    assert list(store.decisions.search()) == kept[2:]
    store.close()


def test_commands_run_where_only_the_api_is_installed(tmp_path: Path) -> None:
    # Without a server there is a file, made at the first use; an empty DATABASE_URL is none.
    environment = {**os.environ, "PYTHONPATH": str(serving.ROOT), "DATABASE_URL": ""}
    done = subprocess.run(
        [sys.executable, "-c", DEPLOYED],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    store = Store(f"sqlite:///{tmp_path / 'data' / 'scoring.db'}")
    found = store.keys.all()
    assert [key.name for key in found] == ["bank"]
    store.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("migrate", "--database", "mysql://ann:secret@host/name"), "mysql is not"),
        (("migrate", "--database", "postgres://ann:secret@127.0.0.1:1/name"), "cannot be used"),
        (("keys", "add", "bank", "--scope", "root"), "scopes are score, outcome, admin"),
        (("keys", "revoke", "nobody"), "keys list"),
    ],
)
def test_what_can_be_mended_is_told_in_a_line(
    words: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    done = scoring(*words, database=f"sqlite:///{tmp_path / 'scoring.db'}")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert told in done.stderr
    assert "secret" not in done.stderr


def test_a_server_that_is_not_migrated_is_told_to_be(postgres_url: str) -> None:
    done = scoring("keys", "list", database=postgres_url)
    assert done.exit_code == 1
    assert "python -m scoring migrate" in done.stderr
