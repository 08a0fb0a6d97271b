"""Which statistics of a table's rows are kept, as TOML files beside this module tell in SQL.

A file's `words` name expressions over the table's columns, each of which may use those before it
in braces; a list of names is a stratum with a part for each. Its other sections say what is
measured: a number's quantiles, a category's frequencies, a share, a median, or a loading.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import polars as pl

from scoring.data.synthetic.copula import loading
from scoring.data.synthetic.marginals import (
    ROWS_PER_QUANTILE,
    Json,
    joined,
    measure_categories,
    measure_numbers,
)
from scoring.data.tables import TABLES


class Content:
    """The expressions of the TOML file of a name."""

    def __init__(self, name: str) -> None:
        text = files(__package__).joinpath(f"{name}.toml").read_text("utf-8")
        self.sections: Json = tomllib.loads(text)
        self.words: Json = self.sections.get("words", {})
        self._sql: dict[str, str] = {}
        self._named: dict[str, pl.Expr] = {}
        for word, meaning in self.words.items():
            if isinstance(meaning, list):
                self._named[word] = joined(*map(self.named, meaning))
            else:
                self._sql[word] = f"({meaning.format_map(self._sql)})"
                self._named[word] = pl.sql_expr(self._sql[word])

    def named(self, name: str) -> pl.Expr:
        """What a word stands for, or the column of that name."""
        return self._named.get(name, pl.col(name))

    def expression(self, sql: str) -> pl.Expr:
        """A word, or SQL with words in braces."""
        return self._named[sql] if sql in self._named else pl.sql_expr(sql.format_map(self._sql))

    def key(self, rows: pl.DataFrame, name: str) -> pl.Series:
        """The values of a word or column."""
        return rows.select(self.named(name).alias("key"))["key"]

    def measured(self, section: str, rows: pl.DataFrame) -> Json:
        """The statistics of a section, as the profile stores them.

        Parameters
        ----------
        section : str
            Its entries say what is measured (`number`, `category`, `share`, `median` or
            `loading`), within which strata (`by`), of which rows (`where`), and, for categories,
            in which `order` and which are `known` though rare.
        rows : DataFrame
            Real rows.
        """
        return {name: self._measured(name, entry, rows)
                for name, entry in self.sections[section].items()}  # fmt: skip

    def _measured(self, name: str, entry: dict[str, Any], rows: pl.DataFrame) -> Json | float:
        if "where" in entry:
            rows = rows.filter(self.expression(entry["where"]))
        kind = next(kind for kind in _KINDS if kind in entry)
        values = rows.select(self.expression(entry[kind]).alias("value"))["value"]
        by = self.key(rows, entry["by"]) if "by" in entry else None
        match kind:
            case "number":
                return measure_numbers(values, by)
            case "category":
                known = entry.get("known", ())
                known = TABLES[known][name].categories if isinstance(known, str) else known
                return measure_categories(values, by, entry.get("order", ()), known)
            case "share" if by is not None:
                return _shares(values, by, entry.get("digits", 4))
            case "share":
                return round(float(values.mean()), 4)  # type: ignore[arg-type]
            case "median":
                return round(float(values.drop_nulls().drop_nans().median()), 5)  # type: ignore[arg-type]
            case _:
                return round(loading(values, rows["SK_ID_CURR"]), 3)


_KINDS = ("number", "category", "share", "median", "loading")


def _shares(values: pl.Series, by: pl.Series, digits: int) -> Json:
    """The share in each stratum of at least 20 rows."""
    strata = (
        pl.DataFrame({"value": values, "key": by}).group_by("key").agg(pl.len(), pl.mean("value"))
    )
    large = strata.filter(pl.col("len") >= ROWS_PER_QUANTILE).sort("key")
    return {key: round(share, digits) for key, _, share in large.iter_rows()}
