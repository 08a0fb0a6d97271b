"""The proof of exploration: many runs in which the truth is known, and the tables of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from scoring.evaluation.bootstrap import Interval
from scoring.evaluation.intervals import mean_interval
from scoring.store import Policy
from studies.processes import Progress, in_processes
from studies.simulation.arrivals import draw
from studies.simulation.coverage import WINDOWS, estimated
from studies.simulation.exploration import World, places
from studies.simulation.scenarios import SCENARIOS
from studies.simulation.worth import live, preferred

_SCENARIOS = ("sudden", "gradual", "recession")
# In it only the bandit is tried: where nothing changes, PDs are right.
_CALM = "none"
SHARES = (0.01, 0.02, 0.05)
_ROBUST = "doubly_robust"
_ESTIMATES = (_ROBUST, "self_normalised", "horvitz_thompson")
_ARMS = (
    ("stand-ins", 0.0),
    ("accepted alone", 0.0),
    *(("weighted", share) for share in SHARES),
    ("everybody", 0.0),
)
# Of the policy: a PD, and what a month may be expected to lose.
_BOUND, _BUDGET = 0.3, 20.0
_CHUNK = 50
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class ProofSettings:
    """How many runs of how many applicants a month; in the first of them models are made anew."""

    runs: int = 500
    retrained: int = 100
    applicants: int = 500
    seed: int = 0


def prove(
    world: World, settings: ProofSettings, processes: int, progress: Progress
) -> pl.DataFrame:
    """Run all scenarios so many times, at so many shares.

    Returns
    -------
    polars.DataFrame
        scenario, run, share, and what `estimated`, `live` (with the way) and `preferred` tell;
        of estimates the truth, the error and whether the interval has covered it.
    """
    starts = range(0, settings.runs, _CHUNK)
    wanted = [(name, start) for start in starts for name in (*_SCENARIOS, _CALM)]
    frames = []
    for frame in in_processes(partial(_runs, world, settings), wanted, processes):
        frames.append(frame)
        progress("exploration proved", len(frames), len(wanted))
    proof = pl.concat(frames, how="diagonal_relaxed")
    truth = pl.col("everybody").mean().over("scenario", "share", "window", "figure")
    return proof.with_columns(
        truth.alias("truth"),
        error=pl.col("value") - truth,
        covered=(pl.col("low") <= truth) & (truth <= pl.col("high")),
    )


def _runs(world: World, settings: ProofSettings, name: str, start: int) -> pl.DataFrame:
    """Run a scenario some times; in each run all that is compared has the same applicants."""
    rows = list[dict[str, Any]]()
    for run in range(start, min(start + _CHUNK, settings.runs)):
        seed = settings.seed * 1_000_000 + run
        arrivals = draw(world.pool, SCENARIOS[name], WINDOWS[0], settings.applicants, seed)
        place = places(arrivals, str(seed))
        for share in (0.0, *SHARES):
            known = {"scenario": name, "run": run, "share": share}
            policy = Policy(explore_share=share, explore_bound=_BOUND, explore_budget=_BUDGET)
            if share:
                rows.append(known | preferred(world, arrivals, place, policy, seed))
            if name == _CALM:
                continue
            rows += [known | own for own in estimated(world, arrivals, place, policy)]
            if run < settings.retrained:
                for way in (way for way, own in _ARMS if own == share):
                    rows.append(known | {"way": way} | live(world, arrivals, place, policy, way))
    return pl.DataFrame(rows, infer_schema_length=None)


def tables(proof: pl.DataFrame) -> Iterator[Table]:
    """Yield headers and rows of all tables, each narrow enough for 80 columns."""
    yield from (figures_table(proof, scenario) for scenario in _SCENARIOS)
    yield from (windows_table(proof), worth_table(proof), bandit_table(proof))


def figures_table(proof: pl.DataFrame, scenario: str) -> Table:
    """Bias of each figure over all months: of the accepted alone, with PDs for the refused, and of
    the doubly robust estimate with its coverage at each share.
    """
    own = proof.filter(scenario=scenario, window=WINDOWS[0])
    columns = [own.filter(share=0.0, estimate=name) for name in ("self_normalised", _ROBUST)]
    columns += [own.filter(share=share, estimate=_ROBUST) for share in SHARES]
    header = (scenario, "truth", "accepted", "by PDs", *(f"{share:.0%}" for share in SHARES))
    rows = []
    for figure in own["figure"].drop_nulls().unique(maintain_order=True):
        accepted, by_pds, *explored = (column.filter(figure=figure) for column in columns)
        cells = [f"{_mean(part, 'error'):+.3f}" for part in (accepted, by_pds)]
        cells += [
            f"{_mean(part, 'error'):+.3f} {100 * _mean(part, 'covered'):.1f}" for part in explored
        ]
        rows.append((str(figure), f"{_mean(accepted, 'truth'):.3f}", *cells))
    return header, rows


def windows_table(proof: pl.DataFrame) -> Table:
    """The lowest and highest coverage of each estimate, over scenarios and figures."""
    rows = []
    for window in WINDOWS:
        for share in SHARES:
            own = proof.filter(window=window, share=share)
            spans = [_span(own.filter(estimate=name)) for name in _ESTIMATES]
            rows.append((str(window), f"{share:.0%}", f"{_mean(own, 'explored'):.0f}", *spans))
    names = (name.replace("_", " ") for name in _ESTIMATES)
    return ("months", "share", "explored", *names), rows


def worth_table(proof: pl.DataFrame) -> Table:
    """What each way of learning costs and saves 1,000 applicants, against stand-ins."""
    rows = list[tuple[str, ...]]()
    for scenario in _SCENARIOS:
        for way, share in _ARMS[1:]:
            spent, back, in_all = savings(proof, scenario, way, share, "stand-ins")
            label = f"explored {share:.0%}" if share else way
            rows.append((scenario, label, f"{spent:.1f}", _spoken(back), _spoken(in_all)))
    return ("scenario", "learns from", "exploring", "given back", "in all"), rows


def savings(
    proof: pl.DataFrame, scenario: str, way: str, share: float, base: str
) -> tuple[float, Interval, Interval]:
    """Return what exploring costs 1,000 applicants, what learning gives back, and both together.

    Against a way of learning without exploration, with intervals over runs.
    """
    own = proof.filter(scenario=scenario, way=way, share=share).sort("run")
    other = proof.filter(scenario=scenario, way=base, share=0.0).sort("run")["cost"]
    saved = 1_000 * (other - own["cost"])
    spent = 1_000 * own["exploring"]
    return float(spent.to_numpy().mean()), mean_interval(saved + spent, 1), mean_interval(saved, 1)


def bandit_table(proof: pl.DataFrame) -> Table:
    """How often a bandit prefers the model that overstates risk, by either estimate.

    By outcomes: of the runs in which enough were explored to judge, whose share is in brackets.
    """
    rows = []
    for scenario in (_CALM, *_SCENARIOS):
        own = proof.filter(scenario=scenario).drop_nulls("by_pds")
        cells = [f"{_mean(own, 'dearer'):+.3f}", f"{_mean(own, 'by_pds'):.1%}"]
        for share in SHARES:
            judged = own.filter(share=share)["by_outcomes"].is_not_null().to_numpy().mean()
            wins = f"{_mean(own.filter(share=share), 'by_outcomes'):.1%}" if judged else "-"
            cells.append(f"{wins} ({judged:.0%})")
        rows.append((scenario, *cells))
    return ("bandit", "costs more", "by its PDs", *(f"{share:.0%}" for share in SHARES)), rows


def sentences(proof: pl.DataFrame) -> Iterator[str]:
    """Draw from the figures what the proof comes to."""
    own = proof.filter(pl.col("share") > 0, window=WINDOWS[0], estimate=_ROBUST)
    yield (
        f"Over {WINDOWS[0]} months the doubly robust intervals of 95% hold the truth in "
        f"{_span(own)} % of {own['run'].n_unique()} runs."
    )
    retrained = proof.drop_nulls("way")["run"].n_unique()
    yield f"Of 1,000 applicants, in refused good ones: what exploring costs, in {retrained} runs."
    for base in ("accepted alone", "stand-ins"):
        for scenario in _SCENARIOS:
            in_all = {
                share: savings(proof, scenario, "weighted", share, base)[2] for share in SHARES
            }
            paying = [f"{share:.0%}" for share, saved in in_all.items() if saved.low > 0]
            pays = f"pays at {', '.join(paying)}" if paying else "never pays by its retraining"
            yield f"{scenario}: against {base}, exploration {pays}."


def _mean(frame: pl.DataFrame, column: str) -> float:
    return float(frame[column].drop_nulls().to_numpy().mean())


def _span(estimates: pl.DataFrame) -> str:
    """The lowest and the highest coverage, in percent."""
    each = estimates.group_by("scenario", "share", "figure").agg(pl.col("covered").mean())
    covered = 100 * each["covered"].to_numpy()
    return f"{covered.min():.1f} to {covered.max():.1f}"


def _spoken(saved: Interval) -> str:
    return f"{saved.value:+.0f} ({saved.low:+.0f} to {saved.high:+.0f})"
