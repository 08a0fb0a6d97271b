"""What a training leaves behind, put together without one, for tests."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from scoring.data.dataset import Dataset
from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.metrics import intervals, paired_difference
from scoring.evaluation.separability import Separability
from scoring.modelling.choice import Choice
from scoring.modelling.examples import Examples
from scoring.modelling.fit import lineage
from scoring.modelling.pipeline import Data, Run, TrainingSettings, record
from scoring.modelling.search import Search
from scoring.modelling.validation import Validation
from scoring.serving.scorer import Scorer


def run_of(scorer: Scorer, dataset: Dataset, examples: Examples, validation: Validation) -> Run:
    """The run of a model; its applicants are told to be learnt from and held out at once."""
    settings = TrainingSettings(trials=2)
    manifest = dataset.manifest
    data = Data(dataset.digest, manifest["source"], examples, examples, examples, manifest)
    model = replace(scorer, lineage=lineage(validation, record(data, settings)))
    pds = model.predict(examples.frame)
    cutoff = model.costs.cutoff
    same = paired_difference(examples.target, pds, pds, cutoff, cutoff, model.costs, resamples=50)
    return Run(
        settings=settings,
        data=data,
        tried=[validation],
        remedies=[validation],
        search=Search(validation.candidate, pl.DataFrame({"trial": [0, 1]})),
        choice=Choice(validation, 0.0, 0.1, "The best trial is not chosen."),
        price=same,
        proxy=Separability(Interval(0.8, 0.75, 0.85), 800, 0.35, (("a", 0.1),)),
        scorer=model,
        figures=intervals(examples.target, pds, model.cutoff, model.costs, resamples=50),
    )
