from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.text_forms import without_natives
from meterbot.commands.daily import days_of
from meterbot.commands.outlooks import Outlooks, outlooks
from meterbot.commands.privacy import View
from meterbot.commands.report_json import spend_json
from meterbot.commands.reports import team_report
from meterbot.commands.words.forecast import forecast_answer, month_ends, seat_outlook_sentences
from meterbot.commands.words.history import history_answer
from meterbot.commands.words.team import team
from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import Counter, Estimate, Sample, Window, WindowPoint
from meterbot.core.money import Money
from meterbot.core.operators import Rows
from meterbot.rules.forecast import Forecast
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

DAY = timedelta(days=1)
NAMES = ("ana", "bo", "cleo")


def counter(name: str) -> Counter:
    return Counter(f"account-{name}", f"org-{name}")


def hours(name: str, cents: int = 100, days: int = 10) -> list[Hour]:
    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC)
    amount = Money(Decimal(cents), "USD", 2)
    return [
        Hour(midnight - number * DAY, counter(name), amount, amount, None, blocked=False)
        for number in range(days, 0, -1)
    ]


def samples(name: str, used: str = "17.20", rise: str = "0.10") -> list[Sample]:
    points = [Decimal(used) - Decimal(rise) * number for number in (3, 2, 1, 0)]
    return [
        Sample(
            NOW - (3 - place) * timedelta(minutes=8), counter(name), money(str(point)), None, blocked=False
        )
        for place, point in enumerate(points)
    ]


def asked(
    rows: Rows = "named", own: frozenset[str] = frozenset(), *, public: bool = False, **used: str
) -> tuple[View, Outlooks]:
    shots = {name: snapshot(name, extra_usage=extra(used.get(name, "17.20"))) for name in NAMES}
    known = [reading(shot) for shot in shots.values()]
    report = team_report(known, {name: state(name) for name in NAMES}, [seat(name) for name in NAMES], NOW)
    history = [hour for name in NAMES for hour in hours(name)]
    points = [sample for name in NAMES for sample in samples(name, used.get(name, "17.20"))]
    return View(report, UTC, rows, own, public), outlooks(report, points, history)


def whole(message: Message) -> str:
    lines = [line for section in without_natives(message, 120).sections for line in section.lines]
    return plain("\n".join([message.title, message.text, *lines, message.footer]))


def test_the_team_and_every_seat_have_a_pace_and_a_range() -> None:
    text = whole(forecast_answer(*asked()))
    # Half of April 30 is left: ten days of a dollar each make it about half a dollar.
    assert (
        "$51.60 spent so far, $2.25/h now. The month ends at about $53.35, if the daily spend stays the same."
        in text
    )
    assert "ana   $17.20  about $17.78     $0.75" in text


def test_a_cap_and_a_window_that_fill_up_say_when() -> None:
    view, _ = asked()
    shot = snapshot(
        windows=(Window("five_hour", Decimal(40), NOW + 3 * timedelta(hours=1)),),
        extra_usage=extra("49.90", "50.00"),
    )
    trail = {
        "five_hour": tuple(
            WindowPoint(NOW - timedelta(minutes=minutes), Decimal(40 - minutes), None) for minutes in (30, 15)
        )
    }
    one = reading(shot)
    one = replace(one, known=replace(one.known, trail=trail))
    report = team_report([one], {"ana": state()}, [seat()], NOW)
    # The alert measures a cap's pace over 24 hours, and so does the answer: 20 cents in 10 hours.
    earlier = replace(samples("ana", "49.70")[-1], at=NOW - timedelta(hours=10))
    said = outlooks(report, [earlier, *samples("ana", "49.90", "0.05")], hours("ana"))
    text = whole(forecast_answer(replace(view, report=report), said))
    assert "ana: the 5-hour window will be full around Thu Apr 30 11:00" in text
    assert "ana: at the pace of the last 24 hours, it reaches its cap around Thu Apr 30 15:00" in text
    assert "ana   $49.90  about $50.48  $50.00     $0.38" in text
    assert (
        "$49.90 spent so far, $0.38/h now. Without caps, the month would end at about $50.48, if the daily spend stays the same."
        in text
    )
    assert month_ends(said) == [
        "Without caps, the month would end at about $50.48, if the daily spend stays the same."
    ]
    (heading,) = said.seats
    assert (
        "Without its cap of $50.00, the month would end at about $50.48, if the daily spend stays the same."
        in seat_outlook_sentences(heading, view)
    )


@pytest.mark.parametrize("hours_later", [0, 3, 6, 12])
def test_a_caps_date_does_not_move_while_nothing_new_is_read(hours_later: int) -> None:
    """40 of 50 dollars, a dollar an hour: ten hours after the reading."""
    read_at = NOW - 10 * DAY  # the month does not end before
    points = [
        replace(one, at=read_at - timedelta(hours=2 * number))
        for number, one in enumerate(samples("ana", str(40 - 2 * number))[-1] for number in range(13))
    ]
    one = reading(replace(snapshot(extra_usage=extra("40.00", "50.00")), fetched_at=read_at), ago=10 * DAY)
    report = team_report([one], {"ana": state()}, [seat()], read_at + timedelta(hours=hours_later))
    (outlook,) = outlooks(report, sorted(points, key=lambda point: point.at), []).seats
    assert outlook.cap_at == (read_at + timedelta(hours=10) if hours_later < 10 else None)


def test_of_many_that_fill_up_the_soonest_are_listed_and_the_others_counted() -> None:
    view, found = asked()
    windows = ("five_hour", "seven_day", "seven_day_opus")
    seats = tuple(
        replace(
            one,
            full=tuple((window, NOW + (9 - 3 * seat - place) * DAY) for place, window in enumerate(windows)),
        )
        for seat, one in enumerate(found.seats)
    )
    (section,) = forecast_answer(view, replace(found, seats=seats)).sections
    last = found.seats[-1].row.seat.name
    assert plain(section.lines[0]) == f"{last}: the 7-day Opus window will be full around Fri May 1 10:00"
    assert [line.partition(":")[0] for line in section.lines[:3]] == [last] * 3
    assert section.lines[6:] == ("and 3 more",)


def test_under_three_days_the_seat_and_the_team_say_so() -> None:
    view, _ = asked()
    said = outlooks(view.report, [], [*hours("ana", days=2), *hours("bo"), *hours("cleo")])
    text = whole(forecast_answer(view, said))
    assert "Too little is known to say how the month ends" in text
    assert "ana   $17.20             –" in text


def test_days_that_nobody_has_read_are_not_days_without_spend() -> None:
    view, _ = asked()
    report = team_report([reading("ana", ago=timedelta(days=2))], {"ana": state()}, [seat()], NOW)
    said = outlooks(report, [], hours("ana"))
    assert "Too little is known to say how the month ends" in whole(
        forecast_answer(replace(view, report=report), said)
    )


@pytest.mark.parametrize("rows", ["named", "anonymous", "self"])
def test_one_always_sees_ones_own(rows: Rows) -> None:
    assert "ana" in whole(forecast_answer(*asked(rows, frozenset({"ana"}))))


@pytest.mark.parametrize("rows", ["anonymous", "self"])
def test_nobody_elses_name_is_shown_where_names_are_not(rows: Rows) -> None:
    text = whole(forecast_answer(*asked(rows, frozenset({"ana"}))))
    assert "bo" not in text.split()
    assert "cleo" not in text.split()
    shared = whole(forecast_answer(*asked(rows, frozenset({"ana"}), public=True)))
    assert "ana" not in shared.split()


def test_where_only_ones_own_is_shown_the_others_are_but_a_sum() -> None:
    """Money that moves from one colleague to another changes nothing that ana sees."""
    own = frozenset({"ana"})
    one = whole(forecast_answer(*asked("self", own, bo="10.00", cleo="30.00")))
    other = whole(forecast_answer(*asked("self", own, bo="25.00", cleo="15.00")))
    assert one == other


@given(cents=st.integers(0, 10**9), currency=st.sampled_from(["USD", "EUR"]))
def test_an_estimate_is_in_no_sum_and_no_forecast(cents: int, currency: str) -> None:
    """The list price of a machine's tokens is never added to the spend."""
    estimate = Estimate(Money(Decimal(cents), currency, 2), "2026-04", "ccusage")
    answers = []
    for shot in (snapshot(), snapshot(estimate=estimate)):
        report = team_report([reading(shot)], {"ana": state()}, [seat()], NOW)
        view = View(report)
        said = outlooks(report, samples("ana"), hours("ana"))
        days = days_of(view, hours("ana"), 30)
        said_of_it = (team(view), forecast_answer(view, said), history_answer(view, days, 30, ()))
        answers.append((report.totals, said_of_it, spend_json(report, UTC, said)["totals"]))
    assert answers[0] == answers[1]


def test_the_chart_joins_the_month_so_far_with_the_range_it_will_end_in() -> None:
    noon = datetime(2026, 4, 20, 12, tzinfo=UTC)
    view, said = asked()
    view = replace(view, report=replace(view.report, as_of=noon))
    month = replace(
        said.team[0],
        used=money("10"),
        forecast=Forecast(money("20"), money("30"), money("60"), datetime(2026, 5, 1, tzinfo=UTC)),
    )
    spent = [
        Hour(
            datetime(2026, 4, day, tzinfo=UTC),
            Counter("account-ana", "org-ana"),
            money("0.5"),
            money(f"{day / 2}"),
            None,
            blocked=False,
        )
        for day in range(1, 21)
    ]
    (chart,) = forecast_answer(view, replace(said, team=(month,)), spent).charts
    assert (chart.labels[0], chart.labels[-1]) == ("Apr 2", "Apr 30")
    values = {one.name: dict(zip(chart.labels, one.values, strict=True)) for one in chart.series}
    for name, end in (("low", 20), ("likely", 30), ("high", 60)):
        assert values[name]["Apr 10"] == Decimal(5)
        assert values[name]["Apr 20"] == Decimal(10)
        assert values[name]["Apr 30"] == Decimal(end)
    assert values["high"]["Apr 24"] == Decimal(30)
    assert len(chart.labels) <= 20


def test_the_amount_of_a_single_other_seat_is_neither_in_the_table_nor_in_a_chart() -> None:
    report = team_report([reading("ana"), reading("bo")], {}, [seat("ana"), seat("bo")], NOW)
    history = [*hours("ana"), *hours("bo")]
    view = View(report, UTC, "self", frozenset({"ana"}))
    message = forecast_answer(view, outlooks(report, [], history), history)
    assert message.charts == ()
    assert message.tables[0].note.startswith("and 1 more: amount not shown")


def test_the_json_has_the_same_range() -> None:
    view, said = asked()
    total = spend_json(view.report, UTC, said)["totals"]
    assert isinstance(total, list)
    assert total[0]["forecast"] == {
        "low": "53.35",
        "likely": "53.35",
        "high": "53.35",
        "per_hour": "2.25",
        "at": "2026-05-01T00:00:00Z",
    }
