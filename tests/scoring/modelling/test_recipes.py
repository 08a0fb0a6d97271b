"""The recipes behind the figures that the documentation quotes."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.data.dataset import Dataset
from scoring.errors import ScoringError
from scoring.features import PROTECTED
from scoring.modelling.candidates import DEFAULT_FAMILY, Candidate
from scoring.modelling.recipes import (
    FIGURES,
    RECIPES,
    Recipe,
    examples_for,
    opened,
    recipe_named,
    validated,
)
from scoring.serving.costs import Costs

QUICK = Recipe(Candidate.of("trees", n_estimators=20), use_protected=False)


def test_a_recipe_is_validated_once_a_seed(sample: Dataset) -> None:
    examples = examples_for(QUICK, sample)
    table = validated(QUICK, examples, [0, 4], Costs())
    assert table.columns == ["seed", *FIGURES]
    assert table["seed"].to_list() == ["0", "4", "mean"]
    assert table["auc"][2] == pytest.approx((table["auc"][0] + table["auc"][1]) / 2)
    assert table["auc"][0] != table["auc"][1]


def test_the_recipe_says_whether_protected_attributes_are_used(sample: Dataset) -> None:
    for recipe, asked, used in (
        ("note", None, True), ("note", False, False),
        ("champion", None, False), ("champion", True, True),
    ):  # fmt: skip
        examples = examples_for(RECIPES[recipe], sample, asked)
        names = {feature.name for feature in examples.features}
        assert bool(names & PROTECTED) == used


def test_the_champions_recipe_is_the_default_of_a_training() -> None:
    assert recipe_named("champion").candidate.parameters == Candidate.of(DEFAULT_FAMILY).parameters


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(ScoringError, match=r"'wrong'.*any of"):
        recipe_named("wrong")


def test_a_folder_of_files_is_read_and_not_kept(sample: Dataset) -> None:
    with opened(sample.folder) as same:
        assert same.folder == sample.folder
    folder = sample.folder.parent / "files"
    folder.mkdir()
    for path in sample.folder.glob("*.parquet"):
        (folder / path.name).write_bytes(path.read_bytes())
    with opened(folder) as dataset:
        assert dataset.rows("application_train") == sample.rows("application_train")
    assert not dataset.folder.exists()
    assert not (folder / "dataset.json").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--recipe", "wrong"), "no recipe is called 'wrong'"),
        (("--seeds", "a,b"), "--seeds takes whole numbers"),
    ],
)
def test_what_a_user_can_mend_is_told_in_a_line(
    words: tuple[str, ...], told: str, sample: Dataset
) -> None:
    done = CliRunner().invoke(app, ["validate", "--data", str(sample.folder), *words])
    assert done.exit_code == 1
    assert told in done.stderr
    assert isinstance(done.exception, SystemExit)


def test_the_figures_of_the_note_are_reached_on_real_rows(home_credit_folder: Path) -> None:
    recipe = recipe_named("note")
    with opened(home_credit_folder) as dataset:
        examples = examples_for(recipe, dataset)
    assert validated(recipe, examples, [0], Costs())["auc"][0] > 0.765
