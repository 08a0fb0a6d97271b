"""Looks at held-out applicants are counted for each of them, whatever set they are in."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.registry.holdout_uses import HoldoutUses

_NUMBERS = st.integers(100_001, 100_012)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(_NUMBERS, min_size=1), max_size=6))
def test_a_look_tells_how_often_the_most_used_was_looked_at(looks: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        before = Counter[int]()
        for turn, numbers in enumerate(looks):
            most, model = max(before[own] for own in numbers), str(turn)
            assert HoldoutUses(Path(folder)).look(numbers, model) == most
            before.update(set(numbers))
            # With the same model the same applicants tell nothing new.
            HoldoutUses(Path(folder)).look(numbers, model)
        assert HoldoutUses(Path(folder)).times() == before


def test_nothing_is_kept_of_who_is_forgotten_and_nobody_else_reads_it(tmp_path: Path) -> None:
    uses = HoldoutUses(tmp_path / "mlruns")
    uses.look([1, 2], "a")
    uses.forget([2, 3])
    assert uses.times() == {1: 1}
    (file,) = (tmp_path / "mlruns").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
