"""Whether a challenger takes over: it is cheaper, the gates pass it, and nothing is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scoring.registry.gates import CARD, GateVerdict, judge, on_original
from scoring.registry.retraining.trial import Trial
from scoring.reports.card.fields import Card


@dataclass(frozen=True)
class Judgement:
    """What a trial has come to.

    `cheaper` says whether the challenger is so beyond chance, `doubts` why a person has to promote,
    and `why` gives the reason for all, in sentences.
    """

    cheaper: bool
    gates: GateVerdict
    doubts: tuple[str, ...]
    why: str

    @property
    def better(self) -> bool:
        """Whether the challenger takes over by itself."""
        return self.cheaper and self.gates.passed and not self.doubts


def judged(
    trial: Trial, doubts: Sequence[str], card: Card | None, registered: bool = True
) -> Judgement:
    """Hold a trial against the gates; `doubts` are those about the labels.

    `card` is the challenger's. One that is not `registered` has none, and none is asked for.
    """
    gates = judge(trial.challenger, trial.champion, trial.held_out, card, past=trial.past)
    asked = (gate for gate in gates.gates if registered or gate.name != CARD)
    gates = replace(gates, gates=(*asked, *on_original(trial.on_original)))
    unsure = (*doubts, *trial.moved)
    return Judgement(trial.cheaper, gates, unsure, _reason(trial, gates, unsure))


def _reason(trial: Trial, gates: GateVerdict, unsure: Sequence[str]) -> str:
    value, low, high = trial.cost
    weighed = f"{trial.window.basis()} " if trial.window.weights else ""
    sentence = (
        f"{weighed}On {trial.held_out.target.size:,} applicants the challenger's cost an applicant "
        f"differs by {value:+.4f} [{low:+.4f}, {high:+.4f}] from the champion's"
    )
    if not trial.cheaper:
        return f"{sentence}: not cheaper beyond chance."
    refused = gates.refused_by()
    if refused:
        return f"{sentence}, but gates refuse it: " + " ".join(gate.sentence for gate in refused)
    sentence += ": cheaper beyond chance"
    if unsure:
        return f"{sentence}, but a person has to promote it (promote --version): {' '.join(unsure)}"
    return f"{sentence}."
