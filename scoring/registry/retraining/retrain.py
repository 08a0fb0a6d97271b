"""From recorded decisions with outcomes to a new champion, or to the reason why not."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from scoring.data.dataset import Dataset
from scoring.data.versions import Addition, DataVersionError, DataVersions
from scoring.errors import ScoringError
from scoring.evaluation.off_policy import ENOUGH_EXPLORED
from scoring.modelling import pipeline
from scoring.modelling.calibration import LEAST_DEFAULTS
from scoring.modelling.examples import is_held_out
from scoring.modelling.fit import candidate_of
from scoring.modelling.pipeline import TrainingSettings
from scoring.modelling.validation import Progress
from scoring.monitoring.everybody import cohort
from scoring.registry import approval
from scoring.registry.holdout import held_out_rows, unseen
from scoring.registry.holdout_uses import HoldoutUses
from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, MODEL_NAME, Registry
from scoring.registry.promotions import Event
from scoring.registry.retraining.history import (
    History,
    Keys,
    applicants_of,
    combined,
    history_of,
    new_keys,
    numbers_of,
)
from scoring.registry.retraining.labels import Caller, callers_of, doubts, known_of, once
from scoring.registry.retraining.trial import Trial, Window, compared
from scoring.registry.retraining.triggers import holding
from scoring.registry.retraining.verdict import Judgement, judged
from scoring.registry.tracking import begin, track
from scoring.serving.scorer import Scorer
from scoring.store import Labelled, Store

# No caller alone makes the majority of what is learnt.
CALLER_SHARE = 0.5


class NothingToLearnError(ScoringError):
    """There are too few outcomes to make a new model, or to tell whether it is better."""


@dataclass(frozen=True)
class Material:
    """Data and champion that a new model is made from.

    Attributes
    ----------
    champion : Scorer
        Whose configuration is taken over.
    dataset, original : str
        Digests of what is learnt from, and of the data to which decisions were added first of all.
    history : History
        The labelled decisions that are learnt from; `newest` are the SK_ID_CURR of those of them on
        whom the PDs are calibrated.
    window : Window
        The decisions after them, on which champion and challenger are compared.
    callers : list of Caller
        Whom the new labels come from; `left_out` tells why other labels are not used, and how many.
    doubts : tuple of str
        Why a person has to promote, in sentences.
    """

    champion: Scorer
    dataset: str
    addition: Addition
    history: History
    newest: tuple[int, ...]
    window: Window
    original: str
    callers: list[Caller]
    left_out: Counter[str]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class Attempt:
    """A new model, with the reason why it became the champion or stays the challenger."""

    material: Material
    trial: Trial
    judgement: Judgement
    promotion: Event | None


def gather(
    registry: Registry,
    store: Store,
    window: timedelta,
    now: datetime,
    original: Dataset | None = None,
    caller_share: float = CALLER_SHARE,
) -> Material:
    """Put the labelled decisions to the champion's data, but for the newest ones.

    Parameters
    ----------
    registry, store : Registry, Store
        What is learnt from is kept in the registry's folder.
    window : timedelta
        How long a time is kept for the comparison, before the last decision with an outcome.
    now : datetime
        Outcomes observed before it count.
    original : Dataset, optional
        What the champion learnt from, if it is not kept.
    caller_share : float
        Of the new labels, the most that one caller may have to do with if nobody looks on.

    Raises
    ------
    NothingToLearnError
        If there are too few outcomes, or none that is new.
    DataVersionError
        If the champion's data are neither kept nor given.
    """
    champion = registry.load(registry.version_of(CHAMPION))
    decisions, left_out = with_outcomes(store, now)
    since, last = decisions[-1].at - window, decisions[-1].at
    check_enough(
        [own for own in decisions if own.at < since], f"before the newest {window.days} days"
    )
    kept = DataVersions.beside(registry.folder)
    with _original(kept, champion, original) as parent:
        first = _first(kept, parent.digest)
        numbers = numbers_of(store, decisions, applicants_of(parent))
        with kept.opened(first) as beginning:
            known = known_of(parent, *([] if first == parent.digest else [beginning]))
        single, new = once(store, decisions, numbers, known)
        left_out["rows of another applicant"] = len(decisions) - len(single)
        history, newest = _divided(store, single, numbers, parent, since, window)
        addition, digest = _added(kept, parent, history)
    _check_new(registry, digest)
    champion_digest = registry.digest(champion.version)
    held_by = holding(champion_digest, store.alerts.latest(open_only=True))
    used = {own.id for own in (*history.decisions, *newest.decisions)}
    callers = callers_of([own for own in new if own.id in used])
    return Material(
        champion, digest, addition, history, newest_of(history, window),
        window_of(store, newest, since, last, now), first, callers,
        left_out + history.left_out + newest.left_out,
        (*doubts(callers, caller_share), *held_by),
    )  # fmt: skip


def with_outcomes(store: Store, now: datetime) -> tuple[list[Labelled], Counter[str]]:
    """Return the decisions with an outcome, and how many outcomes are not learnt from."""
    decisions = store.windows.labelled(now)
    left_out = Counter({"outcomes of refused applicants": store.windows.labelled_refusals(now)})
    if not decisions:
        raise NothingToLearnError(
            "no decision has an outcome yet, those of "
            f"{left_out.total():,} refused applicants aside: POST /outcomes tells them"
        )
    return decisions, left_out


def _divided(
    store: Store,
    decisions: Sequence[Labelled],
    numbers: dict[str, int],
    parent: Dataset,
    since: datetime,
    window: timedelta,
) -> tuple[History, History]:
    """Read what is learnt from, and what is compared on: the newest, of others than learnt from."""
    before = [own for own in decisions if own.at < since]
    unseen = _unseen([own for own in decisions if own.at >= since], numbers, parent)
    check_enough(unseen, f"in the newest {window.days} days, of applicants not learnt from")
    history = history_of(store, before, numbers, new_keys(parent))
    newest = history_of(store, unseen, numbers, Keys())
    check_enough(history.decisions, "whose rows are known")
    check_enough(newest.decisions, "in the window whose rows are known")
    return history, newest


def attempt(
    registry: Registry,
    material: Material,
    by: str,
    why: str,
    now: datetime,
    *,
    seed: int = 0,
    export: Path,
    reports: Path,
    promote: bool = True,
    progress: Progress | None = None,
) -> Attempt:
    """Make a challenger, compare it with the champion, and promote it if it is better.

    Parameters
    ----------
    by, why : str
        Who asks for it, and for which motive.
    now : datetime
        The date for the model card.
    seed : int
        Of everything random.
    export, reports : Path
        The directory that the API serves, with the challenger's beside it; the card's folder.
    promote : bool
        Whether it may become the champion.
    progress : callable of (stage, done, total), optional
        Told as each stage goes on.
    """
    challenger = _challenger(registry, material, now, seed, progress)
    past = approval.past_champions(registry, challenger)
    with DataVersions.beside(registry.folder).opened(material.original) as original:
        first = unseen(held_out_rows(original))
    champion, window = material.champion, material.window
    newest = unseen([window.history.frames])
    trial = compared(challenger, champion, window, newest, first, seed, past)
    card = approval.kept_card(registry, challenger.version)
    uses, digest = HoldoutUses(registry.folder), registry.digest(challenger.version)
    # Those who stand in for the refused have no newer ones to give way to.
    before = uses.look(window.history.numbers, digest)
    uses.look(trial.held_out.applicants, digest)
    trial = replace(trial, held_out=replace(trial.held_out, uses=before))
    judgement, event = judged(trial, material.doubts, card), None
    if not judgement.doubts:
        registry.challenge(challenger.version)
        registry.export(export.with_name(CHALLENGER), CHALLENGER)
        if judgement.better and promote:
            motive = f"{why} {judgement.why}"
            event = approval.promote(
                registry, judgement.gates, by, motive, export=export, reports=reports
            )
    return Attempt(material, trial, judgement, event)


def _challenger(
    registry: Registry, material: Material, now: datetime, seed: int, progress: Progress | None
) -> Scorer:
    champion = material.champion
    protected = bool(champion.lineage["training"].get("use_protected"))
    settings = TrainingSettings(trials=0, seed=seed, costs=champion.costs, use_protected=protected)
    why = (
        f"The configuration of version {champion.version} was taken over, and "
        f"{len(material.history.decisions):,} decisions with their outcomes added to its data."
    )
    with DataVersions.beside(registry.folder).opened(material.dataset) as dataset:
        data = pipeline.load(dataset, protected, material.history.weights)
        candidate, newest = candidate_of(champion), material.newest
        with begin(data, settings):
            run = pipeline.retrain(data, candidate, newest, settings, MODEL_NAME, why, progress)
            return track(registry, run, now.date().isoformat(), challenger=False)


@contextmanager
def _original(kept: DataVersions, champion: Scorer, given: Dataset | None) -> Iterator[Dataset]:
    """Open the data that the champion learnt from."""
    digest = str(champion.lineage.get("training", {}).get("dataset", ""))
    if given is not None:
        if given.digest != digest:
            raise DataVersionError(
                f"version {champion.version} learnt from dataset {digest[:12]}, and "
                f"{given.folder} is {given.digest[:12]}: give the former"
            )
        kept.keep(given)
    if digest not in {version.digest for version in kept.known()}:
        raise DataVersionError(
            f"dataset {digest[:12]}, which version {champion.version} learnt from, is not kept: "
            "name its folder with --data"
        )
    with kept.opened(digest) as dataset:
        yield dataset


def _first(kept: DataVersions, digest: str) -> str:
    """The data to which labelled decisions were added first of all."""
    while (made_from := kept.find(digest).made_from) is not None:
        digest = made_from.parent
    return digest


def _unseen(
    decisions: Sequence[Labelled], numbers: dict[str, int], parent: Dataset
) -> list[Labelled]:
    """Return those about applicants of whom the champion has learnt nothing."""
    train = parent.frames("train")["application"].select("SK_ID_CURR").collect()["SK_ID_CURR"]
    learnt = set(train.filter(~is_held_out(train)))
    return [own for own in decisions if numbers[own.applicant] not in learnt]


def check_enough(decisions: Sequence[Labelled], which: str) -> None:
    """Raise NothingToLearnError unless enough of them defaulted, and enough did not."""
    defaults = sum(own.defaulted for own in decisions)
    if min(defaults, len(decisions) - defaults) < LEAST_DEFAULTS:
        raise NothingToLearnError(
            f"{len(decisions):,} decisions {which} have an outcome, {defaults} of them a default: "
            f"it takes at least {LEAST_DEFAULTS} of either kind"
        )


def _added(kept: DataVersions, parent: Dataset, history: History) -> tuple[Addition, str]:
    """Keep the champion's data with the labelled decisions, and return the new digest."""
    first, last = (history.decisions[place].at.isoformat() for place in (0, -1))
    addition = Addition(parent.digest, len(history.decisions), first, last)
    with tempfile.TemporaryDirectory() as folder:
        made = combined(parent, history, Path(folder) / "dataset")
        return addition, kept.keep(made, addition).digest


def _check_new(registry: Registry, digest: str) -> None:
    same = [item.version for item in registry.versions() if item.dataset == digest]
    if same:
        raise NothingToLearnError(
            f"version {same[0]} has learnt from all outcomes that there are to learn from"
        )


def newest_of(history: History, span: timedelta) -> tuple[int, ...]:
    """On whom the PDs are calibrated: the last ones, or all if these are too few."""
    since = history.decisions[-1].at - span
    recent = np.array([own.at >= since for own in history.decisions])
    defaulted = np.array([own.defaulted for own in history.decisions])
    if int(defaulted[recent].sum()) < LEAST_DEFAULTS:
        recent[:] = True
    return tuple(np.array(history.numbers)[recent].tolist())


def window_of(
    store: Store, newest: History, since: datetime, last: datetime, now: datetime
) -> Window:
    """Count all decisions of the time in which the newest ones with an outcome were taken.

    Where enough of them were explored, the chance that each had to be accepted gives weights.
    """
    until = last + timedelta(microseconds=1)
    lines = store.windows.headlines(since, until)
    known = [decision.id.encode() for decision in newest.decisions]
    refused = int(((lines.decisions == b"refuse") & ~np.isin(lines.ids, known)).sum())
    chances = store.windows.chances(since, until, now)
    own = np.isin(chances.loans, known)
    chosen = cohort(chances, own)
    weights = {}
    if chosen.logged is not None and chosen.explored >= ENOUGH_EXPLORED:
        weighed = zip(chances.loans[chosen.kept], chosen.logged.weights, strict=True)
        weights = {number.decode(): float(weight) for number, weight in weighed if weight}
    return Window(since, until, newest, lines.ids.size, refused, chosen.explored, weights)
