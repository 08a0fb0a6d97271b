"""New models from what has happened: retrain."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import messages, show, stages
from scoring.cli.options import MLRUNS, MlrunsOption
from scoring.cli.store import DATABASE, DatabaseOption, in_use, with_key

if TYPE_CHECKING:
    from scoring.registry.mlflow_registry import Registry
    from scoring.registry.retraining.retrain import Attempt
    from scoring.registry.retraining.triggers import Call, Triggers
    from scoring.store import Store

_DAYS = re.compile(r"([1-9][0-9]{0,3})([dw])")
_NOBODY = "python -m scoring retrain"


def retrain(
    window: Annotated[
        str,
        typer.Option(
            metavar="SPAN",
            help="The newest decisions with an outcome, which are compared on: 90d, 12w.",
        ),
    ] = "90d",
    if_older_than: Annotated[
        str | None,
        typer.Option(metavar="SPAN", help="Only if the champion has reigned for so long: 90d."),
    ] = None,
    if_alert: Annotated[
        bool,
        typer.Option("--if-alert", help="Only if an open alert about the champion calls for it."),
    ] = False,
    hold: Annotated[
        bool, typer.Option("--hold", help="Leave it the challenger, even if it is better.")
    ] = False,
    caller_share: Annotated[
        float,
        typer.Option(help="Of the new labels, the most of one caller: beyond it you promote."),
    ] = 0.5,
    data: Annotated[
        Path | None,
        typer.Option(help="What the champion learnt from, if mlruns/data does not keep it."),
    ] = None,
    by: Annotated[str, typer.Option("--by", help="Who decides.")] = _NOBODY,
    seed: Annotated[int, typer.Option(help="Same data, seed and code: same model file.")] = 0,
    mlruns: MlrunsOption = MLRUNS,
    export: Annotated[Path, typer.Option(help="The directory that the API serves.")] = Path(
        "mlruns/champion"
    ),
    reports: Annotated[
        Path, typer.Option(help="The folder of retraining.html, .json and the model card.")
    ] = Path("reports"),
    database: DatabaseOption = DATABASE,
) -> None:
    """Learn from recorded decisions with their outcomes; promote what is cheaper beyond chance.

    The champion's configuration is fitted on its data and on the labelled decisions, but for the
    newest ones: on these, challenger and champion are compared, with stand-ins for the refused.
    Where labels or effects are in doubt it stays the challenger, for a person to promote.
    With --if-older-than and --if-alert either is enough.
    """
    from scoring.data.dataset import Dataset
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Registry
    from scoring.registry.promotions import check_motive
    from scoring.registry.retraining.retrain import NothingToLearnError, attempt, gather
    from scoring.registry.retraining.triggers import Triggers

    now = datetime.now(UTC)
    with messages() as console:
        span = _days("--window", window)
        oldest = None if if_older_than is None else _days("--if-older-than", if_older_than)
        original = None if data is None else Dataset.open(data)
        registry = Registry(mlruns)
        approval.settle(registry, export)
        with in_use(with_key(database)) as store:
            call = _call(registry, store, Triggers(oldest, if_alert), now)
            typer.echo(call.why)
            if not call.due:
                return
            by, _ = check_motive(by, call.why)
            try:
                with console.status("reading decisions"):
                    material = gather(registry, store, span, now, original, caller_share)
            except NothingToLearnError as error:
                typer.echo(f"no new model: {error}")
                return
        with stages(console) as progress:
            found = attempt(
                registry, material, by, call.why, now,
                seed=seed, export=export, reports=reports, promote=not hold, progress=progress,
            )  # fmt: skip
        _write(found, reports)
    _tell(found, reports)


def register(app: typer.Typer) -> None:
    """Give an app these commands."""
    app.command()(retrain)


def _call(registry: Registry, store: Store, triggers: Triggers, now: datetime) -> Call:
    from scoring.registry.mlflow_registry import CHAMPION
    from scoring.registry.retraining.triggers import called

    version = registry.version_of(CHAMPION)
    reigns = [event for event in registry.history() if event.version == version]
    digest = registry.tags(version).get("manifest_sha256", "")
    alerts = store.alerts.latest(open_only=True)
    return called(triggers, reigns[-1] if reigns else None, digest, alerts, now)


def _write(found: Attempt, reports: Path) -> None:
    import json

    from scoring.files import staged_file
    from scoring.registry.retraining import report

    for name, text in (
        ("retraining.html", report.html(found)),
        ("retraining.json", json.dumps(report.values(found), indent=1)),
    ):
        with staged_file(reports / name) as staged:
            staged.write_text(text, encoding="utf-8")


def _tell(found: Attempt, reports: Path) -> None:
    show(
        ("", "gate", "in words"),
        (
            ("passed" if gate.passed else "refused", gate.name, gate.sentence)
            for gate in found.verdict.gates
        ),
    )
    typer.echo(found.why)
    version = found.trial.challenger.version
    doubts = (*found.material.doubts, *found.trial.moved)
    told = "waits for a person" if doubts else "stays the challenger"
    told = "is the champion" if found.promotion else told
    typer.echo(f"version {version} {told}; written: {reports / 'retraining.html'}")


def _days(option: str, text: str) -> timedelta:
    from scoring.errors import ScoringError

    found = _DAYS.fullmatch(text)
    if found is None:
        raise ScoringError(f"{option} takes a time such as 90d or 12w, not {text!r}")
    return int(found[1]) * (timedelta(days=1) if found[2] == "d" else timedelta(weeks=1))
