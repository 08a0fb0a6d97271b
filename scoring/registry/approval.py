"""From a challenger to the champion and back: gates, record, model card, exported directory.

`judged` measures and changes nothing; `promote` and `rollback` change the registry (which keeps
the record), then refresh what is read outside of it: the directory that the API serves and the
model card under reports/.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from scoring.data.dataset import Dataset
from scoring.data.tables import Frames
from scoring.errors import ScoringError
from scoring.evaluation.fairness import attributes
from scoring.features import build_features
from scoring.files import clear_leftovers, staged_file
from scoring.modelling.examples import HOLDOUT_RULE, is_held_out
from scoring.modelling.pipeline import Run
from scoring.registry import provenance
from scoring.registry.gates import HeldOut, Incomparable, Margins, Scored, Verdict, judge
from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, RegistryError, Store
from scoring.registry.promotions import Event
from scoring.reports.card import OWNER, Approval, Card, card_of, check_complete, html, markdown
from scoring.serving.batch import row_batches
from scoring.serving.scorer import Floats, Scorer, ScorerError

logger = logging.getLogger(__name__)

CARD_FILE = "model_card"


def register(
    store: Store, run: Run, created: str, owner: str = OWNER, *, challenger: bool = True
) -> Scorer:
    """Register a training's model: figures, model card, where it comes from.

    Parameters
    ----------
    store : Store
        With a run of its own open (`Store.run`).
    run : Run
        What the training found.
    created : str
        The date for the card (ISO 8601).
    owner : str
        Who answers for the model.
    challenger : bool
        Whether it becomes the challenger.

    Returns
    -------
    Scorer
        The model with its version.

    Raises
    ------
    CardError
        If a field of the card is empty; nothing is registered then.
    """
    card = card_of(run, created, owner=owner)
    check_complete(card)
    store.log({f"holdout_{name}": figure.value for name, figure in run.figures.items()})
    made_by = provenance.provenance_of(store.champion(run.scorer.name))
    registered = store.register(run.scorer, made_by.tags, challenger=challenger)
    provenance.keep(store, registered.version, registered.name, made_by, run.data.manifest)
    identity = replace(card.identity, version=registered.version)
    keep_card(store, replace(card, identity=identity))
    return registered


def keep_card(store: Store, card: Card) -> None:
    """Keep a model card with its version in the registry."""
    texts = {".json": card.dump(), ".md": markdown(card), ".html": html(card)}
    named = {f"{CARD_FILE}{ending}": text for ending, text in texts.items()}
    store.attach(card.identity.version, named, card.identity.name)


def kept_card(store: Store, version: str) -> Card | None:
    """The model card of a version, None where it was registered without one.

    Raises
    ------
    CardError
        If what is kept is no model card.
    """
    text = store.attached(version, f"{CARD_FILE}.json")
    return None if text is None else Card.parse(text)


def write_card(card: Card, folder: Path) -> None:
    """Write model_card.md and model_card.html into a folder."""
    for ending, text in ((".md", markdown(card)), (".html", html(card))):
        with staged_file(folder / f"{CARD_FILE}{ending}") as staged:
            staged.write_text(text, encoding="utf-8")


def write_kept_card(store: Store, version: str | None, folder: Path) -> str:
    """Write a registered version's model card into a folder.

    Parameters
    ----------
    store : Store
        Where the models are.
    version : str, optional
        The champion's by default.
    folder : Path
        Where model_card.md and model_card.html are written.

    Returns
    -------
    str
        The version.

    Raises
    ------
    RegistryError
        If there is no such version, or it has no card.
    """
    chosen = store.version_of(CHAMPION) if version is None else version
    card = kept_card(store, chosen)
    if card is None:
        raise RegistryError(f"version {chosen} was registered without a model card")
    write_card(card, folder)
    return chosen


def judged(
    store: Store, dataset: Dataset, version: str | None = None, margins: Margins | None = None
) -> Verdict:
    """Hold a registered version against the gates.

    Parameters
    ----------
    store : Store
        Where the models are.
    dataset : Dataset
        Its held-out applicants are scored by challenger and champion.
    version : str, optional
        The challenger by default.
    margins : Margins, optional
        What is tolerated.

    Raises
    ------
    RegistryError
        If there is no such version, or it is the champion already.
    ScorerError
        If the challenger's files are not whole.
    """
    chosen = store.version_of(CHALLENGER) if version is None else version
    reigning = store.champion()
    if chosen == reigning:
        raise RegistryError(f"version {chosen} is the champion already")
    challenger = store.load(chosen)
    champion = _champion(store, reigning)
    scorers = [challenger, *([champion] if isinstance(champion, Scorer) else [])]
    held_out, pds = score_held_out(dataset, *scorers)
    against = Scored(champion, pds[1]) if isinstance(champion, Scorer) else champion
    card = kept_card(store, chosen)
    return judge(Scored(challenger, pds[0]), against, held_out, card, margins)


def promote(
    store: Store,
    verdict: Verdict,
    by: str,
    why: str,
    *,
    force: bool = False,
    export: Path | None = None,
    reports: Path | None = None,
) -> Event:
    """Make the judged version the champion, export it, and complete its model card.

    Parameters
    ----------
    store, verdict, by, why, force
        As for `Store.promote`, which also says what is raised.
    export : Path, optional
        The directory that the API serves; refreshed whole or not at all. That of a challenger,
        which is beside it, is removed if nobody is the challenger any more.
    reports : Path, optional
        The folder of model_card.md and model_card.html.
    """
    event = store.promote(verdict, by, why, force=force)
    sentences = tuple(f"{gate.name}: {gate.sentence}" for gate in verdict.gates)
    _publish(store, event, sentences, export, reports)
    return event


def rollback(
    store: Store, by: str, why: str, *, export: Path | None = None, reports: Path | None = None
) -> Event:
    """Make the previous champion the champion again, export it, and say so in its model card.

    Parameters are those of `promote`; `Store.rollback` says what is raised.
    """
    event = store.rollback(by, why)
    _publish(store, event, (), export, reports)
    return event


def settle(store: Store, export: Path | None = None) -> bool:
    """Finish what killed commands left half done, and log it: alias, record, exports, model card.

    Parameters
    ----------
    store : Store
        Where the models are.
    export : Path, optional
        As for `promote`; by default `champion` in the store's folder.

    Returns
    -------
    bool
        Whether the champion, or its directory, was another one. What cannot be mended is logged.
    """
    export = export or store.folder / CHAMPION
    event = store.finish()
    mended = event is not None
    if event is not None:
        logger.warning("the %s of version %s was half done: finished", event.action, event.version)
    for alias, folder in ((CHAMPION, export), (CHALLENGER, export.with_name(CHALLENGER))):
        clear_leftovers(folder)
        if store.is_exported(folder, alias):
            continue
        try:
            version = store.export(folder, alias).version
            logger.warning("%s was not version %s, the %s: exported again", folder, version, alias)
            mended = mended or alias == CHAMPION
        except (ScoringError, OSError) as error:
            logger.warning("%s is not the %s, and cannot be made it: %s", folder, alias, error)
    store.withdraw(export.with_name(CHALLENGER))
    events = [event for event in store.history() if event.version == store.champion()]
    card = kept_card(store, events[-1].version) if events else None
    if card is not None and card.approval.at != events[-1].at:
        keep_card(store, _approved(card, events[-1]))
    return mended


def score_held_out(dataset: Dataset, *scorers: Scorer) -> tuple[HeldOut, list[Floats]]:
    """Score the applicants that no model has learnt from.

    Parameters
    ----------
    dataset : Dataset
        Its training applicants are gone through; those held out are scored.
    *scorers : Scorer
        The models.

    Returns
    -------
    held_out : HeldOut
        Outcomes, sex and age of the applicants.
    pds : list of numpy.ndarray of shape (applicants,)
        Of each model.
    """
    parts = held_out_rows(dataset)
    scored = [pds_of(rows, *scorers) for rows in parts]
    held_out = held_out_of(pl.concat(rows["application"] for rows in parts))
    return held_out, [np.concatenate(pds) for pds in zip(*scored, strict=True)]


def held_out_rows(dataset: Dataset) -> list[dict[str, pl.DataFrame]]:
    """The tables of the applicants that no model has learnt from, some at a time."""
    parts = [part for rows in row_batches(dataset, "train") if (part := _of_held_out(rows))]
    if not parts:
        raise RegistryError("no applicant with an outcome is held out: the dataset is too small")
    return parts


def held_out_of(applications: pl.DataFrame) -> HeldOut:
    """Applications with an outcome that no model has learnt from, as the gates take them."""
    return HeldOut(
        applications["TARGET"].to_numpy().astype(np.int8),
        attributes(applications).select("sex", "age"),
        HOLDOUT_RULE,
    )


def pds_of(rows: Frames[pl.DataFrame], *scorers: Scorer) -> list[Floats]:
    """The PDs that some models give to the applicants of some tables.

    Parameters
    ----------
    rows : mapping of str to polars.DataFrame
        All seven tables.
    *scorers : Scorer
        The models.

    Returns
    -------
    list of numpy.ndarray of shape (applicants,)
        Of each model, in the order of the applications.
    """
    features = build_features(rows)
    return [scorer.predict(features) for scorer in scorers]


def _of_held_out(rows: Frames[pl.DataFrame]) -> dict[str, pl.DataFrame] | None:
    """The rows of the applicants that are held out and have an outcome, None without any."""
    known = rows["application"].drop_nulls("TARGET")
    application = known.filter(is_held_out(known["SK_ID_CURR"]))
    if application.is_empty():
        return None
    chosen = application.select("SK_ID_CURR")
    histories = {
        name: frame.join(chosen, on="SK_ID_CURR", how="semi", maintain_order="left")
        if "SK_ID_CURR" in frame.columns
        else frame
        for name, frame in rows.items()
        if name != "application"
    }
    return {"application": application, **histories}


def _approved(card: Card, event: Event, sentences: tuple[str, ...] = ()) -> Card:
    """The card with an event's approval; sentences are those of the gates, where they are known."""
    if event.action == "rollback":
        verdict = f"put back in the place of version {event.previous}"
        sentences = tuple(card.approval.gates)
    else:
        overridden = [name for name, (passed, *_) in event.gates.items() if not passed]
        verdict = f"forced past: {', '.join(overridden)}" if overridden else "every gate passed"
        sentences = sentences or tuple(
            f"{name}: {figure} against {bound}" for name, (_, figure, bound) in event.gates.items()
        )
    return replace(card, approval=Approval(event.by, event.why, event.at, verdict, sentences))


def _publish(
    store: Store,
    event: Event,
    sentences: tuple[str, ...],
    export: Path | None,
    reports: Path | None,
) -> None:
    if export is not None:
        store.export(export)
        # It may have been the challenger until this moment.
        store.withdraw(export.with_name(CHALLENGER))
    card = kept_card(store, event.version)
    if card is None:
        return
    approved = _approved(card, event, sentences)
    keep_card(store, approved)
    if reports is not None:
        write_card(approved, reports)


def _champion(store: Store, version: str | None) -> Scorer | Incomparable | None:
    """The champion, unless this code cannot score with it."""
    if version is None:
        return None
    try:
        return store.load(version)
    except (RegistryError, ScorerError) as error:
        return Incomparable(version, str(error))
