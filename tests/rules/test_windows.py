from datetime import timedelta

import pytest

from meterbot.core.models import EventKind, ExtraUsage
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Watch,
    extra,
    kinds,
    only,
    snapshot,
    window,
)

BLOCKED, UNBLOCKED = EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED
CHANGED, FULL, CROSSED = EventKind.METERING_CHANGED, EventKind.WINDOW_FULL, EventKind.THRESHOLD_CROSSED


def test_a_full_window_is_told_once_until_it_resets() -> None:
    watch = Watch()
    resets = NOON + HOUR
    series = [("99", 0), ("100", 1), ("100", 2), ("99", 3), ("100", 4), ("104", 5)]
    seen = [
        snapshot(NOON + i * MINUTE, windows=(window(u, resets + i * timedelta(seconds=7)),))
        for u, i in series
    ]
    assert [len(watch.see(one)) for one in seen] == [0, 1, 0, 0, 0, 0]
    later = snapshot(NOON + 2 * HOUR, windows=(window("100", resets + 5 * HOUR),))
    assert kinds(watch.see(later)) == [FULL]


def test_a_full_window_without_a_reset_time_is_told_again_after_it_had_room() -> None:
    watch = Watch()
    seen = [
        snapshot(NOON + i * MINUTE, windows=(window(u),))
        for i, u in enumerate(["100", None, "100", "5", "100"])
    ]
    assert [len(watch.see(one)) for one in seen] == [1, 0, 0, 0, 1]


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
