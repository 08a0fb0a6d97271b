"""Decisions as they are recorded: all that is needed to answer, explain and repeat them."""

from __future__ import annotations

import hashlib
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

from api.decisions.features import Featured
from api.decisions.requests import Applicant
from api.decisions.scoring import ModelScore
from api.models.routing import Route
from scoring.data.requests import body_of
from scoring.features.vectors import layout
from scoring.serving.caution import ReferReason
from scoring.serving.costs import Decision
from scoring.store import Prediction, ShadowScore, Store, new_id

# The quickest level: somebody waits.
_COMPRESSION = 1


def record_of(
    featured: Featured,
    route: Route,
    scores: Mapping[str, ModelScore],
    settled: tuple[Decision, tuple[ReferReason, ...]],
    terms: str,
    store: Store,
) -> Prediction:
    """Make the record of a decision from what models made of an applicant, by digest.

    `terms` are `Settings.terms`. The store says under which number and key
    the record will be.
    """
    applicant, caller = featured.request.applicant, featured.request.caller
    counter_offer = featured.request.counter_offer
    model, score = route.model, scores[route.model.digest]
    scorer, (decision, refer_reasons) = model.scorer, settled
    rows, rows_sha256 = _stored_rows(applicant, store)
    concealed, key = store.pseudonyms.concealed, caller.idempotency_key
    known_by = store.pseudonyms.applicant(applicant.id)
    low, high = scorer.refer_band
    origin = actor = None
    if counter_offer is not None:
        origin = counter_offer.origin.id
        actor = store.pseudonyms.text(counter_offer.actor, known_by)
    return Prediction(
        id=new_id(),
        at=datetime.now(UTC),
        applicant=known_by,
        source="id" if applicant.by_number else "rows",
        rows=rows,
        rows_sha256=rows_sha256,
        features=featured.packed,
        feature_set_version=layout().digest,
        model_name=scorer.name,
        model_version=scorer.version,
        model_digest=model.digest,
        role=model.role,
        why=route.why,
        pd=score.pd,
        cutoff=float(scorer.cutoff),
        refer_low=low,
        refer_high=high,
        model_decision=score.decision,
        decision=decision,
        reasons=score.reasons.decode(),
        caller=caller.id,
        request_id=caller.request_id,
        idempotency_key=None if key is None else concealed(key),
        request_sha256=concealed(caller.request_sha256),
        milliseconds=(time.perf_counter() - caller.arrived) * 1e3 / caller.together,
        misunderstood=applicant.misunderstood,
        known=score.known,
        history=applicant.history,
        refer_reasons=" ".join(refer_reasons) or None,
        counter_offer_to=origin,
        actor=actor,
        terms=terms,
        propensity=1.0,
        shadows=_shadows(route, scores),
    )


def _stored_rows(applicant: Applicant, store: Store) -> tuple[bytes | None, str]:
    """Compress the rows that are stored with a decision, and compute their SHA-256.

    Features suffice where the applicant is known by number.
    """
    if applicant.by_number:
        return None, ""
    body = body_of(store.pseudonyms.rows(applicant.rows, applicant.id))
    return zlib.compress(body, _COMPRESSION), hashlib.sha256(body).hexdigest()


def _shadows(route: Route, scores: Mapping[str, ModelScore]) -> tuple[ShadowScore, ...]:
    along = (scores[model.digest] for model in route.shadows if model.digest in scores)
    return tuple(
        ShadowScore(score.model.digest, score.model.scorer.version, score.pd, score.decision)
        for score in along
    )
