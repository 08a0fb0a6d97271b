"""Recorded decisions computed again, and whatever differs from what was recorded.

Features are computed from the recorded rows, and everything else from the recorded features with
the very model that answered, which the store keeps.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import orjson

from scoring.data.requests import UNREADABLE, Rows, apart, frames_of, rows_of
from scoring.features.vectors import Layouts, VectorError, Vectors, compute, from_bytes, layout
from scoring.serving.caution import LEAST_KNOWN
from scoring.serving.exploration import explored
from scoring.serving.reasons import Reason, facts_of
from scoring.serving.scorer import Scorer, ScorerError
from scoring.store import (
    ERASED,
    Policy,
    Prediction,
    ShadowScore,
    Store,
    StoreError,
    StoreUnavailableError,
)

logger = logging.getLogger(__name__)

# A model by its digest, None if it is not kept, and a policy by its number.
Models = Callable[[str], Scorer | None]
Policies = Callable[[int], Policy | None]

# Decisions computed at once: features of many cost little more than of one, but rows take many
# times their compressed room once they are read.
_MOST_DECISIONS = 200
_MOST_BYTES = 2_000_000
# Decisions come in the order of time, so that few models are needed at once.
_MOST_MODELS = 4
_MOST_POLICIES = 64
# What is told of a difference is enough to look into it.
_MOST_TOLD = 20
_LONGEST_TEXT = 60
_BEFORE = 20


class Difference(NamedTuple):
    """A recorded value that came out otherwise.

    `what` is the recorded field; features and models that were scored along are named. The two
    values are cut to where they part.
    """

    prediction_id: str
    what: str
    stored: str
    recomputed: str


@dataclass(slots=True)
class Report:
    """Counts of decisions that were computed again, and what differs.

    `differing` decisions are not what was recorded; `incomplete` ones could not be computed in
    every part, and `missing` counts what they lacked; `erased` ones were emptied because their
    applicant was erased. `differences` are the first ones, `kinds` counts all by the first word of
    `Difference.what`.
    """

    decisions: int = 0
    differing: int = 0
    incomplete: int = 0
    erased: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def equal(self) -> int:
        """How many are the same to the last bit in every part."""
        return self.decisions - self.differing - self.incomplete - self.erased

    def add(self, decisions: Sequence[Prediction], findings: _Findings) -> None:
        """Count what was found on some decisions."""
        differing = {difference.prediction_id for difference in findings.differences}
        lacking = {number for number, _ in findings.missing}
        self.decisions += len(decisions)
        self.erased += sum(decision.applicant == ERASED for decision in decisions)
        self.differing += len(differing)
        self.incomplete += len(lacking - differing)
        self.missing.update(what for _, what in findings.missing)
        self.kinds.update(own.what.partition(" ")[0] for own in findings.differences)
        self.differences += findings.differences[: _MOST_TOLD - len(self.differences)]


@dataclass(slots=True)
class _Findings:
    """Differences on some decisions; `missing` holds ids and what could not be computed."""

    differences: list[Difference] = field(default_factory=list)
    missing: set[tuple[str, str]] = field(default_factory=set)

    def differs(self, decision: Prediction, what: str, stored: object, recomputed: object) -> None:
        values = _where_they_part(str(stored), str(recomputed))
        self.differences.append(Difference(decision.id, what, *values))

    def lacks(self, decision: Prediction, what: str) -> None:
        self.missing.add((decision.id, what))


@dataclass(frozen=True, slots=True)
class _Case:
    """A decision, its recorded features, those that it does not tell, and its recorded rows."""

    decision: Prediction
    vector: Vectors
    lacking: frozenset[str]
    rows: Rows | None


def kept_model(store: Store, digest: str) -> Scorer | None:
    """Load the model that answered; None if it is not kept, or cannot be used by this code."""
    with tempfile.TemporaryDirectory() as folder:
        folder_of_model = store.models.restore(digest, Path(folder) / "model")
        try:
            return None if folder_of_model is None else Scorer.load(folder_of_model)
        except ScorerError as error:
            logger.warning("the model %s is kept and cannot be used: %s", digest[:12], error)
            return None


def replay(
    store: Store,
    since: datetime | None = None,
    progress: Callable[[int], None] | None = None,
    least_known: float = LEAST_KNOWN,
) -> Report:
    """Compute decisions again, those recorded before now.

    Parameters
    ----------
    since : datetime, optional
        From when on; all by default.
    progress : callable, optional
        Called with the number of decisions that are done.
    least_known : float
        The service's setting: whom an officer would have to see, chance does not accept.

    Raises
    ------
    StoreUnavailableError
        If the store cannot be used.
    """
    report, layouts = Report(), Layouts(store.models.layout)
    models = lru_cache(_MOST_MODELS)(partial(kept_model, store))
    policies = lru_cache(_MOST_POLICIES)(store.models.policy_of)
    # A service that goes on recording would keep this from ever ending.
    for decisions in _together(store.decisions.search(since=since, until=datetime.now(UTC))):
        findings = _findings(decisions, models, layouts)
        for decision in decisions:
            _replay_exploration(decision, policies, least_known, findings)
        report.add(decisions, findings)
        if progress:
            progress(report.decisions)
    return report


def _together(decisions: Iterable[Prediction]) -> Iterator[list[Prediction]]:
    """Some decisions at a time, fewer where their rows are many."""
    batch: list[Prediction] = []
    size = 0
    for decision in decisions:
        batch.append(decision)
        size += len(decision.rows or b"")
        if len(batch) == _MOST_DECISIONS or size > _MOST_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _findings(decisions: Sequence[Prediction], models: Models, layouts: Layouts) -> _Findings:
    findings = _Findings()
    known = (
        _case(decision, place, layouts, findings)
        for place, decision in enumerate(decisions, start=1)
        if decision.applicant != ERASED
    )
    cases = [case for case in known if case is not None]
    _replay_features([case for case in cases if case.rows is not None], findings)
    by_model: dict[tuple[str, str], list[_Case]] = defaultdict(list)
    for case in cases:
        # The model that answered, and those that were scored along.
        scored: tuple[Prediction | ShadowScore, ...] = (case.decision, *case.decision.shadows)
        for model in dict.fromkeys((own.model_digest, own.model_version) for own in scored):
            by_model[model].append(case)
    for (digest, version), own_cases in by_model.items():
        name = f"version {version} ({digest[:12]})"
        _replay_model(digest, name, own_cases, models, findings)
    return findings


def _case(
    decision: Prediction, stand_in: int, layouts: Layouts, findings: _Findings
) -> _Case | None:
    """A decision that this code can compute; None for others."""
    try:
        made = layouts.of(decision.feature_set_version)
    except VectorError:
        findings.lacks(decision, f"code of version {decision.feature_set_version} of the features")
        return None
    try:
        vector = from_bytes(decision.features, made)
    except VectorError as error:
        findings.differs(decision, "features", "damaged", error)
        return None
    return _Case(decision, vector, made.lacking, _rows(decision, stand_in, findings))


def _rows(decision: Prediction, stand_in: int, findings: _Findings) -> Rows | None:
    """A decision's recorded rows; None if there are none that can be relied on."""
    if decision.rows is None:
        if decision.source == "rows":
            findings.differs(decision, "rows", "none", "those that came with the request")
        return None
    try:
        digest = hashlib.sha256(zlib.decompress(decision.rows)).hexdigest()
        rows = rows_of(decision.rows, stand_in)
        number = str(rows["application"][0]["SK_ID_CURR"])
    except UNREADABLE as error:
        findings.differs(decision, "rows", "damaged", error)
        return None
    if digest != decision.rows_sha256:
        findings.differs(decision, "rows_sha256", decision.rows_sha256, digest)
        return None
    # A pseudonym's rows say nothing of who it is.
    if decision.applicant.isdigit() and decision.applicant != number:
        findings.differs(decision, "applicant", decision.applicant, number)
    return rows


def _replay_features(cases: Sequence[_Case], findings: _Findings) -> None:
    """Compare features with those of the recorded rows."""
    same: dict[str, list[_Case]] = defaultdict(list)
    for case in cases:
        same[case.decision.rows_sha256].append(case)
    try:
        vectors = recomputed([cast("Rows", own[0].rows) for own in same.values()])
    except UNREADABLE as error:
        if len(same) > 1:
            for own in same.values():
                _replay_features(own, findings)
            return
        for case in cases:
            findings.differs(case.decision, "rows", "damaged", error)
        return
    for own, vector in zip(same.values(), vectors, strict=True):
        for case in own:
            _compare_features(case, vector, findings)


def recomputed(applicants: Sequence[Rows]) -> list[Vectors]:
    """Compute the features of some applicants' rows, in their order."""
    vectors: dict[int, Vectors] = {}
    for group in apart(applicants):
        packed = compute(frames_of(applicants[place] for place in group))
        vectors |= dict(zip(group, packed, strict=True))
    return [vectors[place] for place in range(len(applicants))]


def _compare_features(case: _Case, vector: Vectors, findings: _Findings) -> None:
    # Bits, not numbers: NaN is like NaN here, and 0 is not like -0.
    compared = np.array([name not in case.lacking for name in layout().names])
    different = np.flatnonzero(compared & (case.vector.view(np.uint32) != vector.view(np.uint32)))
    if different.size:
        first = different[0]
        others = f" ({different.size:,} differ)" if different.size > 1 else ""
        stored, recomputed = (f"{values[first]}{others}" for values in (case.vector, vector))
        findings.differs(case.decision, f"features {layout().names[first]}", stored, recomputed)


def _replay_model(
    digest: str, name: str, cases: Sequence[_Case], models: Models, findings: _Findings
) -> None:
    """Compare what a model made of some decisions with what was recorded of it."""
    try:
        scorer = models(digest)
    except StoreUnavailableError:
        raise
    except StoreError as error:
        for case in cases:
            findings.differs(case.decision, "model", name, error)
        return
    if scorer is None:
        for case in cases:
            findings.lacks(case.decision, f"model {name}")
        return
    for case in cases:
        if lacking := scorer.reads(case.lacking):
            findings.lacks(case.decision, f"the feature {lacking} as it was computed")
    cases = [case for case in cases if scorer.reads(case.lacking) is None]
    if not cases:
        return
    scored = scorer.score(np.stack([case.vector for case in cases]))
    reasons, known = scorer.reasons_of(scored), scorer.known(scored.values)
    for row, case in enumerate(cases):
        opinion = _opinion(scorer, float(scored.pds[row]), reasons[row])
        # Decisions of earlier versions do not say how much was known.
        if case.decision.known is not None:
            opinion["known"] = known[row]
        _compare_opinion(case.decision, digest, name, opinion, findings)


def _opinion(scorer: Scorer, pd: float, reasons: Sequence[Reason]) -> dict[str, object]:
    """Return a model's opinion of an applicant, by the names of a decision's fields."""
    low, high = scorer.refer_band
    return {
        "model_name": scorer.name,
        "model_version": scorer.version,
        "pd": pd,
        "cutoff": float(scorer.cutoff),
        "refer_low": low,
        "refer_high": high,
        "model_decision": scorer.decide([pd])[0],
        "reasons": [facts_of(reason) for reason in reasons],
    }


def _compare_opinion(
    decision: Prediction,
    digest: str,
    name: str,
    opinion: Mapping[str, object],
    findings: _Findings,
) -> None:
    if decision.model_digest == digest:
        for field_name, recomputed in opinion.items():
            is_reasons = field_name == "reasons"
            stored = _reasons(decision) if is_reasons else getattr(decision, field_name)
            if stored != recomputed:
                findings.differs(decision, field_name, stored, recomputed)
        # While everything is referred, or chance accepts, the model's word is not the answer.
        chance = decision.exploration == "drawn"
        if not chance and decision.decision not in ("refer", opinion["model_decision"]):
            findings.differs(decision, "decision", decision.decision, opinion["model_decision"])
    for shadow in decision.shadows:
        if shadow.model_digest == digest:
            stored = (shadow.model_version, shadow.pd, shadow.decision)
            recomputed = tuple(opinion[key] for key in ("model_version", "pd", "model_decision"))
            if stored != recomputed:
                findings.differs(decision, f"shadow {name}", stored, recomputed)


def _replay_exploration(
    decision: Prediction, policies: Policies, least_known: float, findings: _Findings
) -> None:
    """Compare whom chance could accept, and how likely that was, with what was recorded.

    What a month had spent by then is not added up again: it depends on who came first.
    """
    usual = decision.policy is None and decision.exploration is None
    # From before there was exploration no propensity is on record.
    if decision.applicant == ERASED or (usual and decision.propensity is None):
        return
    policy = None if decision.policy is None else policies(decision.policy)
    if policy is None and not usual:
        findings.lacks(decision, "the policy or the number by which it was drawn")
        return
    drawn = replace(decision, propensity=1.0, exploration=None)
    if policy is not None and decision.model_decision == "refuse" and not policy.refer_all:
        drawn = explored(replace(drawn, decision="refuse"), policy, least_known)
    if decision.exploration == "budget spent" and drawn.exploration is not None:
        drawn = replace(drawn, decision="refuse", propensity=1.0, exploration="budget spent")
    for name in ("decision", "propensity", "exploration"):
        stored, recomputed = getattr(decision, name), getattr(drawn, name)
        if stored != recomputed:
            findings.differs(decision, name, stored, recomputed)


def _reasons(decision: Prediction) -> object:
    """The recorded reasons without their sentences, whose words may be better ones by now."""
    try:
        reasons = orjson.loads(decision.reasons)
        return [{name: one[name] for name in one if name != "texts"} for one in reasons]
    except (ValueError, TypeError):
        return decision.reasons


def _where_they_part(stored: str, recomputed: str) -> tuple[str, str]:
    """Two texts, long ones cut to where they begin to differ."""
    if max(len(stored), len(recomputed)) <= _LONGEST_TEXT:
        return stored, recomputed
    pairs = enumerate(zip(stored, recomputed, strict=False))
    alike = min(len(stored), len(recomputed))
    parting = next((place for place, (own, other) in pairs if own != other), alike)
    start = max(parting - _BEFORE, 0)
    before, end = "..." if start else "", start + _LONGEST_TEXT
    return before + stored[start:end], before + recomputed[start:end]
