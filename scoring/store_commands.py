"""What is done to the database from the command line: migrate, keys, purge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.console import messages, show

if TYPE_CHECKING:
    from scoring.store import ApiKey, Store

DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="DATABASE_URL",
        help="The store: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    ),
]
DATABASE = "sqlite:///data/scoring.db"

keys = typer.Typer(
    help="API keys: who may score, tell outcomes, read all, administer.", no_args_is_help=True
)


@contextmanager
def opened(database: str) -> Iterator[Store]:
    """The store of an address, ready to be used if it is a file of our own."""
    from scoring.store import Store

    with messages(), in_use(Store(database)) as store:
        yield store


@contextmanager
def in_use(store: Store) -> Iterator[Store]:
    """A store with its tables, if it is a file of our own, and closed at the end."""
    try:
        if store.embedded:
            store.migrate()
        yield store
    finally:
        store.close()


def migrate(database: DatabaseOption = DATABASE) -> None:
    """Bring the store's tables up to this code's; a release's step before the API starts."""
    with opened(database) as store:
        store.migrate()
        store.check()
        typer.echo(f"{store.url} is up to date")


@keys.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is.")],
    scope: Annotated[
        list[str],
        typer.Option("--scope", help="score, outcome, admin or read; may be repeated."),
    ],
    database: DatabaseOption = DATABASE,
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    A scope stands for itself: admin alone does not score. Without read a key sees, overrides and
    labels what it decided itself, and nothing else.
    """
    with opened(database) as store:
        key, text = store.add_key(name, scope)
        typer.echo(
            f"key {key.id} of {key.name} for {_scopes(key)}; it cannot be shown again", err=True
        )
        typer.echo(text)


@keys.command(name="list")
def list_keys(database: DatabaseOption = DATABASE) -> None:
    """List all keys, revoked ones too."""
    with opened(database) as store:
        found = store.keys()
    show(("id", "name", "scopes", "created", "revoked"), map(_row, found))


@keys.command()
def revoke(
    number: Annotated[str, typer.Argument(metavar="ID", help="As keys list tells it.")],
    database: DatabaseOption = DATABASE,
) -> None:
    """Take a key out of use; running services follow within seconds."""
    with opened(database) as store:
        key = store.revoke_key(number)
        typer.echo(f"key {key.id} of {key.name} is revoked")


def purge(
    days: Annotated[
        int, typer.Option(min=1, max=36_500, help="Older decisions and events go.")
    ] = 183,
    database: DatabaseOption = DATABASE,
) -> None:
    """Delete old decisions, their outcomes and overrides, and old events.

    They are kept for 183 days at least. It may run while the API serves.
    """
    with opened(database) as store:
        for table, count in store.purge(timedelta(days=days)).items():
            typer.echo(f"{table:<16} {count:>12,} deleted")


def register(app: typer.Typer) -> None:
    """Give an app these commands."""
    app.command()(migrate)
    app.command()(purge)
    app.add_typer(keys, name="keys")


def _row(key: ApiKey) -> tuple[str, ...]:
    created = f"{key.created_at:%Y-%m-%d %H:%M}"
    revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
    return key.id, key.name, _scopes(key), created, revoked


def _scopes(key: ApiKey) -> str:
    return ", ".join(sorted(key.scopes))
