from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Counter, Sample
from meterbot.core.money import Money
from meterbot.rules.increases import increases, spend_between
from meterbot.rules.months import month_end, month_of, opening_month, rolled_over
from meterbot.rules.pace import Pace, cap_eta, pace

NOW = datetime(2026, 4, 15, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def usd(cents: int | str) -> Money:
    return Money(Decimal(cents), "USD", 2)


def sample(at: datetime, used: int | Money | None) -> Sample:
    return Sample(
        at, Counter("acc", "org"), usd(used) if isinstance(used, int) else used, usd(5000), blocked=False
    )


def minutes(*points: tuple[int, int | Money | None], start: datetime = NOW) -> list[Sample]:
    return [sample(start + at * MINUTE, used) for at, used in points]


def spent(samples: list[Sample], start: datetime, end: datetime) -> str | None:
    sums = spend_between(samples, start, end)
    return None if sums is None else " + ".join(f"{m.minor:f} {c}" for c, m in sums.items())


# --- spend --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 100), (1, 150), (2, 400)], "300 USD"),
        ([(0, 100), (1, 100)], "0 USD"),
        ([(0, 400), (1, 100), (2, 150)], "50 USD"),
        ([(0, 100), (1, None), (2, 150)], "50 USD"),
        (
            [(0, 100), (1, Money(Decimal(900), "EUR", 2)), (2, Money(Decimal(950), "EUR", 2))],
            "50 EUR + 0 USD",
        ),
        ([(0, 100), (2, 150), (61, 900)], "50 USD"),
        ([(1, 100), (2, 150)], None),
        ([(0, None), (2, 150)], None),
        ([], None),
    ],
    ids=[
        "rises",
        "does not change",
        "a refund counts nothing",
        "unknown in between",
        "another currency is a new base",
        "beyond the end",
        "nothing before the start",
        "nothing known before the start",
        "no samples",
    ],
)
def test_spend_is_the_sum_of_increases(
    points: list[tuple[int, int | Money | None]], expected: str | None
) -> None:
    assert spent(minutes(*points), NOW, NOW + HOUR) == expected


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(-1, 3000), (1, 20)], "20 USD"),
        ([(-1, 3000), (1, 3010)], "10 USD"),
        ([(-1, 0), (1, 20)], "20 USD"),
    ],
    ids=[
        "the counter was reset",
        "not yet reset, as far as one can tell",
        "from nothing",
    ],
)
def test_spend_over_the_turn_of_the_month(
    points: list[tuple[int, int | Money | None]], expected: str
) -> None:
    assert spent(minutes(*points, start=MAY), MAY - MINUTE, MAY + 24 * HOUR) == expected


def test_a_reading_that_says_what_it_is_counted_from_is_compared_with_that() -> None:
    reset, dip, back = (
        replace(one, counted_from=usd(cents))
        for one, cents in zip(minutes((1, 3010), (2, 0), (3, 3020)), (0, 3010, 3010), strict=True)
    )
    found = [one.amount for one in increases([*minutes((-1, 3000)), reset, dip, back])]
    assert found == [usd(0), usd(3010), usd(0), usd(10)]


def test_an_increase_names_the_reading_before_it() -> None:
    found = increases(minutes((0, 100), (1, None), (2, 150), (3, 120)))
    at = [NOW, NOW + 2 * MINUTE, NOW + 3 * MINUTE]
    assert [(one.since, one.at, one.amount) for one in found] == [
        (None, at[0], usd(0)),
        (at[0], at[1], usd(50)),
        (at[1], at[2], usd(0)),
    ]


series = st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 5000)), min_size=1, max_size=30)


@given(series, st.integers(0, 90_000), st.integers(0, 90_000))
def test_spend_over_adjoining_spans_adds_up(steps: list[tuple[int, int]], a: int, b: int) -> None:
    at, samples = NOW, []
    for gap, used in steps:
        at += gap * MINUTE
        samples.append(sample(at, used))
    start, end = samples[0].at, at + HOUR
    first, second = sorted(start + min(cut, 90_000) * MINUTE for cut in (a, b))
    spans = [
        spend_between(samples, *span)
        for span in [(start, first), (first, second), (second, max(end, second))]
    ]
    whole = spend_between(samples, start, max(end, second))
    assert whole is not None
    assert sum(span["USD"].minor for span in spans if span) == whole["USD"].minor
    assert whole["USD"].minor >= 0


def test_the_minutes_before_midnight_belong_to_the_new_month() -> None:
    assert [month_of(MAY - gap * MINUTE) for gap in (6, 5)] == ["2026-04", "2026-05"]


def test_money_first_seen_in_the_first_hours_may_be_last_months() -> None:
    assert [opening_month(Decimal(used), MAY + HOUR) for used in (1, 0)] == ["2026-04", "2026-05"]
    assert opening_month(Decimal(1), MAY + 6 * HOUR) == "2026-05"
    assert opening_month(Decimal(1), datetime(2026, 1, 1, tzinfo=UTC)) == "2025-12"


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 40_000))
def test_a_period_ends_at_most_once_a_month(before: int, after: int, gap: int) -> None:
    at = NOW + gap * MINUTE
    assert not rolled_over(month_of(at), Decimal(before), Decimal(after), at)


# --- pace ---------------------------------------------------------------------------------------------------------


def test_the_pace_is_that_of_the_shortest_span_with_three_readings() -> None:
    samples = minutes((-300, 0), (-50, 100), (-40, 150), (-20, 200), (-10, 300))
    assert pace(samples, NOW) == Pace(usd(300), 40 * MINUTE)


def test_the_pace_is_hidden_under_three_readings() -> None:
    assert pace(minutes((-2, 0), (-1, 100)), NOW) is None
    assert pace([], NOW) is None


def test_a_history_shorter_than_the_span_is_measured_by_its_own_length() -> None:
    assert pace(minutes((-10, 0), (-5, 50), (0, 100)), NOW) == Pace(usd(600), 10 * MINUTE)


def test_readings_that_cover_little_of_every_span_make_no_pace() -> None:
    assert pace(minutes((-9, 0), (-5, 50), (0, 100)), NOW) is None
    assert pace([sample(NOW - timedelta(seconds=ago), 1000 - ago) for ago in (14, 7, 0)], NOW) is None


def test_readings_of_one_instant_make_no_pace() -> None:
    assert pace([sample(NOW, used) for used in (0, 50, 100)], NOW) is None


def test_a_gap_before_the_readings_is_not_measured_as_part_of_their_span() -> None:
    samples = minutes((-9000, 0), (-20, 5000), (-10, 5050), (0, 5100))
    assert pace(samples, NOW) == Pace(usd(300), 20 * MINUTE)


def test_a_counter_that_did_not_change_was_known_all_the_while() -> None:
    samples = minutes((-9000, 0), (-2, 0), (-1, 50), (0, 100))
    assert pace(samples, NOW) == Pace(usd(200), 30 * MINUTE)


def test_a_pace_is_in_the_currency_of_the_newest_reading() -> None:
    euro = Money(Decimal(900), "EUR", 2)
    found = pace(minutes((-20, 0), (-10, 500), (-5, euro), (0, Money(Decimal(950), "EUR", 2))), NOW)
    assert found is not None
    assert (found.per_hour.currency, found.per_hour.minor) == ("EUR", Decimal(150))


@given(series)
def test_a_pace_is_never_negative_and_never_more_than_was_spent(steps: list[tuple[int, int]]) -> None:
    at, samples = NOW, []
    for gap, used in steps:
        at += gap * MINUTE
        samples.append(sample(at, used))
    found = pace(samples, at)
    whole = spend_between(samples, samples[0].at, at)
    assert whole is not None
    if found is not None:
        assert found.over >= 10 * MINUTE
        hours = Decimal(found.over // MINUTE) / 60
        assert 0 <= found.per_hour.minor * hours <= whole["USD"].minor + Decimal("0.001")


# --- when the cap falls -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "cap", "per_hour", "expected"),
    [
        (4000, usd(5000), usd(500), NOW + 2 * HOUR),
        (5000, usd(5000), usd(500), NOW),
        (6000, usd(5000), usd(0), NOW),
        (4000, None, usd(500), None),
        (4000, usd(5000), usd(0), None),
        (4000, usd(5000), None, None),
        (4000, Money(Decimal(5000), "EUR", 2), usd(500), None),
        (4000, usd(10**12), usd("0.0001"), None),
        (4000, usd(4000 + 373), usd(1), None),
        (4000, usd(4000 + 372), usd(1), None),
        (4000, usd(4000 + 371), usd(1), MAY - HOUR),
    ],
    ids=[
        "ahead",
        "reached",
        "passed",
        "no cap",
        "no spend",
        "no pace",
        "another currency",
        "centuries ahead",
        "after the counter's end",
        "at the counter's end",
        "shortly before the counter's end",
    ],
)
def test_when_the_cap_falls(
    used: int, cap: Money | None, per_hour: Money | None, expected: datetime | None
) -> None:
    rate = None if per_hour is None else Pace(per_hour, HOUR)
    assert cap_eta(usd(used), cap, rate, NOW, MAY) == expected


@given(
    st.integers(0, 10_000),
    st.integers(1, 10_000),
    st.decimals("0.001", 10_000, places=3),
    st.datetimes(datetime(2026, 4, 1), datetime(2026, 4, 30, 23, 59), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants naive bounds
)
def test_the_cap_never_falls_after_the_counter_started_again(
    used: int, left: int, per_hour: Decimal, now: datetime
) -> None:
    eta = cap_eta(usd(used), usd(used + left), Pace(Money(per_hour, "USD", 2), HOUR), now, MAY)
    assert eta is None or now <= eta < MAY


@pytest.mark.parametrize(("month", "end"), [("2026-04", "2026-05-01"), ("2026-12", "2027-01-01")])
def test_a_month_ends_where_the_next_begins(month: str, end: str) -> None:
    assert month_end(month) == datetime.fromisoformat(f"{end}T00:00:00Z")
