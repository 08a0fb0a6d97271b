"""The store's tables: what migrations make is what the code expects, however many run them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from scoring.store import Policy, Store, StoreError
from scoring.store.engine import connect, normalised
from scoring.store.migrate import HEAD
from scoring.store.schema import metadata
from tests.helpers.databases import prediction
from tests.helpers.processes import migrated, run_at_once

ROOT = Path(__file__).resolve().parents[3]
MIGRATIONS = ROOT / "scoring" / "store" / "migrations"


def script_directory() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


@pytest.fixture
def engine(database_url: str) -> Engine:
    return connect(normalised(database_url))


@pytest.mark.usefixtures("store")
def test_migrations_make_the_tables_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        found = inspect(connection)
        for table in metadata.sorted_tables:
            indexes = {(one["name"], tuple(one["column_names"]), bool(one["unique"])) for one in
                       found.get_indexes(table.name)}  # fmt: skip
            expected = {
                (index.name, tuple(index.columns.keys()), index.unique) for index in table.indexes
            }
            assert indexes == expected
            names = [(one["name"], one["nullable"]) for one in found.get_columns(table.name)]
            assert names == [(column.name, column.nullable) for column in table.columns]
    engine.dispose()


def test_there_is_one_newest_revision_and_the_code_knows_it() -> None:
    assert script_directory().get_heads() == [HEAD]


def test_exploring_policies_keep_what_they_drew_by_and_budgets_can_be_shown(
    database_url: str, engine: Engine
) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    made = text(
        'INSERT INTO policies (at, strategy, challenger_share, refer_all, "by", why, explore_share,'
        " explore_budget) VALUES ('2026-05-01', 'champion', 0.1, false, 'A', 'B', 0.02, :budget)"
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0015")
        connection.execute(made, [{"budget": 1e308}, {"budget": 40.0}])
    engine.dispose()
    store = Store(database_url)
    store.migrate()
    kept = [store.models.policy_of(number) for number in (1, 2)]
    store.close()
    assert kept == [Policy(explore_share=0.02, explore_budget=budget) for budget in (1e9, 40.0)]
    assert [own and own.explore_salt for own in kept] == [None, None]


def test_processes_that_migrate_at_once_do_not_get_in_each_others_way(database_url: str) -> None:
    assert run_at_once(migrated, [(database_url,)] * 4) == [True] * 4
    store = Store(database_url)
    assert len(store.decisions.record([prediction()])) == 1
    store.close()


def test_a_migration_that_is_repeated_changes_nothing(store: Store) -> None:
    made = prediction()
    store.decisions.record([made])
    store.migrate()
    store.check()
    assert store.decisions.find(made.id) == made


def test_a_store_that_is_not_migrated_says_so(database_url: str) -> None:
    store = Store(database_url)
    for use in (store.check, store.models.policy, lambda: store.decisions.record([prediction()])):
        with pytest.raises(StoreError, match="python -m scoring migrate"):
            use()
    store.migrate()
    store.check()
    store.close()


def test_tables_of_newer_code_are_left_alone(store: Store, engine: Engine) -> None:
    made = prediction()
    store.decisions.record([made])
    with engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = 'ffff'"))
    with pytest.raises(StoreError, match="newer code"):
        store.migrate()
    with pytest.raises(StoreError, match="revision ffff"):
        store.check()
    assert store.decisions.find(made.id) == made
    engine.dispose()
