"""The chain from raw files to predictions, for one registered version of the model.

Each step says what it took from the one before it, by digests wherever something could be checked
again. What the registry does not know of a version, because it was registered by older code or by
hand, is told as "not recorded".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scoring.data.dataset import Manifest, table_rows
from scoring.data.versions import DataVersion, DataVersions
from scoring.registry import provenance
from scoring.registry.mlflow_registry import CHALLENGER, CHAMPION, MODEL_NAME, Registry
from scoring.registry.promotions import Event, Registered, RegistryError, iso
from scoring.registry.provenance import Provenance
from scoring.serving.scorer import ScorerError
from scoring.store import Store, StoreError

NOT_RECORDED = "not recorded"
# Of the figures on held-out applicants, those that a model is judged by.
_FIGURES = ("auc", "ks", "brier", "ece", "business_cost", "refused")
# Of a training that explored loans weigh more in than others.
_WEIGHTS = ("explored", "explored_stand_for", "largest_weight")


@dataclass(frozen=True)
class Step:
    """A link of the chain, "dataset" for example, with its facts: None is what was not recorded."""

    name: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Lineage:
    """The chain of steps that led to a registered version, and what it has led to."""

    model: str
    version: str
    steps: tuple[Step, ...]

    def values(self) -> dict[str, Any]:
        """Return the chain as plain JSON values."""
        steps = [{"step": step.name, **step.facts} for step in self.steps]
        return {"model": self.model, "version": self.version, "steps": steps}

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """Yield the chain as rows: step, what, value; a step's name stands in its first row."""
        for step in self.steps:
            name = step.name
            for what, value in step.facts.items():
                yield name, what.replace("_", " "), _in_words(value)
                name = ""


def lineage_of(registry: Registry, version: str, decisions: Store | None = None) -> Lineage:
    """Follow a registered version from its raw files to its predictions.

    Parameters
    ----------
    registry : Registry
    version : str
        A number, "champion" or "challenger".
    decisions : Store, optional
        Where decisions are recorded.

    Raises
    ------
    RegistryError
        If there is no such version.
    """
    number = registry.version_of(version) if version in (CHAMPION, CHALLENGER) else version
    digest = registry.tags(number).get("manifest_sha256")
    listed = {item.version: item for item in registry.versions()}
    own, made_by = listed[number], provenance.kept(registry, number)
    known: Mapping[str, Any] = {}
    features, files = None, "as registered"
    try:
        model = registry.load(number)
        known, features = model.lineage, len(model.features)
    except (RegistryError, ScorerError) as error:
        files = str(error)
    applicants, training = _training(known)
    steps = (
        *_data(registry, own),
        applicants,
        Step("features", {"set_version": own.feature_set_version or None, "number": features}),
        training,
        _code(made_by, known),
        Step("model", {"version": number, "manifest_sha256": digest, "files": files}),
        _registration(own, made_by, registry.history()),
        Step("parents", {"came_after": _parents(registry, made_by, listed)}),
        Step("predictions", _predictions(decisions, digest)),
    )
    return Lineage(MODEL_NAME, number, steps)


def _data(registry: Registry, own: Registered) -> Iterator[Step]:
    versions = {item.digest: item for item in DataVersions.beside(registry.folder).known()}
    manifest = provenance.kept_manifest(registry, own.version)
    datasets = list(_datasets(own.dataset, manifest, versions))
    yield Step("raw files", _raw(datasets[0][1]))
    for digest, manifest, kept in datasets:
        if kept is not None and kept.made_from is not None:
            yield Step("decisions added", asdict(kept.made_from))
        facts = {
            "digest": digest or None,
            "source": own.source or None,
            "rows": None if manifest is None else table_rows(manifest),
            "kept": "no" if kept is None else f"since {kept.kept_at}",
        }
        yield Step("dataset", facts)


def _datasets(
    digest: str, manifest: Manifest | None, versions: Mapping[str, DataVersion]
) -> Iterator[tuple[str, Manifest | None, DataVersion | None]]:
    """The datasets that one was made from, the first one first, and itself."""
    kept = versions.get(digest)
    if kept is not None and kept.made_from is not None:
        yield from _datasets(kept.made_from.parent, None, versions)
    yield digest, manifest or (kept.manifest if kept else None), kept


def _raw(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is not None and "made" in manifest:
        return {"drawn": manifest["made"]}
    return {"files": manifest.get("raw") if manifest else None}


def _training(known: Mapping[str, Any]) -> Iterator[Step]:
    """Whom the model learnt from, and how."""
    training = known.get("training", {})
    learnt = {
        "learnt_from": "applicants",
        "defaults": "defaults",
        "held_out": "holdout",
        "sha256": "applicants_sha256",
    }
    yield Step("applicants", {fact: training.get(key) for fact, key in learnt.items()})
    costs = {name: training.get(f"cost_{name}") for name in ("false_negative", "false_positive")}
    kept = known["features_kept"] or "all" if "features_kept" in known else None
    facts = {
        "family": known.get("candidate"),
        "parameters": known.get("parameters"),
        "resampling": known.get("resampling"),
        "features_kept": kept,
        **{name: training.get(name) for name in ("seed", "folds", "trials")},
        "costs": costs if None not in costs.values() else None,
        "protected_attributes": training.get("use_protected"),
        **{name: training[name] for name in _WEIGHTS if name in training},
    }
    yield Step("training", facts)


def _code(made_by: Provenance | None, known: Mapping[str, Any]) -> Step:
    facts = {
        "sha256": made_by and made_by.code_sha256,
        "commit": made_by and _commit(made_by),
        "python": made_by and made_by.python,
        "platform": made_by and made_by.platform,
        "packages": known.get("packages"),
        "environment": made_by
        and {"file": provenance.ENVIRONMENT_FILE, "distributions": len(made_by.packages)},
    }
    return Step("code", facts)


def _commit(made_by: Provenance) -> str:
    if made_by.commit is None:
        return "none: the code is in no repository"
    return f"{made_by.commit}, with changes" if made_by.dirty else made_by.commit


def _registration(own: Registered, made_by: Provenance | None, events: Sequence[Event]) -> Step:
    changes = [event for event in events if own.version in (event.version, event.previous)]
    facts = {
        "at": own.registered,
        "by": made_by and made_by.by,
        "aliases": list(own.aliases),
        "figures": {name: own.figures[name] for name in _FIGURES if name in own.figures} or None,
        "changes": [_change(event, own.version) for event in changes],
    }
    return Step("registered", facts)


def _change(event: Event, version: str) -> dict[str, Any]:
    """Describe a change of champion for a version that it put in or took away."""
    motive = {"by": event.by, "why": event.why}
    if event.version != version:
        return {"replaced": event.at, "with_version": event.version, **motive}
    if event.action == "rollback":
        return {"put_back": event.at, "for_version": event.previous, **motive}
    overridden = [name for name, (passed, *_) in event.gates.items() if not passed]
    gates: dict[str, Any] = {"gates_passed": len(event.gates) - len(overridden)}
    if overridden:
        gates["gates_overridden"] = overridden
    return {"promoted": event.at, **motive, **gates}


def _parents(
    registry: Registry, made_by: Provenance | None, listed: Mapping[str, Registered]
) -> list[dict[str, Any]] | None:
    """The champions that a version came after, each the one at the registration of the other."""
    if made_by is None:
        return None
    parents: list[dict[str, Any]] = []
    while made_by is not None and made_by.parent is not None:
        own = listed.get(number := made_by.parent)
        if own is None:
            return [*parents, {"version": number, "registered": "not in the registry any more"}]
        made_by = provenance.kept(registry, number)
        facts = {"version": number, "registered": own.registered, "dataset": own.dataset or None}
        parents.append({**facts, "code": made_by and made_by.code_sha256})
    return parents


def _predictions(decisions: Store | None, digest: str | None) -> dict[str, Any]:
    if decisions is None or not decisions.is_made:
        return {"store": "no store" + (f": {decisions.url} is not there" if decisions else "")}
    if digest is None:
        return {"store": decisions.url, "decided": None}
    try:
        usage = decisions.models.usage(digest)
    except StoreError as error:
        return {"store": f"no store: {error}"}
    facts: dict[str, Any] = {"store": decisions.url, "decided": usage.decided}
    if usage.first is not None and usage.last is not None:
        facts |= {
            "first": iso(usage.first),
            "last": iso(usage.last),
            "by_role": dict(usage.by_role),
            "with_outcome": usage.settled,
        }
    return {**facts, "scored_along": usage.scored_along}


def _in_words(value: Any) -> str:
    """A fact in words; those of a list stand below each other."""
    match value:
        case None:
            return NOT_RECORDED
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.6g}"
        case dict():
            return ", ".join(f"{key} {_in_words(own)}" for key, own in value.items())
        case list():
            return "\n".join(map(_in_words, value)) or "none"
    return str(value)
