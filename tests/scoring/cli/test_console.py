"""What the command line says of itself: progress where nobody watches, and tables that fit."""

from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console
from typer.testing import CliRunner

from scoring.__main__ import app
from scoring.cli import console


def test_a_log_has_a_line_a_stage_and_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_MINUTE", 0.2)
    log = io.StringIO()
    with console.stages(Console(file=log)) as report:
        report("trees", 1, 5)
        report("trees", 2, 5)
        time.sleep(0.3)
        report("registering", 0, None)
    lines = [line.split(maxsplit=1)[1] for line in log.getvalue().splitlines()]
    assert list(dict.fromkeys(lines)) == [
        "trees                 1 of 5",
        "trees                 2 of 5",
        "registering",
    ]


def test_a_terminal_has_a_bar() -> None:
    screen = io.StringIO()
    with console.stages(Console(file=screen, force_terminal=True, width=80)) as report:
        report("trees", 1, 5)
    assert "trees" in screen.getvalue()
    assert "1/5" in screen.getvalue()


def test_a_stage_says_what_it_has_cost_when_it_is_over() -> None:
    log = io.StringIO()
    screen = Console(file=log)
    told = list[tuple[str, int, int | None]]()
    steps = [("features", 0, None), ("trees", 0, None), ("trees", 1, 5), ("fit", 0, None)]
    with console.costed(screen, lambda *step: told.append(step)) as report:
        for step in steps:
            report(*step)
        time.sleep(0.1)
        before = log.getvalue()
    assert told == steps
    costs = [
        re.fullmatch(r"(\S+) +(\d+\.\d) s of +(\d+\.\d) s, at most (\d+\.\d\d) GB", line)
        for line in log.getvalue().splitlines()
    ]
    assert [cost and cost[1] for cost in costs] == ["features", "trees", "fit"]
    assert "fit" not in before
    assert float(costs[2][2]) >= 0.1
    assert float(costs[2][3]) >= float(costs[2][2])
    assert all(0.01 < float(cost[4]) < 100 for cost in costs)


def test_a_table_fits_80_columns_and_nothing_of_it_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    digest, sentence = "0123456789abcdef" * 4, "All that was found is told here. " * 5
    console.show(("what", "digest", "in words"), [("data", digest, sentence)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    cells = [line.split() for line in lines]
    assert digest in "".join(word for row in cells for word in row if set(word) <= set(digest))
    assert " ".join(lines).split().count("found") == 5


def test_help_shows_every_command_in_the_panel_of_its_room() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout
    panels = {}
    for part in told.split("╭─ ")[1:]:
        name, _, rows = part.partition(" ")
        panels[name] = [row[2:].split(" ")[0] for row in rows.splitlines() if row.startswith("│ ")]
    assert list(panels) == ["Options", "Data", "Models", "Service", "Reports", "Store"]
    assert "train" in panels["Models"]
    assert "monitor" in panels["Reports"]
    assert "keys" in panels["Store"]
    assert max(map(len, told.splitlines())) <= 80
