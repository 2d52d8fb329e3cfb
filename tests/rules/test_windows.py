from datetime import timedelta

import pytest

from meterbot.core.models import EventKind, ExtraUsage
from meterbot.rules.settings import RuleSettings
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Watch,
    extra,
    kinds,
    only,
    posted,
    snapshot,
    window,
)

BLOCKED, UNBLOCKED = EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED
CHANGED, FULL, CROSSED = EventKind.METERING_CHANGED, EventKind.WINDOW_FULL, EventKind.THRESHOLD_CROSSED


def test_a_full_window_is_reported_once_until_it_resets() -> None:
    watch = Watch()
    resets = NOON + HOUR
    series = [("99", 0), ("100", 1), ("100", 2), ("99", 3), ("100", 4), ("104", 5)]
    seen = [
        snapshot(NOON + i * MINUTE, windows=(window(u, resets + i * timedelta(seconds=7)),))
        for u, i in series
    ]
    assert [len(watch.see(one)) for one in seen] == [0, 1, 0, 0, 0, 0]
    later = snapshot(NOON + 2 * HOUR, windows=(window("100", resets + 5 * HOUR),))
    first, events = watch.events[0], watch.see(later)
    assert posted(events) == [FULL]
    assert events[1].resolves == first.key


def test_a_full_window_without_a_reset_time_is_reported_again_after_it_had_room() -> None:
    watch = Watch()
    seen = [
        snapshot(NOON + i * MINUTE, windows=(window(u),))
        for i, u in enumerate(["100", None, "100", "5", "100"])
    ]
    alerts = [watch.see(one) for one in seen]
    assert [posted(events) for events in alerts] == [[FULL], [], [], [], [FULL]]
    assert [event.resolves for event in alerts[3]] == [alerts[0][0].key]


@pytest.mark.parametrize(
    ("metered", "expected"),
    [
        (extra("10"), "billed"),
        (extra("10", enabled=False), "refused"),
        (extra("50"), "refused"),
        (None, None),
    ],
)
def test_a_full_window_says_what_becomes_of_the_next_prompt(
    metered: ExtraUsage | None, expected: str | None
) -> None:
    event = only(Watch().see(snapshot(NOON, metered=metered, windows=(window("100"),))), FULL)
    assert event.facts["next"] == expected
    assert event.initial


RESET = EventKind.WINDOW_RESET


def test_a_reset_in_the_past_is_no_until() -> None:
    watch = Watch()
    due = NOON - 2 * HOUR
    event = only(watch.see(snapshot(NOON, windows=(window("100", due, "seven_day"),))), FULL)
    assert (event.facts["resets_at"], event.facts["reset_due"]) == (None, "2026-04-15T10:00:00Z")


def test_a_reset_moment_that_moves_is_not_a_second_time_full() -> None:
    watch = Watch()
    moments = [NOON + HOUR, NOON + 3 * HOUR, NOON + 9 * HOUR]
    alerts = [
        kinds(watch.see(snapshot(NOON + number * MINUTE, windows=(window("100", at),))))
        for number, at in enumerate(moments)
    ]
    assert alerts == [[FULL], [], []]
    late = snapshot(NOON + 10 * HOUR, windows=(window("100", NOON + 14 * HOUR),))
    assert posted(watch.see(late)) == [FULL]


def test_a_window_that_has_reset_is_reported_where_it_is_wanted_and_resolves_the_alert() -> None:
    seen = [
        snapshot(NOON, windows=(window("100", NOON + HOUR),)),
        snapshot(NOON + MINUTE, windows=(window("99", NOON + HOUR),)),
        snapshot(NOON + 2 * HOUR, windows=(window("0", NOON + 6 * HOUR),)),
        snapshot(NOON + 3 * HOUR, windows=(window("1", NOON + 6 * HOUR),)),
    ]
    quiet, wanted = Watch(), Watch(RuleSettings(kinds=frozenset(EventKind)))
    assert [posted(quiet.see(one)) for one in seen] == [[FULL], [], [], []]
    assert [posted(wanted.see(one)) for one in seen] == [[FULL], [], [RESET], []]
    for watch in (quiet, wanted):  # the post is closed although nobody wants to hear of the reset
        assert watch.events[1].resolves == watch.events[0].key
