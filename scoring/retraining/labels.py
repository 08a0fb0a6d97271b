"""Whom new labels come from, and what keeps them from teaching a model while nobody looks on."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from scipy import stats

from scoring.batch import row_batches
from scoring.dataset import Dataset
from scoring.features.vectors import compute
from scoring.store import Labelled, Store

# An outcome is told by one caller and the decision was asked for by one: either may be false.
_DID = {"asked": "about applicants of", "reported": "reported by"}
# As monitoring's rules, a difference between callers has to be certain and large.
_SIGNIFICANCE, _LARGE = 0.001, 1.5

# SK_ID_CURR and TARGET, by the SHA-256 of an applicant's features.
Known = dict[bytes, tuple[int, bool]]


class Caller(NamedTuple):
    """A caller's part in the new labels.

    Attributes
    ----------
    id : str
        Of the key, or "loopback".
    did : str
        "asked" for the decisions, or "reported" the outcomes.
    labels, defaults : int
        How many, and how many of them are defaults.
    expected : float
        As many defaults as the PDs that were answered add up to.
    """

    id: str
    did: str
    labels: int
    defaults: int
    expected: float


def known_of(*datasets: Dataset) -> Known:
    """Whose rows some datasets hold, by their features."""
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
    """Leave out those with the very features of another applicant: one person counts once.

    Parameters
    ----------
    store : Store
        With the features that were decided on.
    decisions : sequence of Labelled
        In the order of time; of equal ones the first stays.
    numbers : mapping of str to int
        SK_ID_CURR by applicant.
    known : Known
        Applicants of whom something is known already.

    Returns
    -------
    kept, new : list of Labelled
        All that stay, and those of them that `known` does not have with this outcome.
    """
    details = (one for some in store.details([one.id for one in decisions]) for one in some)
    digests = {one.id: _digest(zlib.decompress(one.features)) for one in details}
    owners = {digest: number for digest, (number, _) in known.items()}
    kept = [
        one
        for one in decisions
        if owners.setdefault(digests[one.id], numbers[one.applicant]) == numbers[one.applicant]
    ]
    new = [
        one for one in kept if known.get(digests[one.id]) != (numbers[one.applicant], one.defaulted)
    ]
    return kept, new


def callers_of(new: Sequence[Labelled]) -> tuple[Caller, ...]:
    """Who asked for decisions and who reported outcomes, those with the most labels first."""
    found = []
    for did in _DID:
        own: dict[str, list[Labelled]] = {}
        for one in new:
            own.setdefault(getattr(one, did), []).append(one)
        found += [
            Caller(who, did, len(some), sum(one.defaulted for one in some),
                   sum(one.pd for one in some))
            for who, some in own.items()
        ]  # fmt: skip
    return tuple(sorted(found, key=lambda one: (one.did, -one.labels, one.id)))


def doubts(callers: Sequence[Caller], share: float) -> Iterator[str]:
    """Why a person should look at labels before a model that has learnt from them decides.

    Labels are not thinned out to the share: that would give whoever brings few as much weight
    as the lender.

    Parameters
    ----------
    callers : sequence of Caller
        As `callers_of` gives them.
    share : float
        Of the new labels, the most that one caller may have to do with.
    """
    for did, words in _DID.items():
        peers = [one for one in callers if one.did == did]
        labels = sum(one.labels for one in peers)
        for one in peers:
            if one.labels > share * labels:
                yield (
                    f"{one.labels:,} of {labels:,} new labels are {words} caller {one.id}, and "
                    f"one caller may have {share:.0%}."
                )
        strange = [(chance, one) for one in peers if (chance := _disagrees(one, peers)) is not None]
        if strange:
            one = min(strange)[1]
            yield (
                f"Of {one.labels:,} new labels {words} caller {one.id} {one.defaults:,} are "
                f"defaults where {one.expected:,.0f} were to be expected, other than of the rest."
            )


def _disagrees(one: Caller, peers: Sequence[Caller]) -> float | None:
    """How likely a caller's defaults are if they are as everybody else's, where that is unlikely.

    Exact test of two Poisson rates (Przyborowski and Wilenski, 1940).
    """
    defaults = sum(peer.defaults for peer in peers) - one.defaults
    expected = sum(peer.expected for peer in peers) - one.expected
    if min(one.expected, expected) <= 0.0 or not one.defaults + defaults:
        return None
    part = one.expected / (one.expected + expected)
    chance = float(stats.binomtest(one.defaults, one.defaults + defaults, part).pvalue)
    rates = sorted((one.defaults / one.expected, defaults / expected))
    return chance if chance < _SIGNIFICANCE and rates[1] >= _LARGE * rates[0] else None


def _digest(features: bytes) -> bytes:
    return hashlib.sha256(features).digest()
