"""Command for where a model comes from: lineage."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from scoring.cli.console import messages, show
from scoring.cli.options import DATABASE, MLRUNS, DatabaseOption, MlrunsOption


def lineage(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="A number, champion or challenger.")
    ],
    mlruns: MlrunsOption = MLRUNS,
    database: DatabaseOption = DATABASE,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print plain JSON instead of a table.")
    ] = False,
) -> None:
    """Print where a version comes from and what it led to: from raw files to predictions.

    Neither the data nor the store has to be there: the registry keeps what it takes.
    """
    from scoring.registry.lineage import lineage_of
    from scoring.registry.mlflow_registry import Registry
    from scoring.store import Store

    with messages():
        decisions = Store(database)
        try:
            chain = lineage_of(Registry(mlruns), version, decisions)
        finally:
            decisions.close()
    if as_json:
        typer.echo(json.dumps(chain.values(), indent=2))
    else:
        typer.echo(f"{chain.model} version {chain.version}")
        show(("step", "what", "value"), chain.rows())
