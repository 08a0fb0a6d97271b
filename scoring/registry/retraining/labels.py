"""Callers that new labels come from, and reasons to let a person look at them first."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from scipy import stats

from scoring.data.dataset import Dataset
from scoring.features.vectors import compute
from scoring.serving.batch import row_batches
from scoring.store import Labelled, Store

# One caller asks for a decision and one reports what came of it: either may be false.
_DID = {"asked": "about applicants of", "reported": "reported by"}
# As in monitoring's rules, a difference has to be certain and large.
_SIGNIFICANCE, _LARGE = 0.001, 1.5

# SK_ID_CURR and whether the applicant defaulted, by the SHA-256 of the features.
Known = dict[bytes, tuple[int, bool]]


class Caller(NamedTuple):
    """The new labels that a caller "asked" for or "reported", and the defaults among them.

    As many are `expected` as the PDs that were answered add up to.
    """

    id: str
    did: str
    labels: int
    defaults: int
    expected: float


def known_of(*datasets: Dataset) -> Known:
    """Return whose rows some datasets hold, by the digest of their features."""
    known: Known = {}
    for dataset in datasets:
        for rows in row_batches(dataset, "train"):
            who = rows["application"].select("SK_ID_CURR", "TARGET").iter_rows()
            for vector, (number, target) in zip(compute(rows), who, strict=True):
                known.setdefault(_digest(vector.tobytes()), (number, target == 1))
    return known


def once(
    store: Store, decisions: Sequence[Labelled], numbers: Mapping[str, int], known: Known
) -> tuple[list[Labelled], list[Labelled]]:
    """Leave out decisions on the very features of an earlier applicant.

    Also those of them that are new: `known` does not have them with this outcome.
    """
    details = (
        decision
        for some in store.windows.details([decision.id for decision in decisions])
        for decision in some
    )
    digests = {decision.id: _digest(zlib.decompress(decision.features)) for decision in details}
    owners = {digest: number for digest, (number, _) in known.items()}
    kept, new = [], []
    for decision in decisions:
        number, digest = numbers[decision.applicant], digests[decision.id]
        if owners.setdefault(digest, number) == number:
            kept.append(decision)
            if known.get(digest) != (number, decision.defaulted):
                new.append(decision)
    return kept, new


def callers_of(new: Sequence[Labelled]) -> list[Caller]:
    """Count who asked and who reported, those with the most labels first."""
    sums: dict[tuple[str, str], Caller] = {}
    for decision in new:
        for who in ((decision.asked, "asked"), (decision.reported, "reported")):
            _, _, labels, defaults, expected = sums.get(who, Caller(*who, 0, 0, 0.0))
            sums[who] = Caller(
                *who, labels + 1, defaults + decision.defaulted, expected + decision.pd
            )
    return sorted(sums.values(), key=lambda decision: (decision.did, -decision.labels, decision.id))


def doubts(callers: Sequence[Caller], share: float) -> Iterator[str]:
    """Yield why a person should look first: a caller's share of the labels, or other defaults.

    Labels are not thinned out to the share: whoever brings few would weigh as much as the lender.
    """
    for did, words in _DID.items():
        peers = [who for who in callers if who.did == did]
        labels = sum(who.labels for who in peers)
        for who in peers:
            if who.labels > share * labels:
                yield (
                    f"{who.labels:,} of {labels:,} new labels are {words} caller {who.id}, and "
                    f"one caller may have {share:.0%}."
                )
        strange = [(chance, who) for who in peers if (chance := _disagrees(who, peers)) is not None]
        if strange:
            who = min(strange)[1]
            yield (
                f"Of {who.labels:,} new labels {words} caller {who.id} {who.defaults:,} are "
                f"defaults where {who.expected:,.0f} were to be expected, other than of the rest."
            )


def _disagrees(caller: Caller, peers: Sequence[Caller]) -> float | None:
    """Return the p-value of a caller's defaults at the others' rate; None if it is no matter.

    Exact test of two Poisson rates (Przyborowski and Wilenski, 1940).
    """
    defaults = sum(peer.defaults for peer in peers) - caller.defaults
    expected = sum(peer.expected for peer in peers) - caller.expected
    if min(caller.expected, expected) <= 0.0 or not caller.defaults + defaults:
        return None
    part = caller.expected / (caller.expected + expected)
    chance = float(stats.binomtest(caller.defaults, caller.defaults + defaults, part).pvalue)
    rates = sorted((caller.defaults / caller.expected, defaults / expected))
    return chance if chance < _SIGNIFICANCE and rates[1] >= _LARGE * rates[0] else None


def _digest(features: bytes) -> bytes:
    return hashlib.sha256(features).digest()
