import pytest

from meterbot.core.models import Event, EventKind, ExtraUsage, ReasonClass
from meterbot.rules.settings import RuleSettings
from tests.rules.builders import (
    MINUTE,
    NOON,
    Watch,
    extra,
    kinds,
    only,
    snapshot,
)

BLOCKED, UNBLOCKED = EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED
CHANGED, FULL, CROSSED = EventKind.METERING_CHANGED, EventKind.WINDOW_FULL, EventKind.THRESHOLD_CROSSED


def changes(event: Event) -> list[tuple[object, ...]]:
    found = event.facts["changes"]
    assert isinstance(found, list)
    return [(change["what"], change["from"], change["to"]) for change in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (extra(), extra(enabled=False, reason_class=ReasonClass.USER_OFF), ("metering", "on", "off")),
        (extra(), extra(enabled=False, reason_class=ReasonClass.ADMIN), ("metering", "on", "paused")),
        (extra(enabled=False), extra(), ("metering", "off", "on")),
        (extra(cap=None), extra(), ("cap", None, {"minor": "5000", "currency": "USD", "exponent": 2})),
    ],
    ids=["switched off", "paused by an admin", "switched on", "cap set"],
)
def test_a_changed_setting_is_reported_from_old_to_new(
    before: ExtraUsage, after: ExtraUsage, expected: tuple[object, ...]
) -> None:
    watch = Watch()
    watch.see(snapshot(NOON, metered=before))
    event = only(watch.see(snapshot(NOON + MINUTE, metered=after)), CHANGED)
    assert changes(event) == [expected]
    assert watch.see(snapshot(NOON + 2 * MINUTE, metered=after)) == []


def test_what_a_block_switches_off_is_reported_as_a_block_only() -> None:
    watch = Watch()
    watch.uses("10")
    assert kinds(watch.uses("10", enabled=False, out_of_credits=True)) == [BLOCKED]
    assert kinds(watch.uses("10", out_of_credits=False)) == [UNBLOCKED]


def test_off_without_a_reason_waits_for_the_reason() -> None:
    watch = Watch()
    watch.uses("10")
    assert watch.uses("10", enabled=False, why_known=False) == []
    assert kinds(watch.uses("10", enabled=False, out_of_credits=True)) == [BLOCKED]


def test_the_last_word_with_a_reason_counts_while_the_reason_cannot_be_read() -> None:
    watch = Watch()
    watch.uses("10")
    watch.uses("10", why_known=False)
    assert watch.uses("10", enabled=False, why_known=False) == []


def test_off_without_a_reason_is_reported_where_no_reason_is_ever_read() -> None:
    watch = Watch()
    watch.uses("10", why_known=False)
    assert kinds(watch.uses("10", enabled=False, why_known=False)) == [CHANGED]


def test_fields_that_were_not_read_change_nothing() -> None:
    watch = Watch()
    watch.uses("10")
    assert watch.uses("10", None, cap_known=False, enabled=None) == []
    assert watch.uses("10") == []


def test_a_raised_cap_ends_every_alert_about_the_old_one_and_only_the_newest_says_so() -> None:
    watch = Watch()
    watch.uses("10")
    lower, higher = (only(watch.uses(used), CROSSED) for used in ("41", "48"))
    changed, silent = watch.uses("48", "100")
    assert (changed.resolves, changed.muted_by) == (higher.key, None)
    assert (silent.resolves, silent.muted_by) == (lower.key, changed.key)
    assert [event.resolves for event in watch.uses("48", "200")] == [None]


def test_a_raised_cap_leaves_the_alerts_whose_level_is_still_reached_open() -> None:
    watch = Watch()
    watch.uses("10")
    lower, higher = (only(watch.uses(used), CROSSED) for used in ("41", "48"))
    assert [event.resolves for event in watch.uses("48", "55")] == [higher.key]
    assert [event.resolves for event in watch.uses("48", "100")] == [lower.key]


def test_a_raised_cap_ends_its_alerts_in_silence_if_changes_are_not_posted() -> None:
    watch = Watch(RuleSettings(kinds=RuleSettings().kinds - {CHANGED}))
    watch.uses("10")
    alerts = [only(watch.uses(used), CROSSED).key for used in ("41", "48")]
    ended = watch.uses("48", "100")
    assert {event.resolves for event in ended} == set(alerts)
    assert all(event.muted_by is not None for event in ended)
    assert watch.uses("48", "200") == []


def test_levels_that_are_not_posted_leave_no_alert_for_a_raised_cap_to_end() -> None:
    watch = Watch(RuleSettings(kinds=RuleSettings().kinds - {CROSSED})).at(NOON)
    for used in ("1", "26", "41"):
        watch.uses(used)
    assert watch.memory.cap_alerts == ()
    assert [event.resolves for event in watch.uses("41", cap="100")] == [None]
