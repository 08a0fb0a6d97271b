"""The command line: ``python -m scoring --help``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scoring.cli import data_versions
from scoring.cli import lineage
from scoring.cli import monitoring
from scoring.cli import person
from studies.power import command
from scoring.cli import retraining
from scoring.cli import service
from studies.simulation import command
from scoring.cli import store
from scoring.cli.console import messages as _console
from scoring.cli.console import show as _show
from scoring.cli.console import stages as _stages

if TYPE_CHECKING:
    from scoring.modelling.pipeline import Run
    from scoring.registry.gates import Gate
    from scoring.registry.promotions import Event, Registered

app = typer.Typer(
    name="scoring",
    help="Credit scoring on the Home Credit tables, from files to a registered model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def main() -> None:
    """Keep commands named: Typer drops the name of an app's only command."""


DatasetArgument = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A folder that ingest or sample wrote.")
]
ModelOption = Annotated[Path, typer.Option(help="A model's directory, as the registry exports it.")]
_CHAMPION = Path("mlruns/champion")


@app.command()
def ingest(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC",
            help="A folder of Kaggle's files (.csv, .csv.gz, .csv.zip or .parquet), Kaggle's one "
            "big zip, or the word kaggle to download the competition.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a dataset.")],
) -> None:
    """Check the Kaggle tables and write them as typed Parquet.

    Bad input stops with table, column, row and what to do, and writes nothing.

    A history table may be missing, its features are then null; so may application_test.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from scoring.data.dataset import FILES
    from scoring.data.dataset import ingest as ingest_files
    from scoring.data.sources import download_competition

    columns = (TextColumn("{task.description:<30}"), BarColumn(), MofNCompleteColumn())
    with _console() as console:
        folder = download_competition() if source == "kaggle" else Path(source)
        with Progress(*columns, TimeElapsedColumn(), console=console) as bar:
            task = bar.add_task("looking for files", total=len(FILES))

            def report(name: str, rows: int | None) -> None:
                position = list(FILES).index(name)
                done = position if rows is None else position + 1
                bar.update(task, description=name, completed=done)

            dataset = ingest_files(folder, out, progress=report)
            bar.update(task, description="done", completed=len(FILES))
    for name in FILES:
        typer.echo(f"{name:<22} {dataset.rows(name):>12,} rows")
    typer.echo(f"dataset {dataset.digest[:12]} in {out}")


@app.command()
def sample(
    applicants: Annotated[int, typer.Option(help="How many have a known TARGET.")],
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a dataset.")],
    test_applicants: Annotated[
        int | None, typer.Option(help="How many have none; a quarter of the others by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal rows.")] = 0,
) -> None:
    """Invent applicants with all their histories, from statistics of the real ones.

    The first applicants of a larger sample are those of a smaller one with the same seed.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from scoring.data.dataset import FILES
    from scoring.data.synthetic import write_sample

    tests = applicants // 4 if test_applicants is None else test_applicants
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with _console() as console, Progress("applicants", *columns, console=console) as bar:
        task = bar.add_task("applicants", total=applicants + tests)
        dataset = write_sample(
            out,
            applicants,
            test_applicants=tests,
            seed=seed,
            progress=lambda done: bar.update(task, completed=done),
        )
    for name in FILES:
        typer.echo(f"{name:<22} {dataset.rows(name):>12,} rows")
    typer.echo(f"dataset {dataset.digest[:12]} in {out}")


@app.command()
def features(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
) -> None:
    """Compute every feature of every applicant, training and test, into one Parquet file.

    TARGET is not a feature: join it by SK_ID_CURR.
    """
    from scoring.serving.batch import write_features
    from scoring.data.dataset import Dataset

    with _console() as console, console.status("computing features"):
        rows, columns = write_features(Dataset.open(dataset), out)
    typer.echo(f"{rows:,} applicants, {columns - 1} features in {out}")


@app.command()
def predict(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The Parquet file to write.")],
    model: ModelOption = _CHAMPION,
) -> None:
    """Score every applicant of a dataset: probability of default and decision."""
    from scoring.serving.batch import PARQUET, score, write_parquet
    from scoring.data.dataset import Dataset
    from scoring.files import check_file
    from scoring.serving.scorer import Scorer

    with _console() as console, console.status("scoring"):
        check_file(out, PARQUET)
        scorer = Scorer.load(model)
        scored = score(Dataset.open(dataset), scorer)
        write_parquet(scored, out)
    refused = scored.filter(decision="refuse").height / scored.height
    doubted = scored["not_understood"].str.len_bytes().gt(0).sum()
    typer.echo(
        f"{scored.height:,} applicants scored by {scorer.name} version {scorer.version} in {out}: "
        f"{refused:.1%} refused at the cut-off {scorer.cutoff:.4f}"
        + (f"; of {doubted:,} something was not understood" if doubted else "")
    )


@app.command()
def examples(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option(help="The folder of JSON files to write.")],
    number: Annotated[int, typer.Option(min=1, help="How many applicants.")] = 12,
) -> None:
    """Write request bodies for POST /predict, from an empty history to the longest."""
    from scoring.serving.batch import write_examples
    from scoring.data.dataset import Dataset

    with _console():
        paths = write_examples(Dataset.open(dataset), out, number)
    typer.echo(f"{len(paths)} requests in {out}")


@app.command()
def export(
    out: Annotated[
        Path | None, typer.Option(help="The directory to write; mlruns/ALIAS by default.")
    ] = None,
    alias: Annotated[str, typer.Option(help="champion or challenger.")] = "champion",
    mlruns: Annotated[Path, typer.Option(help="The folder of MLflow's store.")] = Path("mlruns"),
) -> None:
    """Copy a registered model out of MLflow as a directory that the API serves or tries."""
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Store

    folder = out or _CHAMPION.with_name(alias)
    with _console() as console, console.status("exporting"):
        store = Store(mlruns)
        approval.settle(store)
        scorer = store.export(folder, alias)
    typer.echo(f"{scorer.name} version {scorer.version} ({alias}) in {folder}")


@app.command()
def bundle(
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a bundle.")],
    model: ModelOption = _CHAMPION,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Take a model of sample applicants too.")
    ] = False,
) -> None:
    """Gather what a platform runs: API, model, locked requirements, Procfile."""
    from scoring.serving.bundle import bundle as gather

    with _console():
        _catch_up(model)
        scorer = gather(model, out, demonstration=demonstration)
    typer.echo(f"{scorer.name} version {scorer.version} and the API in {out}")


_VERSION_HEADER = ("version", "alias", "registered", "AUC", "cost", "data", "by", "why")
_EVENT_HEADER = ("", "when", "what", "version", "before", "by", "why")


def _gate_row(gate: Gate) -> tuple[str, ...]:
    outcome = "refused" if not gate.passed else "alert" if gate.alert else "passed"
    return outcome, gate.name, _cell(gate.figure), _cell(gate.bound), gate.sentence


def _version_row(item: Registered) -> tuple[str, ...]:
    figures = (_cell(item.figures.get(name, "")) for name in ("auc", "business_cost"))
    motive = (item.event.by, item.event.why) if item.event else ("", "")
    data = f"{item.source} {item.dataset[:12]}".strip()
    return item.version, ", ".join(item.aliases), item.registered, *figures, data, *motive


def _event_row(event: Event) -> tuple[str, ...]:
    action = f"{event.action}, forced" if event.forced else event.action
    known = (str(event.number), event.at, action, event.version, event.previous or "")
    return *known, event.by, event.why


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4f}"


StoreOption = Annotated[Path, typer.Option("--mlruns", help="The folder of MLflow's store.")]
_MLRUNS = Path("mlruns")
DataOption = Annotated[Path, typer.Option(help="A dataset, or a folder or zip of Kaggle's files.")]
ProtectedOption = Annotated[
    bool | None, typer.Option("--protected/--no-protected", help="Use sex, age, family status.")
]


@app.command()
def train(
    data: DataOption,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Of the search for hyper-parameters.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Same data, seed and code: same model file.")] = 0,
    mlruns: StoreOption = _MLRUNS,
    protected: ProtectedOption = False,
) -> None:
    """Choose, fit and measure a model, and register it as the challenger.

    Families of models, remedies for imbalance and hyper-parameters are compared in
    cross-validation on what decisions cost. An interrupted search goes on where it stopped.
    """
    from datetime import UTC, datetime

    from scoring.registry import approval
    from scoring.modelling.pipeline import TRIALS, Settings
    from scoring.modelling.pipeline import train as run_training
    from scoring.data.versions import DataVersions
    from scoring.modelling.recipes import opened
    from scoring.registry.mlflow_registry import CHALLENGER, MODEL_NAME, Store
    from scoring.registry.tracking import track

    settings = Settings(trials or TRIALS, seed, use_protected=bool(protected))
    with _console() as console, opened(data) as dataset:
        # A registry that cannot be used is told before hours of training, not after.
        store = Store(mlruns)
        with _stages(console) as report:
            run = run_training(dataset, settings, MODEL_NAME, mlruns, report)
        with console.status("registering"):
            approval.settle(store)
            DataVersions.beside(store.folder).keep(dataset)
            scorer = track(store, run, datetime.now(UTC).date().isoformat())
            store.export(mlruns / CHALLENGER, CHALLENGER)
    _show_training(run)
    typer.echo(
        f"version {scorer.version} of {scorer.name} is the challenger in {mlruns}, exported to "
        f"{mlruns / CHALLENGER}; python -m scoring promote holds it against the gates"
    )


def _show_training(run: Run) -> None:
    """Print what was compared, what was chosen, and the figures on the held-out applicants."""
    from scoring.modelling.training import compare

    shown = ("auc_train", "auc", "ks", "brier", "log_loss", "business_cost", "fit_seconds")
    tables = (
        ("candidate", "Families, on applicants not seen in training", run.families),
        ("resampling", "Remedies for imbalance", run.remedies),
    )
    for name, title, validations in tables:
        typer.echo(f"\n{title}")
        rows = compare(validations).select(name, *shown).rows()
        _show((name, *shown), ((row[0], *map(_cell, row[1:])) for row in rows))
    if run.search is not None:
        table = run.search.table
        typer.echo(f"{table.height} trials, {int(table['pruned'].sum())} stopped early.")
    typer.echo(run.choice.sentence)
    typer.echo(f"\n{run.data.holdout.target.size:,} held-out applicants, 95 % intervals")
    _show(
        ("figure", "value", "low", "high"),
        ((name, *map(_cell, figure)) for name, figure in run.figures.items()),
    )


@app.command()
def validate(
    data: DataOption,
    recipe: Annotated[
        str, typer.Option(help="note: LightGBM of the literature on every column; or champion.")
    ] = "champion",
    seeds: Annotated[str, typer.Option(help="Of the folds, with commas between.")] = "0,1,2",
    protected: ProtectedOption = None,
) -> None:
    """Cross-validate a recipe on all applicants with an outcome, and print its figures.

    Costs are per applicant, on PDs calibrated on the other folds: at the cut-off that the costs
    dictate (1/11), and at the one that was the best on the other folds.
    """
    from scoring.modelling.recipes import (
        FIGURES,
        examples_for,
        opened,
        recipe_named,
        validated,
    )

    with _console() as console, opened(data) as dataset:
        chosen = recipe_named(recipe)
        examples = examples_for(chosen, dataset, protected)
        with _stages(console) as report:
            found = validated(chosen, examples, _numbers(seeds), report)
    rows = ((str(row[0]), *map(_cell, row[1:])) for row in found.rows())
    typer.echo(f"{examples.target.size:,} applicants, {len(examples.features)} columns, {recipe}")
    _show(("seed", *FIGURES), rows)


def _numbers(words: str) -> list[int]:
    from scoring.errors import ScoringError

    try:
        return [int(word) for word in words.replace(",", " ").split()]
    except ValueError as error:
        raise ScoringError(
            f"--seeds takes whole numbers, 0,1,2 for example, not {words}"
        ) from error


ByOption = Annotated[str, typer.Option("--by", help="Who decides.")]
WhyOption = Annotated[str, typer.Option("--why", help="The motive, kept for good.")]
ReportsOption = Annotated[
    Path, typer.Option("--reports", help="The folder of model_card.md and model_card.html.")
]
_REPORTS = Path("reports")


@app.command()
def promote(
    data: Annotated[Path, typer.Option(help="The dataset whose held-out applicants are scored.")],
    by: ByOption,
    why: WhyOption,
    version: Annotated[str | None, typer.Option(help="The challenger by default.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Override refusals; suspected leakage stays refused.")
    ] = False,
    mlruns: StoreOption = _MLRUNS,
    export: Annotated[Path, typer.Option(help="The directory that the API serves.")] = _CHAMPION,
    reports: ReportsOption = _REPORTS,
) -> None:
    """Hold a challenger against the gates; if it passes, make it the champion and export it."""
    from scoring.registry import approval
    from scoring.data.dataset import Dataset
    from scoring.registry.promotions import check_motive
    from scoring.registry.mlflow_registry import CHALLENGER, Store

    with _console() as console:
        by, why = check_motive(by, why)
        store = Store(mlruns)
        mended = approval.settle(store, export)
        champion = store.champion()
        if mended and version in (None, champion) and not store.find(CHALLENGER):
            typer.echo(f"version {champion} is the champion; exported to {export}")
            return
        with console.status("scoring the held-out applicants"):
            verdict = approval.judged(store, Dataset.open(data), version)
        _show(("", "gate", "figure", "bound", "in words"), map(_gate_row, verdict.gates))
        event = approval.promote(
            store, verdict, by, why, force=force, export=export, reports=reports
        )
    told = ", forced" if event.forced else ""
    typer.echo(f"version {event.version} is the champion{told}; exported to {export}")


@app.command()
def rollback(
    by: ByOption,
    why: WhyOption,
    mlruns: StoreOption = _MLRUNS,
    export: Annotated[Path, typer.Option(help="The directory that the API serves.")] = _CHAMPION,
    reports: ReportsOption = _REPORTS,
) -> None:
    """Make the previous champion the champion again, and export it."""
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Store

    with _console():
        store = Store(mlruns)
        approval.settle(store, export)
        event = approval.rollback(store, by, why, export=export, reports=reports)
    typer.echo(
        f"version {event.version} is the champion again, in the place of version {event.previous}; "
        f"exported to {export}"
    )


@app.command()
def models(mlruns: StoreOption = _MLRUNS) -> None:
    """List the registered versions, the newest first, and every change of champion."""
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Store

    with _console():
        store = Store(mlruns)
        approval.settle(store)
        found, events = store.versions(), store.history()
    _show(_VERSION_HEADER, map(_version_row, found))
    _show(_EVENT_HEADER, map(_event_row, events))


@app.command()
def card(
    version: Annotated[str | None, typer.Option(help="The champion by default.")] = None,
    mlruns: StoreOption = _MLRUNS,
    reports: ReportsOption = _REPORTS,
) -> None:
    """Write a version's model card as Markdown and as HTML."""
    from scoring.registry import approval
    from scoring.registry.mlflow_registry import Store

    with _console():
        written = approval.write_kept_card(Store(mlruns), version, reports)
    typer.echo(f"model card of version {written} in {reports}")


@app.command()
def notebook(
    source: Annotated[Path, typer.Argument(metavar="NOTEBOOK", help="The .ipynb file to run.")],
    out: Annotated[Path, typer.Option(help="The executed copy to write.")],
    parameter: Annotated[
        list[str], typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="May be repeated.")
    ] = [],  # noqa: B006 - typer's way to an empty list
    in_place: Annotated[
        bool, typer.Option("--keep", help="Also keep the outputs in NOTEBOOK, for reviewers.")
    ] = False,
) -> None:
    """Run a notebook from top to bottom and write it with its outputs."""
    from scoring.errors import ScoringError
    from scoring.reports.notebooks import execute, keep

    with _console():
        if wrong := [text for text in parameter if "=" not in text]:
            raise ScoringError(f"--parameter takes NAME=VALUE, not {wrong[0]!r}")
        pairs = (text.split("=", 1) for text in parameter)
        execute(source, out, {name: _value(text) for name, text in pairs})
        if in_place:
            keep(out, source)


@app.command()
def overview(
    reports: Annotated[Path, typer.Option(help="The folder of reports.")] = Path("reports"),
) -> None:
    """Write index.html, which leads to every report there is, and notebooks as HTML beside it."""
    from scoring.reports.overview import write

    with _console():
        typer.echo(f"written: {write(reports)}")


def _value(text: str) -> object:
    """A number, true, false or null where the text is one, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


@app.command()
def serve(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="The API's.")] = 8000,
    dashboard_port: Annotated[
        int, typer.Option(envvar="DASHBOARD_PORT", min=1, max=65535, help="The page's port.")
    ] = 8501,
    model: ModelOption = _CHAMPION,
    requests: Annotated[
        Path, typer.Option(help="The folder of request bodies that the page offers.")
    ] = Path("data/examples"),
) -> None:
    """Start the API and the Streamlit page; Ctrl-C or SIGTERM stops both."""
    from scoring.serving.local import run, servers

    chosen = servers(port, dashboard_port, model, requests)

    def tell() -> None:
        url = chosen[0].ready.removesuffix("/ready")
        example = next(iter(sorted(requests.glob("*.json"))), requests / "APPLICANT.json")
        typer.echo(f"\n  API    {url}   (documentation: {url}/docs)")
        typer.echo(f"  page   http://127.0.0.1:{dashboard_port}")
        typer.echo(
            "  keys   where the API asks for them, each officer's own:\n         python -m scoring "
            "keys add NAME --scope score --scope read --scope outcome\n"
        )
        typer.echo(
            f"  curl -X POST {url}/predict -H 'Content-Type: application/json' "
            f"-d @{example}\n\n  Ctrl-C stops both.\n"
        )

    with _console():
        _catch_up(model)
        run(chosen, tell)


def _catch_up(model: Path) -> None:
    """Export the champion again where the registry beside it names another one than is there."""
    from scoring.registry.promotions import is_behind

    if is_behind(model):
        from scoring.registry import approval
        from scoring.registry.mlflow_registry import Store

        approval.settle(Store(model.parent), model)


store.register(app)
service.register(app)
lineage.register(app)
monitoring.register(app)
person.register(app)
command.register(app)
retraining.register(app)
data_versions.register(app)
command.register(app)

if __name__ == "__main__":
    app(prog_name="python -m scoring")
