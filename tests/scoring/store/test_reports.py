"""The newest report of a kind, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime

from scoring.store import Report, Store

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_newest_report_of_a_kind_is_kept(store: Store) -> None:
    assert store.reports.find("monitoring") is None
    other = Report("other", NOON, b"[]", b"")
    first = Report("monitoring", NOON, b"{}", "<p>déjà vu</p>".encode())
    second = Report("monitoring", NOON.replace(hour=13), b'{"a": 1}', b"<p></p>" * 50_000)
    for report in (other, first, second):
        store.reports.keep(report)
        assert store.reports.find(report.kind) == report
    assert store.reports.find("other") == other
