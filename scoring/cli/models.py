"""Models: train, validate, recut, promote, rollback, models, card, lineage, export, predict."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli.console import applicants_shown, costed, messages, show, stages, workers_shown
from scoring.cli.options import (
    CHAMPION,
    DATABASE,
    MLRUNS,
    REPORTS,
    ByOption,
    ClusterOption,
    CostFnOption,
    CostFpOption,
    DatabaseOption,
    DataOption,
    DatasetArgument,
    ExportOption,
    MlrunsOption,
    ModelOption,
    ProtectedOption,
    ReportsOption,
    SeedOption,
    WhyOption,
    WorkersOption,
    span,
)
from scoring.language import LANGUAGES
from scoring.serving.costs import FALSE_NEGATIVE, FALSE_POSITIVE

if TYPE_CHECKING:
    from scoring.modelling.pipeline import Run
    from scoring.registry.gates import Gate
    from scoring.registry.mlflow_registry import Registry
    from scoring.registry.promotions import Event, Registered

HeldOutOption = Annotated[
    Path, typer.Option("--data", help="The dataset whose held-out applicants are scored.")
]
VersionOption = Annotated[str | None, typer.Option("--version", help="The champion by default.")]

_VERSION_HEADER = ("version", "alias", "registered", "AUC", "cost", "data")
_EVENT_HEADER = ("", "when", "what", "version", "before", "by", "why")


def train(
    data: DataOption,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Of the search for hyper-parameters.")
    ] = None,
    seed: SeedOption = 0,
    family: Annotated[
        str | None, typer.Option(help="Served unless another is surely cheaper: sum by default.")
    ] = None,
    cost_fn: CostFnOption = FALSE_NEGATIVE,
    cost_fp: CostFpOption = FALSE_POSITIVE,
    mlruns: MlrunsOption = MLRUNS,
    protected: ProtectedOption = False,
    compared: Annotated[
        int | None,
        typer.Option(min=1000, help="Applicants that recipes are compared on: 20000 by default."),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(metavar="20m|2h", help="For all; the search gets what the rest leaves."),
    ] = None,
) -> None:
    """Choose, fit and measure a model, and register it as the challenger.

    Families of models, remedies for imbalance and hyper-parameters are compared in
    cross-validation on what decisions cost. An interrupted search goes on where it stopped.
    With a time budget there are as many trials as it has room for, unless --trials says fewer.
    """
    from scoring.data.versions import DataVersions
    from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
    from scoring.modelling.pipeline import COMPARED, TRIALS, TrainingSettings
    from scoring.modelling.recipes import opened
    from scoring.registry import training
    from scoring.registry.mlflow_registry import CHALLENGER
    from scoring.serving.costs import Costs

    with messages() as console:
        budget = None
        if time_budget is not None:
            budget = span("--time-budget", time_budget, ("20m", "2h")).total_seconds()
        settings = TrainingSettings(
            trials or (None if budget else TRIALS), seed, Costs(cost_fn, cost_fp),
            use_protected=bool(protected), family=Candidate.of(family or DEFAULT_FAMILY).name,
            compared=compared or COMPARED, time_budget=budget,
        )  # fmt: skip
        with opened(data) as dataset:
            # A registry that cannot be used is told before hours of training, not after.
            registry = settled(mlruns)
            DataVersions.beside(registry.folder).keep(dataset)
            with stages(console) as bar, costed(console, bar) as report:
                run, scorer = training.train(registry, dataset, settings, _today(), report)
        registry.export(mlruns / CHALLENGER, CHALLENGER)
    _show_training(run)
    typer.echo(
        f"version {scorer.version} of {scorer.name} is the challenger in {mlruns}, exported to "
        f"{mlruns / CHALLENGER}; python -m scoring promote holds it against the gates"
    )


def _show_training(run: Run) -> None:
    """Print what was compared, what was chosen, and the figures on the held-out applicants."""
    from scoring.modelling.validation import compare

    shown = ("auc_train", "auc", "ks", "brier", "business_cost", "fit_seconds")
    tables = (
        ("candidate", "Families", run.families),
        ("resampling", "Remedies for imbalance", run.remedies),
    )
    for name, title, validations in tables:
        size = validations[0].target.size
        typer.echo(f"\n{title}, on {size:,} applicants not seen in training")
        rows = compare(validations).select(name, *shown).rows()
        show((name, *shown), ((row[0], *map(_cell, row[1:])) for row in rows))
    if run.search is not None:
        table = run.search.table
        stopped = int(table["pruned"].sum())
        typer.echo(f"{table.height} trials on {size:,} applicants, {stopped} stopped early.")
    typer.echo(run.choice.sentence)
    typer.echo(f"\n{run.data.holdout.target.size:,} held-out applicants, 95 % intervals")
    show(
        ("figure", "value", "low", "high"),
        ((name, *map(_cell, figure)) for name, figure in run.figures.items()),
    )


def validate(
    data: DataOption,
    recipe: Annotated[
        str, typer.Option(help="champion, linear, trees, sum; note: LightGBM of the literature.")
    ] = "champion",
    seeds: Annotated[str, typer.Option(help="Of the folds, with commas between.")] = "0,1,2",
    protected: ProtectedOption = None,
    cost_fn: CostFnOption = FALSE_NEGATIVE,
    cost_fp: CostFpOption = FALSE_POSITIVE,
) -> None:
    """Cross-validate a recipe on all applicants with an outcome, and print its figures.

    Costs are per applicant, on PDs calibrated on the other folds: at the cut-off that the costs
    dictate (1/11 by default), and at the one that was the best on the other folds.
    """
    from scoring.modelling.recipes import FIGURES, examples_for, opened, recipe_named, validated
    from scoring.serving.costs import Costs

    with messages() as console, opened(data) as dataset:
        chosen = recipe_named(recipe)
        examples = examples_for(chosen, dataset, protected)
        with stages(console) as report:
            costs = Costs(cost_fn, cost_fp)
            table = validated(chosen, examples, _numbers(seeds), costs, report)
    rows = ((str(row[0]), *map(_cell, row[1:])) for row in table.rows())
    typer.echo(f"{examples.target.size:,} applicants, {len(examples.features)} columns, {recipe}")
    show(("seed", *FIGURES), rows)


def _numbers(words: str) -> list[int]:
    from scoring.errors import ScoringError

    try:
        return [int(word) for word in words.replace(",", " ").split()]
    except ValueError as error:
        raise ScoringError(
            f"--seeds takes whole numbers, 0,1,2 for example, not {words}"
        ) from error


def recut(
    data: HeldOutOption,
    cost_fn: CostFnOption = FALSE_NEGATIVE,
    cost_fp: CostFpOption = FALSE_POSITIVE,
    version: VersionOption = None,
    mlruns: MlrunsOption = MLRUNS,
) -> None:
    """Register a model with other costs, and so another cut-off, without training."""
    from scoring.data.dataset import Dataset
    from scoring.registry.mlflow_registry import CHALLENGER
    from scoring.registry.recutting import register_recut
    from scoring.serving.costs import Costs

    with messages() as console, console.status("scoring the held-out applicants"):
        registry, costs = settled(mlruns), Costs(cost_fn, cost_fp)
        scorer = register_recut(registry, Dataset.open(data), costs, _today(), version)
        registry.export(mlruns / CHALLENGER, CHALLENGER)
    typer.echo(
        f"version {scorer.version} of {scorer.name} refuses above {scorer.cutoff:.4f} and is the "
        f"challenger, exported to {mlruns / CHALLENGER}; python -m scoring promote holds it "
        "against the gates"
    )


def promote(
    data: HeldOutOption,
    by: ByOption,
    why: WhyOption,
    version: Annotated[str | None, typer.Option(help="The challenger by default.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Override refusals; suspected leakage stays refused.")
    ] = False,
    mlruns: MlrunsOption = MLRUNS,
    export: ExportOption = CHAMPION,
    reports: ReportsOption = REPORTS,
) -> None:
    """Hold a challenger against the gates; if it passes, make it the champion and export it."""
    from scoring.data.dataset import Dataset
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import CHALLENGER, Registry
    from scoring.registry.promotions import check_motive

    with messages() as console:
        by, why = check_motive(by, why)
        registry = Registry(mlruns)
        mended = approval.settle(registry, export)
        champion = registry.champion()
        if mended and version in (None, champion) and not registry.find(CHALLENGER):
            typer.echo(f"version {champion} is the champion; exported to {export}")
            return
        with console.status("scoring the held-out applicants"):
            verdict = approval.judged(registry, Dataset.open(data), version)
        show(("", "gate", "in words"), map(_gate_row, verdict.gates))
        event = approval.promote(
            registry, verdict, by, why, force=force, export=export, reports=reports
        )
    forced = ", forced" if event.forced else ""
    typer.echo(f"version {event.version} is the champion{forced}; exported to {export}")


def rollback(
    by: ByOption,
    why: WhyOption,
    mlruns: MlrunsOption = MLRUNS,
    export: ExportOption = CHAMPION,
    reports: ReportsOption = REPORTS,
) -> None:
    """Make the previous champion the champion again, and export it."""
    from scoring.registry import approval

    with messages():
        registry = settled(mlruns, export)
        event = approval.rollback(registry, by, why, export=export, reports=reports)
    typer.echo(
        f"version {event.version} is the champion again, in the place of version {event.previous}; "
        f"exported to {export}"
    )


def models(mlruns: MlrunsOption = MLRUNS) -> None:
    """List the registered versions, the newest first, and every change of champion."""
    with messages():
        registry = settled(mlruns)
        versions, events = registry.versions(), registry.history()
    show(_VERSION_HEADER, map(_version_row, versions))
    show(_EVENT_HEADER, map(_event_row, events))


def card(
    version: VersionOption = None, mlruns: MlrunsOption = MLRUNS, reports: ReportsOption = REPORTS
) -> None:
    """Write a version's model card as Markdown and as HTML."""
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Registry

    with messages():
        written = approval.write_kept_card(Registry(mlruns), version, reports)
    typer.echo(f"model card of version {written} in {reports}")


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


def export(
    out: Annotated[
        Path | None, typer.Option(help="The directory to write; mlruns/ALIAS by default.")
    ] = None,
    alias: Annotated[str, typer.Option(help="champion or challenger.")] = "champion",
    mlruns: MlrunsOption = MLRUNS,
) -> None:
    """Copy a registered model out of MLflow as a directory that the API serves or tries."""
    folder = out or CHAMPION.with_name(alias)
    with messages() as console, console.status("exporting"):
        scorer = settled(mlruns).export(folder, alias)
    typer.echo(f"{scorer.name} version {scorer.version} ({alias}) in {folder}")


def predict(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    model: ModelOption = CHAMPION,
    reasons: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(LANGUAGES),
            help="Also write the reasons, in this language: takes several times as long.",
        ),
    ] = None,
    workers: WorkersOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Score every applicant of a dataset: probability of default, decision, perhaps reasons.

    A run that was cut off goes on where it was.
    """
    import polars as pl

    from scoring.files import check_file
    from scoring.serving.batch import PARQUET
    from scoring.serving.parts import Job, loaded, write

    with messages() as console:
        check_file(out, PARQUET)
        scorer = loaded(model)
        job = Job(dataset.resolve(), model.resolve(), reasons)
        with workers_shown(workers, cluster) as client, applicants_shown(console) as move:
            rows, _ = write(job, out, client, move)
    scored = pl.scan_parquet(out, glob=False).select(
        refused=(pl.col("decision") == "refuse").sum(),
        doubted=(pl.col("not_understood") != "").sum(),
    )
    refused, doubted = scored.collect().row(0)
    typer.echo(
        f"{rows:,} applicants scored by {scorer.name} version {scorer.version} in {out}: "
        f"{refused / rows:.1%} refused at the cut-off {scorer.cutoff:.4f}"
        + (f"; of {doubted:,} something was not understood" if doubted else "")
    )


def settled(mlruns: Path, export: Path | None = None) -> Registry:
    """The registry of a folder, after what killed commands left half done was finished."""
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Registry

    registry = Registry(mlruns)
    approval.settle(registry, export)
    return registry


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _gate_row(gate: Gate) -> tuple[str, ...]:
    outcome = "refused" if not gate.passed else "alert" if gate.alert else "passed"
    return outcome, gate.name, gate.sentence


def _version_row(item: Registered) -> tuple[str, ...]:
    figures = (_cell(item.figures.get(name, "")) for name in ("auc", "business_cost"))
    data = f"{item.source} {item.dataset[:12]}".strip()
    return item.version, ", ".join(item.aliases), item.registered[:16], *figures, data


def _event_row(event: Event) -> tuple[str, ...]:
    action = f"{event.action}, forced" if event.forced else event.action
    known = (str(event.number), event.at[:16], action, event.version, event.previous or "")
    return *known, event.by, event.why


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"
