from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.text_forms import without_natives
from meterbot.commands.daily import OTHERS, DailySpend, days_of, first_hour
from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.words.history import history_answer
from meterbot.core.messages import ChartKind, Message
from meterbot.core.models import Counter, Subscription
from meterbot.core.operators import Rows
from meterbot.rules.hours import Hour
from tests.teams import (
    NOW,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def counter(name: str) -> Counter:
    return Counter(f"account-{name}", f"org-{name}")


def hour(
    at: datetime, spent: str, name: str = "ana", *, used: str | None = None, blocked: bool = False
) -> Hour:
    return Hour(at, counter(name), money(spent), money(used or spent), money("50"), blocked)


def view(*names: str, rows: Rows = "named", own: str = "", tz: str = "UTC", public: bool = False) -> View:
    names = names or ("ana",)
    shots = [
        snapshot(
            name,
            extra_usage=extra("5", "50"),
            subscription=Subscription("active", date(2026, 5, 31), billing_interval="monthly"),
        )
        for name in names
    ]
    report = team_report(
        map(reading, shots), {name: state(name) for name in names}, [seat(name) for name in names], NOW
    )
    return View(report, ZoneInfo(tz), rows, frozenset(own.split()), public)


def only(found: tuple[DailySpend, ...]) -> DailySpend:
    assert len(found) == 1
    return found[0]


def test_a_day_is_the_configured_zones() -> None:
    late = datetime(2026, 4, 29, 23, tzinfo=UTC)  # Thursday in Berlin, Wednesday in UTC
    assert only(days_of(view(), [hour(late, "4")], 7)).each[-2:] == (Decimal(4), Decimal(0))
    assert only(days_of(view(tz="Europe/Berlin"), [hour(late, "4")], 7)).each[-2:] == (Decimal(0), Decimal(4))
    assert first_hour(2, NOW, ZoneInfo("Europe/Berlin")) == datetime(2026, 4, 28, 22, tzinfo=UTC)


def test_the_month_so_far_falls_back_to_nothing() -> None:
    hours = [hour(datetime(2026, 3, 30, 9, tzinfo=UTC), "7", used="30"), hour(NOW - DAY, "2", used="2")]
    so_far = only(days_of(view(), hours, 90)).so_far
    assert so_far[-33:-28] == (None, Decimal(30), Decimal(30), Decimal(0), Decimal(0))
    assert so_far[-2:] == (Decimal(2), Decimal(2))


def test_blocks_and_renewals_are_marked() -> None:
    hours = [
        hour(NOW - 100 * DAY, "0"),
        hour(NOW - 30 * HOUR, "5"),
        hour(NOW - 20 * HOUR, "0", blocked=True),
        hour(NOW - 5 * HOUR, "0"),
    ]
    days = only(days_of(view(), hours, 90))
    assert days.blocked == {"ana": 15 * HOUR}
    assert [day for _, day in days.renewals] == [
        date(2026, 4, 30),
        date(2026, 3, 31),
        date(2026, 2, 28),
        date(2026, 1, 31),
    ]


def test_a_renewal_of_which_nothing_is_known_is_not_marked() -> None:
    days = only(days_of(view(), [hour(NOW - 40 * DAY, "5"), hour(NOW - DAY, "1")], 90))
    assert [day for _, day in days.renewals] == [date(2026, 4, 30), date(2026, 3, 31)]
    (section,) = history_answer(view(), (replace(days, known=days.days[0]),), 90, ()).sections
    assert (section.heading, section.lines) == ("Plan renewals", ("ana on Tue Mar 31 and Thu Apr 30",))


def test_of_many_renewals_the_first_are_listed_and_the_other_seats_counted() -> None:
    """120 seats on 30 days."""
    renewals = tuple((f"developer-{number:03}", date(2026, 4, 1 + number % 30)) for number in range(120))
    days = replace(only(days_of(view(), [hour(NOW - DAY, "1")], 30)), renewals=renewals)
    lines = history_answer(view(), (days,), 30, ()).sections[-1].lines
    first = "developer-000, developer-030, developer-060 and developer-090 on Wed Apr 1"
    assert (lines[0], lines[-1], len(lines)) == (first, "and 88 more seats", 9)


def test_a_seat_that_was_read_only_before_these_days_has_none() -> None:
    assert days_of(view(), [hour(NOW - 9 * DAY, "5")], 7) == ()
    both = [hour(NOW - 9 * DAY, "5"), hour(NOW - DAY, "1", name="bo")]
    assert [one.label for one in only(days_of(view("ana", "bo"), both, 7)).series] == ["bo"]


def test_two_currencies_are_two_answers() -> None:
    euros = replace(hour(NOW - HOUR, "3", "bo"), spent=money("3", "EUR"), used=money("3", "EUR"))
    found = days_of(view("ana", "bo"), [hour(NOW - HOUR, "4"), euros], 7)
    assert [str(one.total) for one in found] == [str(money("3", "EUR")), str(money("4"))]
    message = history_answer(view("ana", "bo"), found, 7, ())
    assert message.title == "The team's extra usage since Thu Apr 30: €3.00 + $4.00"
    assert [table.caption for table in message.tables] == ["Spent per day, EUR", "Spent per day, USD"]
    assert {chart.unit for chart in message.charts} == {"EUR"}


def test_days_that_are_all_known_are_named_by_their_number() -> None:
    found = days_of(view("ana"), [hour(NOW - back * 24 * HOUR, "1") for back in range(9)], 7)
    message = history_answer(view("ana"), found, 7, ())
    assert message.title == "The team's extra usage, the last 7 days: $7.00"
    assert message.text.startswith("$7.00 spent: ")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200), st.integers(0, 999)), max_size=30))
def test_the_seats_and_the_days_add_up_to_the_total(spent: list[tuple[str, int, int]]) -> None:
    hours = [hour(NOW - back * HOUR, f"{cents / 100:.2f}", name) for name, back, cents in spent]
    for rows in ("named", "anonymous", "self"):
        found = days_of(view("a", "b", "c", rows=rows, own="a"), hours, 7)
        for days in found:
            inside = sum(one.spent.major for one in hours if one.at >= first_hour(7, NOW, UTC))
            if days.left_out:
                continue
            assert days.total.major == inside == sum(days.each)
            assert sum(one.total for one in days.series) == inside


def test_the_days_of_a_single_other_seat_are_left_out_and_said_to_be() -> None:
    hours = [hour(NOW - 30 * HOUR, "1"), hour(NOW - 30 * HOUR, "37.91", "bo")]
    who = view("ana", "bo", rows="self", own="ana")
    days = only(days_of(who, hours, 7))
    assert ([one.label for one in days.series], days.total, days.left_out) == (["ana"], money("1"), True)
    text = body(history_answer(who, (days,), 7, ()))
    assert "One other seat is left out" in text
    assert "37.91" not in text
    alone = view("ana", "bo", rows="self", own="ana", public=True)
    assert [one.total for one in days_of(alone, hours, 7)] == [money("38.91")]


def test_more_seats_than_a_chart_bears_are_one_sum() -> None:
    names = [f"s{number:02}" for number in range(30)]
    hours = [hour(NOW - HOUR, str(number + 1), name) for number, name in enumerate(names)]
    days = only(days_of(view(*names), hours, 7))
    assert len(days.series) == 6
    assert days.series[0].label == "s29"
    assert (days.series[-1].label, days.series[-1].total) == (OTHERS, Decimal(325))


# --- who sees what


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_others_are_one_sum_without_blocks_or_renewals(rows: Rows) -> None:
    hours = [hour(NOW - 30 * HOUR, "5", name, blocked=True) for name in ("ana", "bo", "cleo")]
    days = only(days_of(view("ana", "bo", "cleo", rows=rows, own="ana"), hours, 7))
    assert [one.label for one in days.series] == ["ana", OTHERS]
    assert {*days.blocked} == {"ana"}
    assert {name for name, _ in days.renewals} == {"ana"}
    shared = only(days_of(view("ana", "bo", "cleo", rows=rows, own="ana", public=True), hours, 7))
    assert [one.label for one in shared.series] == [OTHERS]


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_what_moves_between_colleagues_on_a_day_changes_nothing_for_a_third(rows: Rows) -> None:
    who = view("ana", "bo", "cleo", rows=rows, own="ana")

    def seen(bo: str, cleo: str) -> tuple[tuple[DailySpend, ...], str]:
        hours = [
            hour(NOW - 30 * HOUR, "1"),
            hour(NOW - 30 * HOUR, bo, "bo", used="9"),
            hour(NOW - 30 * HOUR, cleo, "cleo", used="9"),
        ]
        found = days_of(who, hours, 7)
        return found, body(history_answer(who, found, 7, ()))

    assert seen("1", "8") == seen("6", "3")


# --- words and picture


def body(message: Message) -> str:
    lines = [line for section in without_natives(message, 120).sections for line in section.lines]
    return "\n".join([message.title, message.text, *lines])


def test_the_table_the_charts_and_the_text_say_the_same() -> None:
    hours = [
        hour(NOW - 30 * HOUR, "5"),
        hour(NOW - 20 * HOUR, "0", used="5", blocked=True),
        hour(NOW - 6 * DAY, "2.50", "bo"),
    ]
    found = days_of(view("ana", "bo"), sorted(hours, key=lambda one: one.at), 7)
    message = history_answer(view("ana", "bo"), found, 7, ())
    assert message.title == "The team's extra usage, the last 7 days: $7.50"
    assert message.text == "$7.50 spent: ana $5.00 and bo $2.50. Most on Wed Apr 29: $5.00."
    (table,) = message.tables
    assert [column.name for column in table.columns] == ["Days", "ana", "bo", "Total"]
    assert table.rows == (("Fri Apr 24", "", "$2.50", "$2.50"), ("Wed Apr 29", "$5.00", "", "$5.00"))
    spent, month = message.charts
    assert (spent.kind, spent.labels[0], spent.labels[-1]) == (ChartKind.BAR, "Fri Apr 24", "Thu Apr 30")
    assert [sum(value or 0 for value in one.values) for one in spent.series] == [Decimal(5), Decimal("2.5")]
    assert [(one.name, one.values[-1]) for one in month.series] == [
        ("month so far", Decimal("7.5")),
        ("cap", Decimal(100)),
    ]
    assert month.summary == "$7.50 this month, the cap is $100.00."
    text = body(message)
    assert "Blocked: ana for about 20h." in text
    assert "ana and bo on Thu Apr 30" in text


@pytest.mark.parametrize(
    ("number", "caption", "first", "last"),
    [
        (7, "Spent per day", "Fri Apr 24", "Thu Apr 30"),
        (30, "Spent per 2 days", "Apr 1–2", "Apr 29–30"),
        (90, "Spent per 5 days", "Jan 31–Feb 4", "Apr 26–30"),
    ],
)
def test_a_chart_has_at_most_twenty_labels_and_loses_no_day(
    number: int, caption: str, first: str, last: str
) -> None:
    hours = [hour(NOW - back * DAY, "1") for back in range(number - 1, -1, -1)]
    message = history_answer(view(), days_of(view(), hours, number), number, ())
    chart = message.charts[0]
    assert (chart.title, chart.labels[0], chart.labels[-1]) == (caption, first, last)
    assert len(set(chart.labels)) == len(chart.labels) <= 20
    assert max(map(len, chart.labels)) <= 20
    assert sum(value or 0 for one in chart.series for value in one.values) == number
    (table,) = message.tables
    assert sum(Decimal(row[1].strip("$")) for row in table.rows) == number


def test_of_days_without_a_reading_nothing_is_said() -> None:
    assert "Nothing is known about these days." in body(history_answer(view(), (), 30, ()))


def test_a_seat_that_spent_nothing_has_charts_too() -> None:
    message = history_answer(view(), days_of(view(), [hour(NOW - HOUR, "0")], 7), 7, ())
    assert [chart.kind for chart in message.charts] == [ChartKind.BAR]
    assert message.tables[0].note == "Nothing was spent."
