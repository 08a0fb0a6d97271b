"""Where applicants are decided on: features, score, reasons, record, in batches of what waits.

Nothing leaves before it is recorded: an answer that a client has is in the store.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import cast

import numpy as np

from api.decisions.batcher import Batcher
from api.http.problems import ProblemError, unavailable
from api.models.manager import FAILURES, Lineup, Live, Route
from api.routes import metrics
from scoring.data.requests import UNREADABLE, Rows, apart, body_of, frames_of, rows_of
from scoring.features.vectors import VectorError, Vectors, compute, from_bytes, layout, to_bytes
from scoring.serving.caution import LEAST_KNOWN, settle
from scoring.serving.costs import Decision
from scoring.serving.reasons import REASONS, reasons_json
from scoring.serving.scorer import Scored
from scoring.store import (
    OnlineApplicant,
    Prediction,
    ShadowScore,
    Store,
    StoreUnavailableError,
    new_id,
)

logger = logging.getLogger(__name__)

# Polars costs tens of milliseconds for one applicant and about one more for each other.
_MOST_FEATURES = 16
_MOST_DECISIONS = 64
# The quickest level: somebody waits.
_COMPRESSION = 1


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and what makes a repeated request known.

    Attributes
    ----------
    id : str
        Of the API key, or "loopback".
    request_id : str
        Of the HTTP request.
    idempotency_key : str or None
        As the caller sent it.
    request_sha256 : str
        Of the request's body.
    arrived : float
        When, by `time.perf_counter`.
    """

    id: str
    request_id: str
    idempotency_key: str | None
    request_sha256: str
    arrived: float


@dataclass(frozen=True)
class Case:
    """One applicant to decide on: with rows, or known to the store by number.

    Attributes
    ----------
    number : int
        SK_ID_CURR.
    rows : mapping of str to list of dict, or None
        Checked rows by table; None where the store has them.
    caller : Caller
        Who asks.
    misunderstood : str or None
        JSON, what was not understood of the rows.
    history : str or None
        Whose credit history the rows have: "sent", "stored" or "none"; None where nothing was
        said of any, for the store to be asked.
    """

    number: int
    rows: Rows | None
    caller: Caller
    misunderstood: str | None = None
    history: str | None = "sent"

    @cached_property
    def json(self) -> bytes:
        """The rows as a request's body, the same for the same rows."""
        return body_of(cast("Rows", self.rows))


@dataclass(frozen=True, slots=True)
class _Known:
    """A case with its features, also as they are kept."""

    case: Case
    vector: Vectors
    packed: bytes
    misunderstood: str | None


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one model makes of one applicant."""

    live: Live
    scored: Scored
    row: int
    pd: float
    decision: Decision
    known: float | None


class Desk:
    """Decides on applicants with the models of a lineup, and records it in a store.

    Parameters
    ----------
    lineup : Lineup
        The models.
    store : Store
        Where decisions go, and where applicants known by number come from.
    least_known : float
        Below which known share of what a model leans on nobody is accepted without an officer.
    """

    def __init__(self, lineup: Lineup, store: Store, least_known: float = LEAST_KNOWN) -> None:
        self._lineup = lineup
        self._store = store
        self._least_known = least_known
        self._features = Batcher[Case, Vectors](_vectors, _MOST_FEATURES)
        self._decisions = Batcher[tuple[Case, Vectors | None], Prediction | ProblemError](
            self._decide, _MOST_DECISIONS
        )

    def decide(self, cases: Sequence[Case]) -> list[Prediction | ProblemError]:
        """Decide on applicants, and record the decisions.

        Returns
        -------
        list of Prediction or ProblemError
            In the order of the cases. Where a caller's idempotency key was used before, the
            prediction of that time.

        Raises
        ------
        ProblemError
            503 if there is no model, or no store to ask for a history.
        """
        # Without a model there is nothing to compute features for.
        self._lineup.champion()
        whole = self.with_histories(cases)
        able = [case for case in whole if isinstance(case, Case)]
        computed = iter(self._features([case for case in able if case.rows is not None]))
        decided = iter(
            self._decisions(
                [(case, None if case.rows is None else next(computed)) for case in able]
            )
        )
        return [case if isinstance(case, ProblemError) else next(decided) for case in whole]

    def with_histories(self, cases: Sequence[Case]) -> list[Case | ProblemError]:
        """Applications of which nothing is said of a history get the one that the store has."""
        asked = [case.number for case in cases if case.history is None]
        if not asked:
            return list(cases)
        try:
            found = self._store.applicants(asked, rows=True)
        except StoreUnavailableError as error:
            metrics.store_failed()
            logger.warning("the store cannot be used: %s", error)
            raise unavailable() from error
        return [
            _with_history(case, found.get(case.number)) if case.history is None else case
            for case in cases
        ]

    def _decide(self, cases: list[tuple[Case, Vectors | None]]) -> list[Prediction | ProblemError]:
        routes = [self._lineup.route(case.number) for case, _ in cases]
        try:
            known = self._known(cases)
            settled = [
                (one, route)
                for one, route in zip(known, routes, strict=True)
                if isinstance(one, _Known)
            ]
            decided = iter(self._recorded(settled))
            return [one if isinstance(one, ProblemError) else next(decided) for one in known]
        except StoreUnavailableError as error:
            metrics.store_failed()
            logger.warning("the store cannot be used: %s", error)
            return [unavailable() for _ in cases]

    def _known(self, cases: list[tuple[Case, Vectors | None]]) -> list[_Known | ProblemError]:
        asked = [case.number for case, vector in cases if vector is None]
        found = self._store.applicants(asked, rows=False) if asked else {}
        stale = [
            number for number, own in found.items() if own.feature_set_version != layout().digest
        ]
        if stale:
            found = found | self._store.applicants(stale, rows=True)
        return [
            _from_store(case, found.get(case.number))
            if vector is None
            else _Known(case, vector, to_bytes(vector), case.misunderstood)
            for case, vector in cases
        ]

    def _recorded(self, settled: list[tuple[_Known, Route]]) -> list[Prediction]:
        if not settled:
            return []
        judged = self._judged(settled)
        refer_all = self._lineup.policy.refer_all
        made = [
            self._prediction(one, route, opinions, refer_all=refer_all)
            for (one, route), opinions in zip(settled, judged, strict=True)
        ]
        recorded = self._store.record(made)
        new = [kept for kept, own in zip(recorded, made, strict=True) if kept is own]
        metrics.observe_predictions([(p.role, p.model_version, p.pd, p.decision) for p in new])
        return recorded

    def _judged(self, settled: list[tuple[_Known, Route]]) -> list[dict[str, _Judged]]:
        """For each applicant what each of its models says, by the model's digest."""
        places: dict[str, list[int]] = defaultdict(list)
        models: dict[str, Live] = {}
        for place, (_, route) in enumerate(settled):
            for live in (route.live, *route.shadows):
                models[live.digest] = live
                places[live.digest].append(place)
        answering = {route.live.digest for _, route in settled}
        judged: list[dict[str, _Judged]] = [{} for _ in settled]
        for digest, live in models.items():
            try:
                opinions = self._opinions(live, [settled[place][0] for place in places[digest]])
            except FAILURES as error:
                if digest in answering:
                    raise
                # A model that is only tried never keeps an answer back, whatever it breaks.
                metrics.shadow_failed()
                logger.warning("shadow model %s failed: %r", live.scorer.version, error)
                continue
            for place, opinion in zip(places[digest], opinions, strict=True):
                judged[place][digest] = opinion
        return judged

    def _opinions(self, live: Live, cases: list[_Known]) -> list[_Judged]:
        """What a model says of applicants, its decisions included.

        Raises
        ------
        ScorerError
            If a PD is no probability: nobody is accepted on it.
        """
        scored = live.scorer.score(np.stack([one.vector for one in cases]))
        decisions = live.scorer.decide(scored.pds)
        known = live.scorer.known(scored.values)
        return [
            _Judged(live, scored, row, float(scored.pds[row]), decision, known[row])
            for row, decision in enumerate(decisions)
        ]

    def _prediction(
        self, one: _Known, route: Route, opinions: Mapping[str, _Judged], *, refer_all: bool
    ) -> Prediction:
        own, scorer, caller = opinions[route.live.digest], route.live.scorer, one.case.caller
        rows, digest = self._kept_rows(one.case)
        concealed, key = self._store.pseudonyms.concealed, caller.idempotency_key
        low, high = scorer.refer_band
        decision, why_refer = settle(
            own.decision, own.known, understood=one.misunderstood is None,
            least_known=self._least_known, refer_all=refer_all,
        )  # fmt: skip
        return Prediction(
            id=new_id(),
            at=datetime.now(UTC),
            applicant=self._store.applicant_key(one.case.number),
            source="id" if one.case.rows is None else "rows",
            rows=rows,
            rows_sha256=digest,
            features=one.packed,
            feature_set_version=layout().digest,
            model_name=scorer.name,
            model_version=scorer.version,
            model_digest=route.live.digest,
            role=route.live.role,
            why=route.why,
            pd=own.pd,
            cutoff=float(scorer.cutoff),
            refer_low=low,
            refer_high=high,
            model_decision=own.decision,
            decision=decision,
            reasons=_reasons(own),
            caller=caller.id,
            request_id=caller.request_id,
            idempotency_key=None if key is None else concealed(key),
            request_sha256=concealed(caller.request_sha256),
            milliseconds=(time.perf_counter() - caller.arrived) * 1e3,
            misunderstood=one.misunderstood,
            known=own.known,
            history=one.case.history,
            refer_reasons=" ".join(why_refer) or None,
            shadows=tuple(
                _shadow(opinions[live.digest]) for live in route.shadows if live.digest in opinions
            ),
        )

    def _kept_rows(self, case: Case) -> tuple[bytes | None, str]:
        """The rows that are kept with a decision, compressed, and their SHA-256.

        Features suffice where the applicant is known by number.
        """
        if case.rows is None:
            return None, ""
        json = body_of(self._store.pseudonyms.rows(case.rows, case.number))
        return zlib.compress(json, _COMPRESSION), hashlib.sha256(json).hexdigest()


def _from_store(case: Case, found: OnlineApplicant | None) -> _Known | ProblemError:
    try:
        applicant = fresh(found, case.number)
        vector = from_bytes(applicant.features)
        return _Known(case, vector, applicant.features, applicant.misunderstood)
    except ProblemError as problem:
        return problem
    except VectorError as error:
        return _damaged(case, error)


def _damaged(case: Case, error: Exception) -> ProblemError:
    logger.error("what is stored of an applicant is damaged: %s", type(error).__name__)
    return ProblemError(
        409,
        f"What is stored of applicant {case.number} is damaged. Materialise it again, or send "
        "the rows.",
    )


def _with_history(case: Case, found: OnlineApplicant | None) -> Case | ProblemError:
    """An application with the history that the store has of the applicant, if it has one."""
    if found is None:
        return replace(case, history="none")
    try:
        stored = rows_of(found.rows, case.number)
        frames_of([stored])
    except UNREADABLE as error:
        return _damaged(case, error)
    application = cast("Rows", case.rows)["application"]
    rows = {**stored, "application": application}
    return replace(
        case,
        rows=rows,
        history=history_of(rows),
        misunderstood=_of_both(case.misunderstood, found.misunderstood),
    )


def history_of(rows: Rows, *, where: str = "stored") -> str:
    """Where the credit history comes from, if there is any."""
    return where if any(own for name, own in rows.items() if name != "application") else "none"


def _of_both(sent: str | None, stored: str | None) -> str | None:
    """What was not understood of an application, and of the history that is stored."""
    if stored is None:
        return sent
    of_history = [
        one for one in json.loads(stored) if not one["pointer"].startswith("/application/")
    ]
    told = json.loads(sent or "[]") + of_history
    return json.dumps(told) if told else None


def fresh(found: OnlineApplicant | None, number: int) -> OnlineApplicant:
    """The applicant with features in this code's layout, computed anew where they are in another.

    Raises
    ------
    ProblemError
        404 if the applicant is not known.
    VectorError
        If the stored rows cannot be read.
    """
    if found is None:
        raise ProblemError(
            404,
            f"No applicant {number} is known. Send the rows, or have them materialised: "
            "`python -m scoring materialize`.",
        )
    if found.feature_set_version == layout().digest:
        return found
    try:
        vector = compute(frames_of([rows_of(found.rows, number)]))[0]
    except UNREADABLE as error:
        raise VectorError(f"stored rows cannot be read: {error}") from error
    return replace(found, feature_set_version=layout().digest, features=to_bytes(vector))


def _vectors(cases: list[Case]) -> list[Vectors]:
    """The features of applicants with rows; the same rows are computed once."""
    if len(cases) == 1:
        return [compute(frames_of([cast("Rows", cases[0].rows)]))[0]]
    by_rows = {case.json: case for case in cases}
    different = [cast("Rows", case.rows) for case in by_rows.values()]
    made: dict[bytes, Vectors] = {}
    bodies = list(by_rows)
    for group in apart(different):
        packed = compute(frames_of(different[place] for place in group))
        made |= {bodies[place]: packed[row] for row, place in enumerate(group)}
    return [made[case.json] for case in cases]


def _reasons(judged: _Judged) -> str:
    """The reasons of one applicant as they are answered and kept."""
    own = Scored(
        judged.scored.values[judged.row : judged.row + 1],
        judged.scored.pds[judged.row : judged.row + 1],
        judged.scored.contributions[judged.row : judged.row + 1],
        judged.scored.base,
    )
    (reasons,) = judged.live.scorer.reasons_of(own, top=REASONS)
    return reasons_json(reasons).decode()


def _shadow(judged: _Judged) -> ShadowScore:
    return ShadowScore(
        model_digest=judged.live.digest,
        model_version=judged.live.scorer.version,
        pd=judged.pd,
        decision=judged.decision,
    )
