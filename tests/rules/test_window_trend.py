from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from meterbot.core.models import Window, WindowPoint
from meterbot.rules.window_trend import extended, full_at

START = datetime(2026, 4, 30, 9, tzinfo=UTC)
RESETS = START + timedelta(hours=5)
MINUTE = timedelta(minutes=1)


def window(used: str, name: str = "five_hour", resets: datetime | None = RESETS) -> Window:
    return Window(name, Decimal(used), resets)


def walked(*readings: tuple[int, str], name: str = "five_hour") -> dict[str, tuple[WindowPoint, ...]]:
    trail: dict[str, tuple[WindowPoint, ...]] = {}
    for minute, used in readings:
        trail = extended(trail, [window(used, name)], START + minute * MINUTE)
    return trail


def test_a_window_that_rises_evenly_is_full_when_the_line_says_so() -> None:
    trail = walked((0, "10"), (15, "20"), (30, "30"))
    assert full_at(window("40"), trail, START + 45 * MINUTE) == START + 135 * MINUTE


def test_under_three_points_nothing_is_said() -> None:
    assert full_at(window("20"), walked((0, "10")), START + 15 * MINUTE) is None


def test_a_window_that_does_not_change_or_is_full_or_resets_first_has_no_such_time() -> None:
    still = walked((0, "10"), (15, "10"), (30, "10"))
    assert full_at(window("10"), still, START + 45 * MINUTE) is None
    slow = walked((0, "10"), (15, "11"), (30, "12"))
    assert full_at(window("13"), slow, START + 45 * MINUTE) is None
    assert full_at(window("100"), walked((0, "80"), (15, "90"), (30, "95")), START + 45 * MINUTE) is None


def test_a_reset_begins_the_trail_again() -> None:
    trail = walked((0, "80"), (15, "90"), (30, "95"))
    again = extended(trail, [window("3", resets=RESETS + timedelta(hours=5))], START + 45 * MINUTE)
    assert [point.utilization for point in again["five_hour"]] == [Decimal(3)]


def test_few_points_are_kept_however_often_it_is_read() -> None:
    trail = walked(*[(minute, str(minute / 10)) for minute in range(200)])
    points = trail["five_hour"]
    assert len(points) == 4
    assert all(b.at - a.at >= 15 * MINUTE for a, b in pairwise(points))


def test_a_weekly_window_is_followed_for_longer() -> None:
    trail = walked(*[(minute, str(minute / 100)) for minute in range(0, 2000, 60)], name="seven_day")
    assert [point.at - START for point in trail["seven_day"]] == [
        timedelta(hours=hours) for hours in (8, 16, 24, 32)
    ]


def test_a_window_that_was_not_read_leaves_the_trail() -> None:
    assert extended(walked((0, "10")), [Window("five_hour", None, RESETS)], START + 15 * MINUTE) == {}
