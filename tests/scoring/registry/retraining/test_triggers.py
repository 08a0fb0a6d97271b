"""When a new model is called for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scoring.monitoring.rules import RULES, SERVICE_RULES
from scoring.registry.promotions import Event
from scoring.registry.retraining.triggers import CALLING, HOLDING, Triggers, called, holding
from scoring.store import Alert, AlertRecord

NOW = datetime(2026, 11, 23, tzinfo=UTC)
OLD = timedelta(days=90)


def reign(days: int) -> Event:
    at = (NOW - timedelta(days=days)).isoformat()
    return Event(1, "promote", "3", "2", "ana", "better", at)


def alert(rule: str = "auc", digest: str = "d" * 64) -> AlertRecord:
    found = Alert(
        rule, "critical", "3", digest, NOW, NOW, 0.1, 0.06, "AUC 0.10 below the promise.", "Mend."
    )
    return AlertRecord(1, found, NOW, NOW, 1)


def ask(triggers: Triggers, days: int = 10, *alerts: AlertRecord) -> Any:
    return called(triggers, reign(days), "d" * 64, alerts, NOW)


def test_without_triggers_it_is_asked_for() -> None:
    assert ask(Triggers()).due


@pytest.mark.parametrize(("days", "due"), [(89, False), (90, True), (400, True)])
def test_an_old_champion_calls_for_a_new_one(days: int, due: bool) -> None:
    call = ask(Triggers(older_than=OLD), days)
    assert (call.due, f"{days} days old" in call.why) == (due, True)


def test_a_champion_of_unknown_age_counts_as_old() -> None:
    call = called(Triggers(older_than=OLD), None, "d" * 64, [], NOW)
    assert call.due
    assert "unknown age" in call.why


@pytest.mark.parametrize("rule", sorted(RULES))
def test_alerts_that_new_outcomes_can_mend_call_for_a_new_model(rule: str) -> None:
    call = ask(Triggers(alerts=True), 10, alert(rule))
    assert call.due == (rule in CALLING)
    assert ("critical: AUC 0.10 below" in call.why) == call.due


def test_alerts_of_another_model_do_not() -> None:
    call = ask(Triggers(alerts=True), 10, alert(digest="e" * 64))
    assert not call.due
    assert call.why == "No open alert about the champion calls for a new model."


def test_alerts_are_not_looked_at_unless_asked_for() -> None:
    assert not ask(Triggers(older_than=OLD), 10, alert()).due


def test_either_trigger_is_enough_and_only_reasons_are_told() -> None:
    call = ask(Triggers(OLD, alerts=True), 10, alert())
    assert call.due
    assert "days old" not in call.why
    both = ask(Triggers(OLD, alerts=True), 100, alert())
    assert "100 days old" in both.why
    assert "AUC" in both.why
    neither = ask(Triggers(OLD, alerts=True), 10)
    assert not neither.due
    assert "10 days old, not yet 90 days" in neither.why


def test_only_outcomes_call_and_each_rule_has_one_part() -> None:
    """Who applies is in the hands of anybody who may ask for decisions."""
    assert {"auc", "cost", "calibration"} == CALLING
    assert CALLING | HOLDING | SERVICE_RULES == RULES
    assert not CALLING & HOLDING


@pytest.mark.parametrize("rule", sorted(RULES))
def test_while_drift_is_critical_a_person_promotes(rule: str) -> None:
    critical = alert(rule)
    warning = replace(critical, alert=replace(critical.alert, severity="warning"))
    assert bool(holding("d" * 64, [critical])) == (rule in HOLDING)
    assert holding("d" * 64, [warning, alert(rule, "e" * 64)]) == []
