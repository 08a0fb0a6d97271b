"""Alerts in the store: told once, again when there is something new, closed when all is quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scoring.store import Alert, AlertRecord, Reminders, Store
from tests.helpers.processes import run_at_once

MONDAY = datetime(2026, 5, 4, 6, tzinfo=UTC)
DAY = timedelta(days=1)
CHAMPION, CHALLENGER = "a" * 64, "b" * 64
JUDGED = {CHAMPION: {"feature_drift", "auc"}}


def alert(rule: str = "feature_drift", digest: str = CHAMPION, **changes: object) -> Alert:
    usual = Alert(
        rule=rule,
        severity="warning",
        model_version="3",
        model_digest=digest,
        since=MONDAY - 7 * DAY,
        until=MONDAY,
        figure=0.3,
        threshold=0.2,
        message="Des variables ont dérivé.",
        advice="See who applies.",
        subjects=("EXT_SOURCE_3",),
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def look(store: Store, day: float, *found: Alert) -> list[AlertRecord]:
    """What one look has to tell; it is told."""
    at = MONDAY + day * DAY
    news = store.alerts.update(found, JUDGED, at)
    store.alerts.mark_sent([one.number for one in news], at)
    return news


def test_an_alert_is_kept_as_it_was_found(store: Store) -> None:
    (told,) = look(store, 0, alert())
    (kept,) = store.alerts.latest()
    assert kept == replace(told, told_at=MONDAY)
    assert kept.alert == alert()
    assert (kept.first_at, kept.last_at, kept.times) == (MONDAY, MONDAY, 1)
    assert kept.closed_at is None


def test_what_lasts_is_told_once_and_reminded_of_after_a_week(store: Store) -> None:
    assert len(look(store, 0, alert())) == 1
    told = [len(look(store, day, alert(figure=0.3 + day / 100))) for day in range(1, 9)]
    assert told == [0, 0, 0, 0, 0, 0, 1, 0]
    (kept,) = store.alerts.latest(open_only=True)
    assert kept.times == 9
    assert kept.first_at == MONDAY
    assert kept.alert.figure == 0.38


def test_what_was_not_told_is_told_at_the_next_look(store: Store) -> None:
    assert len(store.alerts.update([alert()], JUDGED, MONDAY)) == 1
    assert len(look(store, 1, alert())) == 1
    assert look(store, 2, alert()) == []


def test_a_graver_alert_is_told_and_a_milder_one_is_not(store: Store) -> None:
    grave = alert(severity="critical")
    assert look(store, 0, alert())
    assert look(store, 1, grave)
    assert not look(store, 2, alert())
    assert not look(store, 3, grave)


def test_further_features_are_told_once(store: Store) -> None:
    assert look(store, 0, alert(subjects=("a", "b")))
    assert not look(store, 1, alert(subjects=("b",)))
    assert look(store, 2, alert(subjects=("b", "c")))
    assert not look(store, 3, alert(subjects=("c", "a")))


def test_what_is_not_found_any_more_is_closed(store: Store) -> None:
    look(store, 0, alert(), alert("auc"))
    look(store, 1, alert("auc"))
    closed = {one.alert.rule: one.closed_at for one in store.alerts.latest()}
    assert closed == {"feature_drift": MONDAY + DAY, "auc": None}
    assert [one.alert.rule for one in store.alerts.latest(open_only=True)] == ["auc"]


def test_a_rule_that_had_too_little_to_judge_closes_nothing(store: Store) -> None:
    look(store, 0, alert(), alert("auc"))
    store.alerts.update([], {CHAMPION: {"feature_drift"}}, MONDAY + DAY)
    assert [one.alert.rule for one in store.alerts.latest(open_only=True)] == ["auc"]


def test_alerts_of_a_model_that_does_not_answer_any_more_are_closed(store: Store) -> None:
    look(store, 0, alert())
    judged = {CHALLENGER: {"feature_drift"}}
    store.alerts.update([alert(digest=CHALLENGER)], judged, MONDAY + DAY)
    (kept,) = store.alerts.latest(open_only=True)
    assert kept.alert.model_digest == CHALLENGER


def test_a_look_that_met_no_model_closes_no_models_alerts(store: Store) -> None:
    look(store, 0, alert())
    silence = alert("silence", "")
    store.alerts.update([silence], {"": {"silence"}}, MONDAY + DAY)
    assert {one.alert.rule for one in store.alerts.latest(open_only=True)} == {
        "feature_drift",
        "silence",
    }
    store.alerts.update([alert()], {**JUDGED, "": {"silence"}}, MONDAY + 2 * DAY)
    assert [one.alert.rule for one in store.alerts.latest(open_only=True)] == ["feature_drift"]


def test_what_comes_back_at_once_goes_on_and_what_comes_back_later_is_new(store: Store) -> None:
    look(store, 0, alert())
    look(store, 1)
    assert not look(store, 3, alert())
    assert len(store.alerts.latest()) == 1
    look(store, 4)
    assert look(store, 8, alert())
    assert [one.times for one in store.alerts.latest()] == [1, 2]


def test_reminders_are_a_setting(store: Store) -> None:
    restless = Reminders(remind_after=timedelta(hours=1), reopen_within=timedelta(0))
    for hour in range(3):
        at = MONDAY + timedelta(hours=hour)
        (news,) = store.alerts.update([alert()], JUDGED, at, restless)
        store.alerts.mark_sent([news.number], at)


def test_the_latest_alerts_are_told_first(store: Store) -> None:
    look(store, 0, alert())
    look(store, 1, alert("auc"))
    assert [one.alert.rule for one in store.alerts.latest()] == ["auc", "feature_drift"]
    assert [one.alert.rule for one in store.alerts.latest(limit=1)] == ["auc"]


def settled(url: str) -> int:
    store = Store(url)
    news = store.alerts.update([alert()], JUDGED, MONDAY)
    store.close()
    return len(news)


def test_looks_at_the_same_time_make_one_alert(store: Store, database_url: str) -> None:
    run_at_once(settled, [(database_url,)] * 4)
    (kept,) = store.alerts.latest()
    assert kept.times == 4
