"""New models from what has happened: retrain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import messages, show, stages
from scoring.cli.models import settled
from scoring.cli.options import (
    CHAMPION,
    DATABASE,
    MLRUNS,
    REPORTS,
    ByOption,
    DatabaseOption,
    ExportOption,
    MlrunsOption,
    SeedOption,
    span,
    writable,
)
from scoring.cli.store import in_use, with_key

if TYPE_CHECKING:
    from scoring.registry.retraining.retrain import Attempt

WindowOption = Annotated[
    str,
    typer.Option(
        metavar="SPAN",
        help="The newest decisions with an outcome, which are compared on: 90d, 12w.",
    ),
]
AgeOption = Annotated[
    str | None,
    typer.Option(metavar="SPAN", help="Only if the champion has reigned for so long: 90d."),
]
AlertOption = Annotated[
    bool, typer.Option("--if-alert", help="Only if an open alert about the champion calls for it.")
]
HoldOption = Annotated[
    bool, typer.Option("--hold", help="Leave it the challenger, even if it is better.")
]
ShareOption = Annotated[
    float, typer.Option(help="Of the new labels, the most of one caller: beyond it you promote.")
]
KnownDataOption = Annotated[
    Path | None,
    typer.Option(help="What the champion learnt from, if mlruns/data does not keep it."),
]
PagesOption = Annotated[
    Path,
    typer.Option(
        "--reports",
        help="The folder of retraining.html, .json and the model card.",
        callback=writable,
    ),
]
_SPANS = ("90d", "12w")
_NOBODY = "python -m scoring retrain"


def retrain(
    window: WindowOption = "90d",
    if_older_than: AgeOption = None,
    if_alert: AlertOption = False,
    hold: HoldOption = False,
    caller_share: ShareOption = 0.5,
    data: KnownDataOption = None,
    by: ByOption = _NOBODY,
    seed: SeedOption = 0,
    mlruns: MlrunsOption = MLRUNS,
    export: ExportOption = CHAMPION,
    reports: PagesOption = REPORTS,
    database: DatabaseOption = DATABASE,
) -> None:
    """Learn from recorded decisions with their outcomes; promote what is cheaper beyond chance.

    The champion's configuration is fitted on its data and on the labelled decisions, but for the
    newest ones: on these, challenger and champion are compared, with weights of explored loans or
    stand-ins for the refused.
    Where labels or effects are in doubt it stays the challenger, for a person to promote.
    With --if-older-than and --if-alert either is enough.
    """
    from scoring.data.dataset import Dataset
    from scoring.registry.promotions import check_motive
    from scoring.registry.retraining.retrain import attempt, gather
    from scoring.registry.retraining.triggers import Triggers, call_for

    now = datetime.now(UTC)
    with messages() as console:
        newest = span("--window", window, _SPANS)
        oldest = None if if_older_than is None else span("--if-older-than", if_older_than, _SPANS)
        original = None if data is None else Dataset.open(data)
        registry = settled(mlruns, export)
        with in_use(with_key(database)) as store:
            call = call_for(registry, store, Triggers(oldest, if_alert), now)
            typer.echo(call.why)
            if not call.due:
                return
            by, _ = check_motive(by, call.why)
            with console.status("reading decisions"), _nothing_to_learn():
                material = gather(registry, store, newest, now, original, caller_share)
        with stages(console) as progress:
            result = attempt(
                registry, material, by, call.why, now,
                seed=seed, export=export, reports=reports, promote=not hold, progress=progress,
            )  # fmt: skip
        _write(result, reports)
    _show(result, reports)


@contextmanager
def _nothing_to_learn() -> Iterator[None]:
    """End the command, without an error, where there is nothing to make a new model of."""
    from scoring.registry.retraining.retrain import NothingToLearnError

    try:
        yield
    except NothingToLearnError as error:
        typer.echo(f"no new model: {error}")
        raise typer.Exit from error


def _write(result: Attempt, reports: Path) -> None:
    import json

    from scoring.registry.retraining import report
    from scoring.reports.overview import publish

    values = json.dumps(report.values(result), indent=1)
    publish(reports, {"retraining.html": report.html(result), "retraining.json": values})


def _show(result: Attempt, reports: Path) -> None:
    gates = result.judgement.gates.gates
    rows = (("passed" if gate.passed else "not passed", gate.name, gate.sentence) for gate in gates)
    show(("", "gate", "in words"), rows)
    typer.echo(result.judgement.why)
    for doubt in result.judgement.doubts:
        if doubt not in result.judgement.why:
            typer.echo(f"in doubt: {doubt}")
    state = "waits for a person" if result.judgement.doubts else "stays the challenger"
    state = "is the champion" if result.promotion else state
    version = result.trial.challenger.version
    typer.echo(f"version {version} {state}; written: {reports / 'retraining.html'}")
