"""The words of a report: sentences and tables from a catalogue, figures as people write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scoring.formats import filled, number, written
from scoring.language import catalogue, text
from scoring.reports.document import Table


class Words:
    """A catalogue, `card` for example, in one language."""

    def __init__(self, name: str, language: str = "en") -> None:
        self.language = language
        self._name = name

    def __call__(self, key: str, /, **values: object) -> str:
        """Return a sentence; a placeholder says how its figure is written ("{auc:.3f}")."""
        return filled(text(self.language, f"{self._name}.{key}"), self.language, values)

    def lines(self, key: str) -> tuple[str, ...]:
        """Return several sentences that belong together, a list in the catalogue."""
        return tuple(self._part(key))

    def table(self, key: str, rows: Iterable[Sequence[str]], **values: object) -> Table:
        """Make a table whose caption and header are in the catalogue."""
        caption = self(f"{key}.caption", **values)
        return Table(caption, self.lines(f"{key}.header"), tuple(map(tuple, rows)))

    def pairs(self, key: str, values: Mapping[str, str], *others: tuple[str, str]) -> Table:
        """Make a table of two columns; the catalogue has what each value is called."""
        rows = [(self(f"{key}.rows.{name}"), value) for name, value in values.items()]
        return self.table(key, [*rows, *others])

    def written(self, value: object, spec: str) -> str:
        """Write a figure as people do; see `scoring.formats.written`."""
        return written(value, spec, self.language)

    def cells(self, spec: str, /, *values: object) -> list[str]:
        """Write figures alike, for a row of a table."""
        return [self.written(value, spec) for value in values]

    def named(self, key: str, name: str) -> str:
        """Return what something is called, or its own name where the catalogue has no other."""
        names: Any = self._part(key)
        return str(names.get(name, name.replace("_", " ")))

    def ticks(self, value: float, _place: float) -> str:
        """Write the numbers along an axis of a plot."""
        return number(value, self.language, at_most=3)

    def interval(self, figure: Sequence[float], spec: str) -> str:
        """Write a value with its interval: 0.75 (0.72 to 0.78)."""
        value, low, high = (self.written(each, spec) for each in figure)
        return text(self.language, "reports.interval", value=value, low=low, high=high)

    def _part(self, key: str) -> Any:
        part: Any = catalogue(self.language, self._name)
        for name in key.split("."):
            part = part[name]
        return part
