"""The service on this machine, and what a platform runs: serve, bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scoring.cli.console import messages
from scoring.cli.options import CHAMPION, ModelOption


def serve(
    port: Annotated[int, typer.Option(envvar="PORT", min=1, max=65535, help="The API's.")] = 8000,
    dashboard_port: Annotated[
        int, typer.Option(envvar="DASHBOARD_PORT", min=1, max=65535, help="The page's port.")
    ] = 8501,
    model: ModelOption = CHAMPION,
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

    with messages():
        _catch_up(model)
        run(chosen, tell)


def bundle(
    out: Annotated[Path, typer.Option(help="The folder to write; replaced if it is a bundle.")],
    model: ModelOption = CHAMPION,
    demonstration: Annotated[
        bool, typer.Option("--demonstration", help="Take a model of sample applicants too.")
    ] = False,
) -> None:
    """Gather what a platform runs: API, model, locked requirements, Procfile."""
    from scoring.serving.bundle import bundle as gather

    with messages():
        _catch_up(model)
        scorer = gather(model, out, demonstration=demonstration)
    typer.echo(f"{scorer.name} version {scorer.version} and the API in {out}")


def _catch_up(model: Path) -> None:
    """Export the champion again where the registry beside it names another one than is there."""
    from scoring.registry.promotions import is_behind

    if is_behind(model):
        from scoring.registry import approval
        from scoring.registry.mlflow_registry import Registry

        approval.settle(Registry(model.parent), model)
