"""From a challenger to the champion and back: gates, record, model card, exported directory.

`judged` measures, which is counted, and changes no model; `promote` and `rollback` change the
registry (which keeps the record), then refresh what is read outside of it: the directory that the
API serves and the model card under reports/.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import polars as pl

from scoring.data.dataset import Dataset, Manifest
from scoring.errors import ScoringError
from scoring.evaluation.business import baselines
from scoring.files import clear_leftovers
from scoring.modelling.pipeline import Run
from scoring.registry import provenance
from scoring.registry.gates import GateVerdict, Incomparable, Margins, Scored, judge
from scoring.registry.holdout import fresh, held_out_rows, unseen
from scoring.registry.holdout_uses import HoldoutUses
from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, Registry, RegistryError
from scoring.registry.promotions import Event
from scoring.reports.card.fields import Approval, Card, check_complete
from scoring.reports.card.making import OWNER, card_of
from scoring.reports.card.pages import html, markdown
from scoring.reports.overview import publish
from scoring.serving.scorer import Scorer, ScorerError

logger = logging.getLogger(__name__)

CARD_FILE = "model_card"
# The figures that a version's description tells.
_TOLD = {"auc": "AUC", "business_cost": "cost an applicant"}
# What a card says, before its sentence, of a gate that was forced.
_OVERRIDDEN = "Refused, and overridden. "


def register(
    registry: Registry, run: Run, created: str, owner: str = OWNER, *, challenger: bool = True
) -> Scorer:
    """Register a training's model with its figures, its model card and where it comes from.

    The registry has a run of its own open; `created` is the date for the card (ISO 8601), `owner`
    who answers for the model. Returns the model with its version.

    Raises
    ------
    CardError
        If a field of the card is empty; nothing is registered then.
    """
    card = card_of(run, created, owner=owner)
    check_complete(card)
    figures = {name: figure.value for name, figure in run.figures.items()}
    figures |= baselines(run.data.holdout.target, run.scorer.costs)
    registry.log({f"holdout_{name}": value for name, value in figures.items()})
    manifest, held_out = run.data.manifest, run.data.holdout.frame
    return register_with_card(registry, run.scorer, card, manifest, held_out, challenger=challenger)


def register_with_card(
    registry: Registry,
    scorer: Scorer,
    card: Card,
    manifest: Manifest,
    held_out: pl.DataFrame,
    *,
    challenger: bool = True,
) -> Scorer:
    """Register a model under the open run, with its card, its data's manifest and its provenance.

    Its figures are of applicants `held_out` (SK_ID_CURR), which is counted as a look at them.
    Returns the model with its version, which the card is given too.
    """
    made_by = provenance.provenance_of(registry.champion(scorer.name))
    registered = registry.register(scorer, made_by.tags, _description(card), challenger=challenger)
    provenance.keep(registry, registered.version, registered.name, made_by, manifest)
    identity = replace(card.identity, version=registered.version)
    digest = registry.digest(registered.version)
    looked_at = HoldoutUses(registry.folder).look(held_out["SK_ID_CURR"], digest)
    data = replace(card.data, looked_at=looked_at)
    keep_card(registry, replace(card, identity=identity, data=data))
    return registered


def _description(card: Card) -> str:
    """What MLflow's page says of a version."""
    held = {item.name: item for item in card.holdout}
    figures = ", ".join(
        f"{words} {held[name].value:.3f} ({held[name].low:.3f} to {held[name].high:.3f})"
        for name, words in _TOLD.items()
    )
    applicants = f"{card.data.held_out:,} held-out {card.data.source} applicants"
    return f"{card.method.family}; on {applicants}: {figures}"


def keep_card(registry: Registry, card: Card) -> None:
    """Keep a model card with its version in the registry."""
    registry.attach(card.identity.version, _views(card), card.identity.name)


def _views(card: Card) -> dict[str, str]:
    views = {"json": card.dump(), "md": markdown(card), "html": html(card)}
    return {f"{CARD_FILE}.{ending}": text for ending, text in views.items()}


def kept_card(registry: Registry, version: str) -> Card | None:
    """Return the model card of a version, None where it was registered without one.

    Raises
    ------
    CardError
        If what is kept is no model card.
    """
    text = registry.attached(version, f"{CARD_FILE}.json")
    return None if text is None else Card.parse(text)


def write_card(card: Card, folder: Path) -> None:
    """Write model_card.md, .html and .json into a folder of reports."""
    publish(folder, _views(card))


def write_kept_card(registry: Registry, version: str | None, folder: Path) -> str:
    """Write a registered version's model card into a folder; the champion's by default.

    Returns the version.

    Raises
    ------
    RegistryError
        If there is no such version, or it has no card.
    """
    chosen = registry.version_of(CHAMPION) if version is None else version
    card = kept_card(registry, chosen)
    if card is None:
        raise RegistryError(f"version {chosen} was registered without a model card")
    write_card(card, folder)
    return chosen


def judged(
    registry: Registry, dataset: Dataset, version: str | None = None, margins: Margins | None = None
) -> GateVerdict:
    """Hold a registered version, by default the challenger, against the gates.

    It and the champions, this one and those before it, score the held-out applicants of the
    dataset, of whom those are left out who were looked at too often; this look is counted.

    Raises
    ------
    RegistryError
        If there is no such version, or it is the champion already.
    ScorerError
        If the challenger's files are not whole.
    """
    chosen = registry.version_of(CHALLENGER) if version is None else version
    reigning = registry.champion()
    if chosen == reigning:
        raise RegistryError(f"version {chosen} is the champion already")
    challenger = registry.load(chosen)
    champion = _champion(registry, reigning, challenger)
    reigns = [champion] if isinstance(champion, Scorer) else []
    scorers = [challenger, *past_champions(registry, challenger), *reigns]
    held_out, features = unseen(held_out_rows(dataset))
    pds = [own.predict(features) for own in scorers]
    uses, digest = HoldoutUses(registry.folder), registry.digest(chosen)
    held_out, pds = fresh(held_out, pds, uses, digest, margins or Margins())
    scored = [*map(Scored, scorers, pds)]
    against = scored.pop() if isinstance(champion, Scorer) else champion
    card = kept_card(registry, chosen)
    return judge(scored[0], against, held_out, card, margins, past=scored[1:])


def past_champions(registry: Registry, challenger: Scorer) -> list[Scorer]:
    """Read earlier champions that can be scored with, of the same costs and hold-out."""
    versions = {event.version for event in registry.history()}
    versions -= {challenger.version, registry.champion()}
    models = [_champion(registry, own, challenger) for own in sorted(versions)]
    known, rule = [own for own in models if isinstance(own, Scorer)], _hold_out(challenger)
    return [own for own in known if (own.costs, _hold_out(own)) == (challenger.costs, rule)]


def _hold_out(scorer: Scorer) -> object:
    return scorer.lineage.get("training", {}).get("holdout")


def promote(
    registry: Registry,
    verdict: GateVerdict,
    by: str,
    why: str,
    *,
    force: bool = False,
    export: Path | None = None,
    reports: Path | None = None,
) -> Event:
    """Make the judged version the champion, export it, and complete its model card.

    `Registry.promote` says what is raised. `export` is the directory that the API serves, refreshed
    whole or not at all; that of a challenger, which is beside it, is removed if nobody is the
    challenger any more. `reports` is the folder of model_card.md and model_card.html.
    """
    event = registry.promote(verdict, by, why, force=force)
    sentences = tuple(
        f"{gate.name}: {'' if gate.passed else _OVERRIDDEN}{gate.sentence}"
        for gate in verdict.gates
    )
    _publish(registry, event, sentences, export, reports)
    return event


def rollback(
    registry: Registry,
    by: str,
    why: str,
    *,
    export: Path | None = None,
    reports: Path | None = None,
) -> Event:
    """Make the previous champion the champion again, export it, and say so in its model card.

    Parameters are those of `promote`; `Registry.rollback` says what is raised.
    """
    event = registry.rollback(by, why)
    _publish(registry, event, (), export, reports)
    return event


def settle(registry: Registry, export: Path | None = None) -> bool:
    """Finish what killed commands left half done, and log it: alias, record, exports, model card.

    `export` is as for `promote`, by default `champion` in the store's folder. Returns whether the
    champion, or its directory, was another one; what cannot be mended is logged.
    """
    export = export or registry.folder / CHAMPION
    event = registry.finish()
    mended = event is not None
    if event is not None:
        logger.warning("the %s of version %s was half done: finished", event.action, event.version)
    for alias, folder in ((CHAMPION, export), (CHALLENGER, export.with_name(CHALLENGER))):
        clear_leftovers(folder)
        if registry.is_exported(folder, alias):
            continue
        try:
            version = registry.export(folder, alias).version
            logger.warning("%s was not version %s, the %s: exported again", folder, version, alias)
            mended = mended or alias == CHAMPION
        except (ScoringError, OSError) as error:
            logger.warning("%s is not the %s, and cannot be made it: %s", folder, alias, error)
    registry.withdraw(export.with_name(CHALLENGER))
    events = [event for event in registry.history() if event.version == registry.champion()]
    card = kept_card(registry, events[-1].version) if events else None
    if card is not None and card.approval.at != events[-1].at:
        keep_card(registry, _approved(card, events[-1]))
    return mended


def _approved(card: Card, event: Event, sentences: tuple[str, ...] = ()) -> Card:
    """The card with an event's approval; sentences are those of the gates, where they are known."""
    if event.action == "rollback":
        verdict = f"put back in the place of version {event.previous}"
        sentences = tuple(card.approval.gates)
    else:
        overridden = [name for name, (passed, *_) in event.gates.items() if not passed]
        verdict = f"forced past: {', '.join(overridden)}" if overridden else "every gate passed"
        sentences = sentences or tuple(
            f"{name}: {'' if passed else _OVERRIDDEN}{figure} against {bound}"
            for name, (passed, figure, bound) in event.gates.items()
        )
    return replace(card, approval=Approval(event.by, event.why, event.at, verdict, sentences))


def _publish(
    registry: Registry,
    event: Event,
    sentences: tuple[str, ...],
    export: Path | None,
    reports: Path | None,
) -> None:
    if export is not None:
        registry.export(export)
        # It may have been the challenger until this moment.
        registry.withdraw(export.with_name(CHALLENGER))
    card = kept_card(registry, event.version)
    if card is None:
        return
    approved = _approved(card, event, sentences)
    keep_card(registry, approved)
    if reports is not None:
        write_card(approved, reports)


def _champion(
    registry: Registry, version: str | None, challenger: Scorer
) -> Scorer | Incomparable | None:
    """The champion, unless this code cannot score with it, or it is a demonstration.

    Sample applicants are drawn from statistics of real ones, so that a model of them may rank real
    applicants well who played a part in those; it may not keep back a model of real applicants.
    """
    if version is None:
        return None
    try:
        champion = registry.load(version)
    except (RegistryError, ScorerError) as error:
        return Incomparable(version, f"it cannot be read ({error})")
    if champion.demonstration and not challenger.demonstration:
        why = "it learnt from sample applicants, and gives way to a model of real ones"
        return Incomparable(version, why, gives_way=True)
    return champion
