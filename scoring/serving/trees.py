"""The trees of a LightGBM model as arrays: which way a row goes at every split, and the leaves.

LightGBM's text format says of each split the feature, the threshold and a `decision_type` whose
bits are: 1, a category; 2, unknown values go left; 4 and 8, what counts as unknown (none, zero,
or NaN).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_CATEGORY, _UNKNOWN_LEFT = 1, 2
_UNKNOWN_SHIFT, _UNKNOWN_IS_ZERO, _UNKNOWN_IS_NAN = 2, 1, 2
# All bits but those of zeros, and none above.
_HIGHEST_KIND = 11
# The bits of a word in the sets of categories, and more words than any category of ours needs.
_WORD, _MOST_WORDS = 32, 64
# No leaf is that far from the others: beyond, sums and products of leaves would overflow.
_FURTHEST = 1e6

# What LightGBM writes in front of the trees; anything else would change what they mean.
_HEAD = frozenset(
    {
        "", "tree", "version", "num_class", "num_tree_per_iteration", "label_index",
        "max_feature_idx", "objective", "feature_names", "monotone_constraints", "feature_infos",
        "tree_sizes",
    }
)  # fmt: skip
_OF_SPLITS = (
    "split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child",
    "internal_value", "internal_weight", "internal_count",
)  # fmt: skip
_OF_LEAVES = ("leaf_weight", "leaf_count")

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
_Tree = Mapping[str, str]


class TreesError(ValueError):
    """The trees are of a kind that is not known here."""


class Edge(NamedTuple):
    """A step from a split, counted over all trees, to a side, which a share of its rows took."""

    split: int
    left: bool
    share: float


class Leaf(NamedTuple):
    """What a tree adds to the score, and how it is reached from the root."""

    value: float
    path: tuple[Edge, ...]


@dataclass(frozen=True)
class Splits:
    """All splits of a model: the column each looks at, its threshold (up to it, left), its gain.

    Attributes
    ----------
    unknown_left : numpy.ndarray of shape (splits,)
        Whether NaN goes left.
    categorical : numpy.ndarray of shape (splits by category,)
        Which splits look at a category.
    members : numpy.ndarray of shape (splits by category, categories + 1)
        Whether a category goes left; the last column is for all that was never seen.
    """

    columns: int
    feature: Places
    threshold: Floats
    unknown_left: Flags
    categorical: Places
    members: Flags
    gain: Floats

    def left(self, matrix: Floats) -> Flags:
        """At which splits rows of shape (rows, columns) go left; of shape (rows, splits)."""
        values = matrix.take(self.feature, axis=1)
        result = np.where(np.isnan(values), self.unknown_left, values <= self.threshold)
        if self.categorical.size:
            codes = values[:, self.categorical]
            never = self.members.shape[1] - 1
            # A code is cut to a whole number, as LightGBM does.
            known = (codes > -1.0) & (codes < never)
            codes = np.where(known, codes, never).astype(np.intp)
            result[:, self.categorical] = self.members[np.arange(self.categorical.size), codes]
        return result


class Trees(NamedTuple):
    """A model's splits, and the leaves of all its trees."""

    splits: Splits
    leaves: tuple[Leaf, ...]

    @classmethod
    def read(cls, text: str) -> Trees:
        """Read a model's text, as `lightgbm.Booster.model_to_string` writes it.

        Raises
        ------
        TreesError
            If there are several classes, linear leaves, or zeros that count as unknown; or if the
            numbers do not fit together.
        """
        head, trees = _parsed(text)
        feature = np.concatenate([_integers(tree, "split_feature") for tree in trees])
        kind = np.concatenate([_integers(tree, "decision_type") for tree in trees])
        threshold = np.concatenate([_floats(tree, "threshold") for tree in trees])
        unknown = kind >> _UNKNOWN_SHIFT
        if (unknown == _UNKNOWN_IS_ZERO).any():
            raise TreesError("zeros count as unknown; train the model with zero_as_missing=false")
        splits = Splits(
            columns=int(head["max_feature_idx"]) + 1,
            feature=feature,
            threshold=threshold,
            # Where training rows were all known, LightGBM takes NaN for 0.
            unknown_left=np.where(
                unknown == _UNKNOWN_IS_NAN, (kind & _UNKNOWN_LEFT) > 0, threshold >= 0.0
            ),
            categorical=np.flatnonzero(kind & _CATEGORY),
            members=_members([own for tree in trees for own in _sets(tree)]),
            gain=np.concatenate([_floats(tree, "split_gain") for tree in trees]),
        )
        return cls(splits, tuple(_leaves(trees)))


def _parsed(text: str) -> tuple[_Tree, list[_Tree]]:
    """The lines of a model's head and of each of its trees, by name.

    LightGBM believes what the text says of its numbers: it would look for features beside a row,
    follow children in a circle, and make room for any number of leaves.
    """
    head, *trees = [_lines(block) for block in _blocks(text)]
    if head.get("num_tree_per_iteration") != "1" or head.get("num_class") != "1":
        raise TreesError("the model has several classes; one score is needed")
    if head.keys() - _HEAD:
        raise TreesError(f"the model's head has a line {min(head.keys() - _HEAD)!r} of its own")
    if any(tree.get("is_linear") != "0" for tree in trees):
        raise TreesError("the model has linear leaves; train it with linear_tree=false")
    if len(trees) != len(head.get("tree_sizes", "").split()):
        raise TreesError("the model has other trees than its head says")
    for number, tree in enumerate(trees):
        try:
            _check(tree, int(head["max_feature_idx"]))
        except (LookupError, ValueError) as error:
            raise TreesError(f"tree {number} of the model is damaged: {error}") from error
    return head, trees


def _check(tree: _Tree, last_feature: int) -> None:
    """See that a tree's numbers are as many as it says and in their ranges, its splits a tree."""
    leaves = int(tree["num_leaves"])
    splits, categories = leaves - 1, int(tree["num_cat"])
    # Of a tree without a split LightGBM writes its leaf's value alone, and at times its count.
    of_leaves = ("leaf_value", *_OF_LEAVES) if splits else ("leaf_value",)
    lengths = dict.fromkeys(_OF_SPLITS, splits) | dict.fromkeys(of_leaves, leaves)
    for name, length in lengths.items():
        if len(_words(tree, name)) != length:
            raise TreesError(f"{name} is not of {length} numbers")
    within = [
        ("split_feature", 0, last_feature), ("decision_type", 0, _HIGHEST_KIND),
        ("leaf_count", 1, 2**31), ("internal_count", 1, 2**31),
        ("leaf_value", -_FURTHEST, _FURTHEST), ("threshold", -np.inf, np.inf),
        ("cat_threshold", 0, 2**_WORD - 1), ("shrinkage", -_FURTHEST, _FURTHEST),
        ("split_gain", -np.inf, np.inf),
    ]  # fmt: skip
    for name, low, high in within:
        values = _floats(tree, name)
        # Not so of NaN either; a threshold may be infinite, where only unknown values go right.
        if not ((low <= values) & (values <= high)).all():
            raise TreesError(f"{name} has a number out of its range")
    _check_children(_integers(tree, "left_child"), _integers(tree, "right_child"))
    _check_categories(tree, categories)


def _check_children(left: Places, right: Places) -> None:
    """See that every split but the first, and every leaf, is below one split that comes before."""
    sides, before = np.concatenate([left, right]), np.tile(np.arange(left.size), 2)
    every = np.arange(-left.size - 1, left.size)
    expected = every[every != 0] if left.size else sides
    inner = sides >= 0
    if not np.array_equal(np.sort(sides), expected) or (sides <= before)[inner].any():
        raise TreesError("left_child and right_child make no tree")


def _check_categories(tree: _Tree, categories: int) -> None:
    """See that the sets of categories are there, and of a size that applicants' categories have."""
    bounds, words = _integers(tree, "cat_boundaries"), _integers(tree, "cat_threshold")
    widths = np.diff(bounds) if categories else bounds
    chosen = _floats(tree, "threshold")[(_integers(tree, "decision_type") & _CATEGORY) > 0]
    if (
        widths.size != categories
        or (categories and (bounds[0] != 0 or bounds[-1] != words.size))
        or ((widths < 1) | (widths > _MOST_WORDS)).any()
        or ((chosen < 0) | (chosen >= categories) | (chosen != np.floor(chosen))).any()
    ):
        raise TreesError("the sets of categories do not fit the splits")


def _blocks(text: str) -> list[str]:
    if not text.isascii() or not text.replace("\n", "").isprintable():
        raise TreesError("the model's text is not of printable lines")
    return re.split(r"\n+Tree=\d+\n", text.partition("\nend of trees")[0])


def _lines(block: str) -> _Tree:
    values: dict[str, str] = {}
    for name, sign, value in (line.partition("=") for line in block.split("\n")):
        if sign and name in values:
            raise TreesError(f"the model says {name} twice in one place")
        values[name] = value
    return values


def _integers(tree: _Tree, name: str) -> Places:
    return np.array(_words(tree, name), dtype=np.intp)


def _floats(tree: _Tree, name: str) -> Floats:
    return np.array(_words(tree, name), dtype=np.float64)


def _words(tree: _Tree, name: str) -> list[str]:
    # Python takes 1_0 for 10, and LightGBM does not.
    return tree.get(name, "").replace("_", "?").split()


def _sets(tree: _Tree) -> list[list[int]]:
    """The categories that go left, at each of a tree's splits by category."""
    words = _integers(tree, "cat_threshold").tolist()
    sets = [
        sum(word << (_WORD * place) for place, word in enumerate(words[start:end]))
        for start, end in pairwise(_integers(tree, "cat_boundaries").tolist())
    ]
    kinds, numbers = _integers(tree, "decision_type"), _floats(tree, "threshold")
    return [
        [code for code in range(chosen.bit_length()) if chosen >> code & 1]
        for chosen in (sets[int(number)] for number in numbers[(kinds & _CATEGORY) > 0])
    ]


def _members(sets: list[list[int]]) -> Flags:
    width = max((code for chosen in sets for code in chosen), default=-1) + 2
    result = np.zeros((len(sets), width), dtype=np.bool_)
    for place, chosen in enumerate(sets):
        result[place, chosen] = True
    return result


def _leaves(trees: list[_Tree]) -> Iterator[Leaf]:
    first = 0
    for tree in trees:
        yield from _tree_leaves(tree, first)
        first += int(tree["num_leaves"]) - 1


def _tree_leaves(tree: _Tree, first: int) -> Iterator[Leaf]:
    """A tree's leaves; its splits are counted from `first` on.

    A child below 0 is a leaf: the bitwise complement of its number.
    """
    values = _floats(tree, "leaf_value").tolist()
    sides = _integers(tree, "left_child").tolist(), _integers(tree, "right_child").tolist()
    splits = _integers(tree, "internal_count").tolist()
    leaves = _integers(tree, "leaf_count").tolist()
    pending: list[tuple[int, tuple[Edge, ...]]] = [(0 if splits else ~0, ())]
    while pending:
        node, path = pending.pop()
        if node < 0:
            yield Leaf(values[~node], path)
            continue
        for left, children in zip((True, False), sides, strict=True):
            child = children[node]
            rows = splits[child] if child >= 0 else leaves[~child]
            edge = Edge(first + node, left, rows / splits[node])
            pending.append((child, (*path, edge)))
