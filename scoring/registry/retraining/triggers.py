"""When a new model is called for: by the age of the champion, or by alerts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scoring.monitoring.rules import OUTCOME_RULES, RULES, SERVICE_RULES
from scoring.registry.mlflow_registry import CHAMPION, Registry
from scoring.registry.promotions import Event
from scoring.store import Alert, AlertRecord, Store

# Alerts that newer outcomes can mend. Who applies does not call for a new model: anybody who may
# ask for decisions can change that.
CALLING = OUTCOME_RULES
# Alerts about who applies and about their data: while one is critical a person promotes.
HOLDING = RULES - OUTCOME_RULES - SERVICE_RULES


@dataclass(frozen=True)
class Triggers:
    """Conditions that call for a new model; without any it is called for at once.

    The champion may have reigned for `older_than`; open `alerts` about it may call for a new one.
    """

    older_than: timedelta | None = None
    alerts: bool = False


@dataclass(frozen=True)
class Call:
    """Whether a new model is called for, and why in a sentence."""

    due: bool
    why: str


def called(
    triggers: Triggers,
    reign: Event | None,
    champion_digest: str,
    alerts: Sequence[AlertRecord],
    now: datetime,
) -> Call:
    """Return whether a new model is called for, and why: any of the triggers is enough.

    `reign` is the promotion or rollback that made the champion one, if it is on record; `alerts`
    are the open ones, of all models.
    """
    if triggers == Triggers():
        return Call(True, "It was asked for.")
    reasons, calm = [], []
    if triggers.older_than is not None:
        age = None if reign is None else now - datetime.fromisoformat(reign.at)
        words = "of unknown age" if age is None else f"{age.days} days old"
        limit = f"{triggers.older_than.days} days"
        if age is None or age >= triggers.older_than:
            reasons.append(f"The champion is {words}, and {limit} is the limit.")
        else:
            calm.append(f"The champion is {words}, not yet {limit}.")
    if triggers.alerts:
        own = _about(champion_digest, alerts, CALLING)
        reasons += [f"Alert, {alert.severity}: {alert.message}" for alert in own]
        if not own:
            calm.append("No open alert about the champion calls for a new model.")
    return Call(bool(reasons), " ".join(reasons or calm))


def call_for(registry: Registry, store: Store, triggers: Triggers, now: datetime) -> Call:
    """Return whether the registry's champion calls for a new model.

    Raises
    ------
    RegistryError
        If there is no champion.
    """
    version = registry.version_of(CHAMPION)
    reigns = [event for event in registry.history() if event.version == version]
    digest = registry.digest(version)
    alerts = store.alerts.latest(open_only=True)
    return called(triggers, reigns[-1] if reigns else None, digest, alerts, now)


def holding(champion_digest: str, alerts: Sequence[AlertRecord]) -> list[str]:
    """Return the critical alerts, of those given, for which a person has to promote, in words."""
    own = _about(champion_digest, alerts, HOLDING)
    return [
        f"An alert is critical: {alert.message}" for alert in own if alert.severity == "critical"
    ]


def _about(digest: str, alerts: Sequence[AlertRecord], rules: Collection[str]) -> list[Alert]:
    return [
        record.alert
        for record in alerts
        if record.alert.rule in rules and record.alert.model_digest == digest
    ]
