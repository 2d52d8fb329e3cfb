from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.text import (
    age,
    ahead,
    amounts_text,
    bar,
    day_text,
    listed,
    moment,
    one_line,
    parse_span,
    percent_text,
    sentence,
    span,
    stamp,
    stopped,
    window_label,
)
from tests.teams import NOW, money


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("five_hour", "5-hour"),
        ("seven_day", "7-day all"),
        ("seven_day_sonnet", "7-day Sonnet"),
        ("seven_day_opus", "7-day Opus"),
        ("seven_day_design", "7-day Design"),
        ("seven_day_oauth_apps", "7-day Oauth Apps"),
        ("nimbus_quill", "nimbus quill"),
        ("seven_day_", "seven_day_"),
        ("___", "___"),
    ],
)
def test_a_window_is_named_for_people(name: str, shown: str) -> None:
    assert window_label(name) == shown


def test_days_have_no_leading_zero() -> None:
    assert day_text(date(2026, 5, 1)) == "Fri May 1"


def test_a_moment_is_shown_in_the_configured_zone() -> None:
    at = datetime(2026, 4, 30, 23, 30, tzinfo=UTC)
    assert moment(at, ZoneInfo("Europe/Berlin")) == "Fri May 1 01:30"
    assert moment(at, ZoneInfo("America/New_York")) == "Thu Apr 30 19:30"


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (timedelta(seconds=59), "0m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=1), "1h"),
        (timedelta(hours=47, minutes=59), "47h"),
        (timedelta(hours=48), "2d"),
        (timedelta(days=9, hours=23), "9d"),
    ],
)
def test_a_span_counts_full_minutes_then_hours_then_days(length: timedelta, shown: str) -> None:
    assert span(length) == shown


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(days=-40), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=2), "2 min ago"),
        (timedelta(hours=3, minutes=50), "3 h ago"),
        (timedelta(days=5), "5 days ago"),
    ],
)
def test_an_age_is_said_in_words(ago: timedelta, shown: str) -> None:
    assert age(NOW - ago, NOW) == shown


def test_what_has_passed_is_not_ahead() -> None:
    assert ahead(NOW, NOW) == ""
    assert ahead(NOW + timedelta(minutes=1), NOW) == " (in 1m)"


def test_half_a_percent_is_rounded_up() -> None:
    assert [percent_text(Decimal(x)) for x in ("0.49", "0.5", "103.83")] == ["0%", "1%", "104%"]


def test_a_list_counts_whom_it_does_not_name() -> None:
    assert listed([]) == ""
    assert listed(["ana"]) == "ana"
    assert listed(["ana", "bo", "cy"]) == "ana, bo and cy"
    assert listed(["ana", "bo", "cy"], 1) == "ana and 2 more"


def test_amounts_of_two_currencies_stay_two_amounts() -> None:
    assert amounts_text([money("1021.4"), money("17.2", "EUR")]) == "$1,021.40 + €17.20"


def test_a_sentence_begins_and_ends_like_one() -> None:
    said = [sentence(text) for text in ("the field is text", "Told.", "cut…", "who?")]
    assert said == ["The field is text.", "Told.", "Cut…", "Who?"]
    assert [stopped(text) for text in ("ana is BLOCKED", "Told.", "Which seat?")] == [
        "ana is BLOCKED.",
        "Told.",
        "Which seat?",
    ]


def test_foreign_text_cannot_leave_its_line() -> None:
    assert one_line("a\nb\u2028c\x1b[31md\u202ee\t f") == "a b c [31md e f"
    assert one_line("x" * 300) == "x" * 199 + "…"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line_within_its_length(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1
    assert one_line(line, most) == line


@given(st.datetimes(timezones=st.timezones()))
def test_a_stamp_names_the_same_second(at: datetime) -> None:
    try:
        shown = stamp(at)
    except OverflowError:  # at the edge of the calendar there is no UTC instant
        return
    assert shown.endswith("Z")
    assert datetime.fromisoformat(shown) == at.astimezone(UTC).replace(microsecond=0)


def test_a_bar_is_full_from_a_hundred_percent_on_and_its_number_is_never_clamped() -> None:
    assert [bar(Decimal(x)) for x in ("0", "34", "37", "99.4", "100", "150")] == [
        "▱▱▱▱▱▱▱▱▱▱ 0%",
        "▰▰▰▱▱▱▱▱▱▱ 34%",
        "▰▰▰▰▱▱▱▱▱▱ 37%",
        "▰▰▰▰▰▰▰▰▰▱ 99%",
        "▰▰▰▰▰▰▰▰▰▰ 100%",
        "▰▰▰▰▰▰▰▰▰▰ 150%",
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30m", 30),
        ("90min", 90),
        ("2 hours", 120),
        ("1 day 12 hrs", 2160),
        ("2h ", 120),
        ("2h", 120),
        ("1h30m", 90),
        ("2d", 2880),
        ("1w", 10080),
        ("0m", None),
        ("2", None),
    ]
    + [(text, None) for text in ("", "h", "soon", "-2h", "2 hoursheds", "9999w", "1y")],
)
def test_a_span_of_time_is_read_as_people_type_it(text: str, minutes: int | None) -> None:
    assert parse_span(text) == (None if minutes is None else timedelta(minutes=minutes))
