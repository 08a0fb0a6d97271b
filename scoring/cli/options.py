"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DatasetArgument = Annotated[
    Path, typer.Argument(metavar="DATASET", help="A folder that ingest or sample wrote.")
]
ModelOption = Annotated[Path, typer.Option(help="A model's directory, as the registry exports it.")]
CHAMPION = Path("mlruns/champion")
StoreOption = Annotated[Path, typer.Option("--mlruns", help="The folder of MLflow's store.")]
MLRUNS = Path("mlruns")
DataOption = Annotated[Path, typer.Option(help="A dataset, or a folder or zip of Kaggle's files.")]
ProtectedOption = Annotated[
    bool | None, typer.Option("--protected/--no-protected", help="Use sex, age, family status.")
]
CostFnOption = Annotated[
    float,
    typer.Option("--cost-fn", min=0.001, help="Of an accepted default, in units of --cost-fp."),
]
CostFpOption = Annotated[
    float, typer.Option("--cost-fp", min=0.001, help="Of a good applicant who is refused.")
]
ByOption = Annotated[str, typer.Option("--by", help="Who decides.")]
WhyOption = Annotated[str, typer.Option("--why", help="The motive, kept for good.")]
ReportsOption = Annotated[
    Path, typer.Option("--reports", help="The folder of model_card.md and model_card.html.")
]
REPORTS = Path("reports")
