"""Models that were made from a sound one to do harm, signed as if they were sound."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoring.serving.families.trees import BoostedTrees
from scoring.serving.scorer import Scorer

Damage = Callable[[Path], None]


def signed(folder: Path) -> None:
    """Make the manifest fit the files."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forgotten(folder: Path, name: str) -> None:
    """Take a file out of the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"][name]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def remembered(folder: Path, name: str) -> None:
    """Put a file into the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = ""
    (folder / "manifest.json").write_text(json.dumps(manifest))
    signed(folder)


def damaged(folder: Path, damage: Damage) -> Path:
    """Damage a folder and sign it."""
    damage(folder)
    signed(folder)
    return folder


def saying(*path: str | int, value: Any, file: str = "scorer.json") -> Damage:
    """Put a value into a file."""

    def change(folder: Path) -> None:
        found = at = json.loads((folder / file).read_text())
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value
        (folder / file).write_text(json.dumps(found))

    return change


def reworded(name: str, pattern: str, text: str) -> Damage:
    """Change the first place in a file that looks like a pattern."""

    def change(folder: Path) -> None:
        before = (folder / name).read_text()
        after = re.sub(pattern, lambda _: text, before, count=1)
        assert after != before
        (folder / name).write_text(after)

    return change


def altered_text(text: str, pattern: str, other: str | Callable[[re.Match[str]], str]) -> str:
    """A LightGBM text with another line, and sizes of the trees that fit."""
    found = re.sub(pattern, other, text, count=0 if callable(other) else 1)
    assert found != text
    trees = re.split(r"(?=Tree=\d+\n)", found.partition("end of trees")[0])[1:]
    return re.sub("tree_sizes=.*", f"tree_sizes={' '.join(str(len(one)) for one in trees)}", found)


def backwards(model: Scorer) -> Scorer:
    """A model whose trees say the opposite of what they learnt."""

    def turned(line: re.Match[str]) -> str:
        return f"leaf_value={' '.join(repr(-float(one)) for one in line[1].split())}"

    assert isinstance(model.model, BoostedTrees)
    text = altered_text(model.model.text, "leaf_value=(.*)", turned)
    return replace(model, model=BoostedTrees(model.features, text))


def retreed(pattern: str, other: str) -> Damage:
    """Change model.txt as `altered_text` does."""

    def change(folder: Path) -> None:
        path = folder / "model.txt"
        path.write_text(altered_text(path.read_text(), pattern, other))

    return change


# Of the first tree, each with a part of what is said of it.
TREES: Mapping[str, tuple[str, str, str]] = {
    "leaves without end": (r"num_leaves=\d+", "num_leaves=2000000000", "split_feature is not of"),
    "fewer leaves than none": (r"num_leaves=\d+", "num_leaves=-5", "is not of"),
    "categories without end": ("num_cat=0", "num_cat=2000000000", "sets of categories"),
    "no number in a leaf": (r"leaf_value=\S+", "leaf_value=nan", "leaf_value has a number"),
    "an endless leaf": (r"leaf_value=\S+", "leaf_value=inf", "leaf_value has a number"),
    "a leaf far away": (r"leaf_value=\S+", "leaf_value=1e300", "leaf_value has a number"),
    "two readings of a leaf": (r"leaf_value=\S+", "leaf_value=1_0", "could not convert"),
    "no number as threshold": (r"threshold=\S+", "threshold=nan", "threshold has a number"),
    "a circle": (r"left_child=\S+", "left_child=0", "make no tree"),
    "a leaf beside the tree": (r"right_child=\S+", "right_child=-9999", "make no tree"),
    "a feature beside the row": (r"split_feature=\S+", "split_feature=99999", "split_feature has"),
    "a feature before the row": (r"split_feature=\S+", "split_feature=-3", "split_feature has"),
    "fewer features": (r"max_feature_idx=\d+", "max_feature_idx=3", "split_feature has"),
    "a category that is none": (r"decision_type=\S+", "decision_type=1", "sets of categories"),
    "a kind that is none": (r"decision_type=\S+", "decision_type=255", "decision_type has"),
    "nobody in a leaf": (r"leaf_count=\S+", "leaf_count=0", "leaf_count has"),
    "linear leaves": ("is_linear=0", "is_linear=1", "linear leaves"),
    "a mean for a sum": ("label_index=0", "label_index=0\naverage_output", "a line 'average_out"),
    "a line twice": ("num_cat=0", "num_cat=0\nnum_cat=0", "says num_cat twice"),
    "letters of others": ("num_cat=0", "num_cat=0\u2028num_cat=0", "printable"),
}  # fmt: skip

# What cannot be told from the text by us, and ends the process that reads it.
ABORTING = retreed("split_gain=", "\nsplit_gain=")

_DEEP = "[" * 100_000 + "]" * 100_000
DESCRIPTIONS: Mapping[str, tuple[Damage, str]] = {
    "cut-off nan": (saying("cutoff", value=float("nan")), "NaN is no number"),
    "cut-off null": (saying("cutoff", value=None), "cutoff: "),
    "cut-off text": (saying("cutoff", value="0.09"), "cutoff: "),
    "cut-off true": (saying("cutoff", value=True), "cutoff: "),
    "cut-off 7": (saying("cutoff", value=7), "cutoff: .*less than 1"),
    "cut-off -0.1": (saying("cutoff", value=-0.1), "cutoff: .*greater than 0"),
    "cut-off without end": (reworded("scorer.json", '"cutoff": 0', f'"cutoff": {"9" * 500}'), "no"),
    "slope nan": (saying("calibration", "slope", value=float("nan")), "NaN is no number"),
    "slope 0": (saying("calibration", "slope", value=0), "slope: .*greater than 0"),
    "slope -1": (saying("calibration", "slope", value=-1.0), "slope: .*greater than 0"),
    "slope 1e999": (reworded("scorer.json", '"slope": ', '"slope": 1e999'), "is no number"),
    "intercept": (saying("calibration", "intercept", value=float("inf")), "Infinity is no number"),
    "cost 0": (saying("costs", "false_positive", value=0), "both costs must be above zero"),
    "band": (saying("refer_band", value=[0.0, 2.0]), "must hold the cut-off"),
    "band of one": (saying("refer_band", value=[0.1]), "refer_band"),
    "feature twice": (saying("features", 3, "name", value="FLAG_OWN_CAR"), "twice"),
    "unknown feature": (saying("features", 3, "name", value="NONE"), "missing.*'NONE'"),
    "levels of a number": (saying("features", 3, "levels", value=["a"]), "CNT_CHILDREN"),
    "levels as text": (saying("features", 0, "levels", value="ab"), r"features\.0\.levels"),
    "texts": (saying("texts", value=3), "texts: "),
    "lineage": (saying("lineage", value=[]), "lineage: "),
    "a NUL": (saying("name", value="a\x00"), "name: "),
    "half a letter": (saying("name", value="a\ud800"), "surrogates"),
    "version": (saying("version", value=3), "version: "),
    "a key twice": (reworded("scorer.json", '"cutoff": ', '"cutoff": 0.5,\n "cutoff": '), "twice"),
    "something more": (saying("more", value=1), "more: "),
    "learned": (saying("learned", value=["../../x"]), "learned: "),
    "deep": (lambda folder: (folder / "scorer.json").write_text(_DEEP) and None, "too deeply"),
    "a deep profile": (
        lambda folder: (folder / "profile.json").write_text(_DEEP) and None, "too deeply",
    ),
    "a profile of less than nobody": (
        reworded("profile.json", '"missing": ', '"missing": -1'), "not a profile",
    ),
    "a profile of others": (
        reworded("profile.json", '"name": "CNT_CHILDREN"', '"name": "X"'), "other features",
    ),
}  # fmt: skip


_NUMBER, _CATEGORY = ("numbers", "AMT_CREDIT"), ("categories", "NAME_CONTRACT_TYPE")


def _linear(*path: str, value: Any) -> Damage:
    return saying(*path, value=value, file="linear.json")


def _sum(*path: str, value: Any) -> Damage:
    return saying(*path, value=value, file="sum.json")


# Of the files of a sum of a linear model and trees.
SUMS: Mapping[str, tuple[Damage, str]] = {
    "a coefficient nan": (_linear(*_NUMBER, "coefficient", value=float("nan")), "NaN is no"),
    "a coefficient text": (_linear(*_NUMBER, "coefficient", value="1"), "coefficient of AMT_CR"),
    "a coefficient true": (_linear(*_NUMBER, "coefficient", value=True), "coefficient of AMT_CRED"),
    "a coefficient far away": (_linear(*_NUMBER, "coefficient", value=1e300), "coefficient of AMT"),
    "a scale of nothing": (_linear(*_NUMBER, "scale", value=0), "AMT_CREDIT has a scale"),
    "a scale turned round": (_linear(*_NUMBER, "scale", value=-1.0), "AMT_CREDIT has a scale"),
    "a number with more": (_linear(*_NUMBER, "more", value=1.0), "something more"),
    "another number": (_linear("numbers", "NONE", value=dict.fromkeys(
        ("center", "scale", "mean", "coefficient"), 1.0)), "other features"),
    "another category": (
        _linear("categories", "NONE", value={"levels": {}, "missing": 0.0}), "other features",
    ),
    "other levels": (_linear(*_CATEGORY, "levels", "none", value=0.0), "other levels"),
    "a level without end": (
        _linear(*_CATEGORY, "levels", "Cash loans", value=1e9), "Cash loans of NAME_CONTRACT_TYPE",
    ),
    "a missing level null": (_linear(*_CATEGORY, "missing", value=None), "missing of NAME_"),
    "an intercept far away": (_linear("intercept", value=1e300), "intercept"),
    "clipped to nothing less": (_linear("clip", value=-1.0), "clip"),
    "more of a linear model": (_linear("more", value=1), "does not hold"),
    "no linear model": (lambda folder: (folder / "linear.json").write_text("[]") and None, "hold"),
    "numbers that are none": (_linear("numbers", value=[]), "no attribute 'items'"),
    "a deep linear model": (
        lambda folder: (folder / "linear.json").write_text("[" * 100_000) and None, "too deeply",
    ),
    "a weight turned round": (_sum("trees", value=-1.0), "trees is -1.0"),
    "a weight without end": (_sum("linear", value=1e9), "linear is"),
    "a weight of nobody": (_sum("forest", value=1.0), "does not hold the weights"),
    "no sum": (lambda folder: (folder / "sum.json").write_text("[]") and None, "does not hold"),
    "a circle in its trees": (retreed(r"left_child=\S+", "left_child=0"), "make no tree"),
    "a text that ends the process": (ABORTING, "LightGBM ended the process"),
    "another family": (saying("family", value="forest"), "'forest' is none of linear, sum, trees"),
    "a member alone": (saying("family", value="trees"), "is no file of such a model"),
}  # fmt: skip


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "learned")


def _pipe_for_the_model(folder: Path) -> None:
    (folder / "model.txt").unlink()
    os.mkfifo(folder / "model.txt")


def _pipe_for_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")


def _link(folder: Path) -> None:
    (folder / "model.txt").rename(folder.parent / "elsewhere.txt")
    (folder / "model.txt").symlink_to(folder.parent / "elsewhere.txt")


def _loop(folder: Path) -> None:
    (folder / "model.txt").unlink()
    (folder / "model.txt").symlink_to("model.txt")


def _huge(name: str) -> Damage:
    return lambda folder: os.truncate(folder / name, 10 * 1024**3)


def _crowd(folder: Path) -> None:
    for number in range(3_000):
        (folder / f"learned-{number}").mkdir()


def _depth(folder: Path) -> None:
    (folder / "learned" / "/".join("abcdefghijkl")).mkdir(parents=True)


FOLDERS: Mapping[str, tuple[Damage, str]] = {
    "a pipe": (_pipe, "learned"),
    "a pipe for the model": (_pipe_for_the_model, "model.txt is no plain file"),
    "a pipe for the manifest": (_pipe_for_the_manifest, "manifest.json is no plain file"),
    "a link": (_link, "model.txt is no plain file"),
    "a link to itself": (_loop, "model.txt is no plain file"),
    "a huge model": (_huge("model.txt"), "model.txt is larger than"),
    "a huge manifest": (_huge("manifest.json"), "manifest.json is larger than"),
    "too many entries": (_crowd, "is no file of a model"),
    "folders without end": (_depth, "no file of a model"),
}
