from dataclasses import replace

from meterbot.core.models import Event, EventKind
from meterbot.rules.duplicate_alerts import mark_duplicates
from tests.delivery.alerts.events import event

CHANGED = event(EventKind.METERING_CHANGED)


def posted(*events: Event) -> list[EventKind]:
    return [each.kind for each in mark_duplicates(events) if each.muted_by is None]


def test_spend_that_starts_because_a_window_is_full_is_one_post() -> None:
    assert posted(event(EventKind.SPEND_STARTED), event(EventKind.WINDOW_FULL)) == [EventKind.SPEND_STARTED]
    assert posted(event(EventKind.WINDOW_FULL)) == [EventKind.WINDOW_FULL]


def test_a_changed_cap_is_reported_by_the_block_its_end_or_the_level_that_it_crossed() -> None:
    for kind in (EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED, EventKind.THRESHOLD_CROSSED):
        reporter, muted = mark_duplicates([event(kind), CHANGED])
        assert reporter.facts["changes"] == CHANGED.facts["changes"]
        assert muted.muted_by == reporter.key


def test_a_level_that_is_not_posted_itself_reports_nothing() -> None:
    silent = replace(event(EventKind.THRESHOLD_CROSSED), muted_by="seat_blocked:1")
    assert posted(silent, CHANGED) == [EventKind.METERING_CHANGED]
    assert posted(CHANGED) == [EventKind.METERING_CHANGED]
