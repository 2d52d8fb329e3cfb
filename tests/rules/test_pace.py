from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Counter, EventKind, Health, Sample
from meterbot.core.money import Money
from meterbot.rules.fact_json import fact_money
from meterbot.rules.increases import increases, spend_between
from meterbot.rules.months import month_end, month_of, opening_month, rolled_over
from meterbot.rules.pace import Pace, cap_eta, pace
from meterbot.rules.settings import RuleSettings
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Paced,
    extra,
    only,
    snapshot,
    usd,
)

NOW = datetime(2026, 4, 15, 12, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)


def usd_cents(cents: int | str) -> Money:
    return Money(Decimal(cents), "USD", 2)


def sample(at: datetime, used: int | Money) -> Sample:
    return Sample(
        at,
        Counter("acc", "org"),
        usd_cents(used) if isinstance(used, int) else used,
        usd_cents(5000),
        blocked=False,
    )


def minutes(*points: tuple[int, int | Money], start: datetime = NOW) -> list[Sample]:
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
        (
            [(0, 100), (1, Money(Decimal(900), "EUR", 2)), (2, Money(Decimal(950), "EUR", 2))],
            "50 EUR + 0 USD",
        ),
        ([(0, 100), (2, 150), (61, 900)], "50 USD"),
        ([(1, 100), (2, 150)], None),
        ([], None),
    ],
    ids=[
        "rises",
        "does not change",
        "a refund counts nothing",
        "another currency is a new base",
        "beyond the end",
        "nothing before the start",
        "no samples",
    ],
)
def test_spend_is_the_sum_of_increases(points: list[tuple[int, int | Money]], expected: str | None) -> None:
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
def test_spend_over_the_turn_of_the_month(points: list[tuple[int, int | Money]], expected: str) -> None:
    assert spent(minutes(*points, start=MAY), MAY - MINUTE, MAY + 24 * HOUR) == expected


def test_a_reading_that_says_what_it_is_counted_from_is_compared_with_that() -> None:
    reset, dip, back = (
        replace(one, counted_from=usd_cents(cents))
        for one, cents in zip(minutes((1, 3010), (2, 0), (3, 3020)), (0, 3010, 3010), strict=True)
    )
    found = [one.amount for one in increases([*minutes((-1, 3000)), reset, dip, back])]
    assert found == [usd_cents(0), usd_cents(3010), usd_cents(0), usd_cents(10)]


def test_an_increase_names_the_reading_before_it() -> None:
    found = increases(minutes((0, 100), (2, 150), (3, 120)))
    at = [NOW, NOW + 2 * MINUTE, NOW + 3 * MINUTE]
    assert [(one.since, one.at, one.amount) for one in found] == [
        (None, at[0], usd_cents(0)),
        (at[0], at[1], usd_cents(50)),
        (at[1], at[2], usd_cents(0)),
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
    assert pace(samples, NOW) == Pace(usd_cents(300), 40 * MINUTE)


def test_the_pace_is_hidden_under_three_readings() -> None:
    assert pace(minutes((-2, 0), (-1, 100)), NOW) is None
    assert pace([], NOW) is None


def test_a_history_shorter_than_the_span_is_measured_by_its_own_length() -> None:
    assert pace(minutes((-10, 0), (-5, 50), (0, 100)), NOW) == Pace(usd_cents(600), 10 * MINUTE)


def test_readings_that_cover_little_of_every_span_make_no_pace() -> None:
    assert pace(minutes((-9, 0), (-5, 50), (0, 100)), NOW) is None
    assert pace([sample(NOW - timedelta(seconds=ago), 1000 - ago) for ago in (14, 7, 0)], NOW) is None


def test_readings_of_one_instant_make_no_pace() -> None:
    assert pace([sample(NOW, used) for used in (0, 50, 100)], NOW) is None


def test_a_gap_before_the_readings_is_not_measured_as_part_of_their_span() -> None:
    samples = minutes((-9000, 0), (-20, 5000), (-10, 5050), (0, 5100))
    assert pace(samples, NOW) == Pace(usd_cents(300), 20 * MINUTE)


def test_a_counter_that_did_not_change_was_known_all_the_while() -> None:
    samples = minutes((-9000, 0), (-2, 0), (-1, 50), (0, 100))
    assert pace(samples, NOW) == Pace(usd_cents(200), 30 * MINUTE)


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
        (4000, usd_cents(5000), usd_cents(500), NOW + 2 * HOUR),
        (5000, usd_cents(5000), usd_cents(500), NOW),
        (6000, usd_cents(5000), usd_cents(0), NOW),
        (4000, None, usd_cents(500), None),
        (4000, usd_cents(5000), usd_cents(0), None),
        (4000, usd_cents(5000), None, None),
        (4000, Money(Decimal(5000), "EUR", 2), usd_cents(500), None),
        (4000, usd_cents(10**12), usd_cents("0.0001"), None),
        (4000, usd_cents(4000 + 373), usd_cents(1), None),
        (4000, usd_cents(4000 + 372), usd_cents(1), None),
        (4000, usd_cents(4000 + 371), usd_cents(1), MAY - HOUR),
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
    assert cap_eta(usd_cents(used), cap, rate, NOW, MAY) == expected


@given(
    st.integers(0, 10_000),
    st.integers(1, 10_000),
    st.decimals("0.001", 10_000, places=3),
    st.datetimes(datetime(2026, 4, 1), datetime(2026, 4, 30, 23, 59), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants naive bounds
)
def test_the_cap_never_falls_after_the_counter_started_again(
    used: int, left: int, per_hour: Decimal, now: datetime
) -> None:
    eta = cap_eta(usd_cents(used), usd_cents(used + left), Pace(Money(per_hour, "USD", 2), HOUR), now, MAY)
    assert eta is None or now <= eta < MAY


@pytest.mark.parametrize(("month", "end"), [("2026-04", "2026-05-01"), ("2026-12", "2027-01-01")])
def test_a_month_ends_where_the_next_begins(month: str, end: str) -> None:
    assert month_end(month) == datetime.fromisoformat(f"{end}T00:00:00Z")


# --- the alerts -----------------------------------------------------------------------------------------------------


FORECAST, SPIKE = EventKind.CAP_FORECAST, EventKind.SPEND_SPIKE
DAY = timedelta(days=1)
ALL = RuleSettings(kinds=frozenset(EventKind))


def steady(
    paced: Paced, dollars: str, hours: int, since: datetime = NOON, *, used: str = "0", cap: str | None = "50"
) -> datetime:
    """So much more every hour, and when the last of these readings was."""
    for hour in range(hours):
        paced.uses(str(Decimal(used) + Decimal(dollars) * hour), since + hour * HOUR, cap)
    return since + (hours - 1) * HOUR


# --- the cap will fall --------------------------------------------------------------------------------------------


def test_a_pace_that_spends_the_cap_before_the_month_ends_is_reported_once() -> None:
    paced = Paced()
    steady(paced, "1", 20)
    assert paced.count(FORECAST) == 1


def test_it_says_when_and_at_which_pace() -> None:
    paced = Paced()
    steady(paced, "1", 12)
    alert = only(paced.found, FORECAST)
    # The ninth reading is the first that covers a third of a day.
    assert alert.at == NOON + 8 * HOUR
    assert fact_money(alert.facts["pace"]) == usd("1")
    assert alert.facts["cap_eta"] == "2026-04-17T14:00:00Z"
    assert alert.facts["likely"] is None
    assert alert.seat == "ana"


def test_a_pace_that_leaves_something_of_the_cap_is_no_risk() -> None:
    paced = Paced()
    steady(paced, "0.10", 30)
    assert paced.count(FORECAST) == 0


def test_a_seat_without_a_cap_has_no_risk() -> None:
    paced = Paced()
    steady(paced, "1", 20, cap=None)
    assert paced.count(FORECAST) == 0


@pytest.mark.parametrize("kinds", [ALL.kinds - {FORECAST}, frozenset[EventKind]()])
def test_what_is_switched_off_is_not_reported(kinds: frozenset[EventKind]) -> None:
    paced = Paced(RuleSettings(kinds=kinds))
    steady(paced, "1", 20)
    assert paced.count(FORECAST) == 0


def test_a_burst_of_some_minutes_is_not_the_pace_of_a_day() -> None:
    paced = Paced()
    for minute in range(60):
        paced.uses(f"{minute / 4}", NOON + minute * MINUTE)
    assert paced.count(FORECAST) == 0


def test_where_the_habit_of_weeks_is_known_one_busy_day_is_no_risk() -> None:
    paced = Paced()
    first = NOON - 13 * DAY
    for day in range(13):
        paced.uses("0.10" if day == 0 else f"0.1{day:02}", first + day * DAY)
    end = steady(paced, "0.20", 20, NOON, used="1")
    assert paced.count(FORECAST) == 0
    steady(paced, "2", 18, end + HOUR, used="5")
    assert paced.count(FORECAST) == 1


def test_the_months_forecast_is_among_the_facts_once_there_is_one() -> None:
    paced = Paced()
    steady(paced, "0.05", 24 * 6, NOON - 6 * DAY)
    assert paced.count(FORECAST) == 0
    steady(paced, "1", 24, NOON, used="20", cap="50")
    alert = only(paced.found, FORECAST)
    likely = fact_money(alert.facts["likely"])
    assert likely is not None
    assert usd("20").major < likely.major


def test_a_seat_that_is_blocked_already_is_told_nothing_of_a_risk() -> None:
    paced = Paced()
    for hour in range(20):
        paced.uses(str(hour), NOON + hour * HOUR, out_of_credits=True)
    assert paced.count(FORECAST) == 0


def test_a_quiet_weekend_is_no_recovery() -> None:
    paced = Paced()
    end = steady(paced, "1", 12)
    steady(paced, "1", 12, end + 4 * DAY, used="12", cap="50")
    assert paced.count(FORECAST) == 1


def test_after_a_week_without_a_risk_it_is_a_new_episode() -> None:
    paced = Paced()
    end = steady(paced, "1", 12)
    steady(paced, "1", 12, end + 8 * DAY, used="12", cap="50")
    assert paced.count(FORECAST) == 2


def test_a_raised_cap_that_holds_ends_the_episode() -> None:
    paced = Paced()
    end = steady(paced, "1", 12)
    end = steady(paced, "0.20", 6, end + HOUR, used="12", cap="900")
    assert paced.count(FORECAST) == 1
    steady(paced, "40", 12, end + HOUR, used="13", cap="900")
    assert paced.count(FORECAST) == 2


def test_a_cap_that_is_days_away_is_no_risk_before_the_month_has_a_forecast() -> None:
    paced = Paced()
    steady(paced, "1", 12, cap="150")
    assert paced.count(FORECAST) == 0


@pytest.mark.parametrize(("cap", "is_enough"), [("51", False), ("60", False), ("100", False), ("150", True)])
def test_only_a_cap_that_is_raised_by_enough_ends_its_forecast(cap: str, *, is_enough: bool) -> None:
    """At a dollar an hour from $11: four days are enough."""
    paced = Paced()
    end = steady(paced, "1", 12)
    steady(paced, "1", 12, end + HOUR, used="12", cap=cap)
    assert paced.count(FORECAST) == 1
    (first,), (raised,) = (
        [each for each in paced.found if each.kind is kind] for kind in (FORECAST, EventKind.METERING_CHANGED)
    )
    assert raised.resolves == (first.key if is_enough else None)


def test_a_cap_that_is_raised_by_too_little_twice_is_one_episode_which_the_right_one_ends() -> None:
    paced = Paced()
    end = steady(paced, "1", 12)
    for number, cap in enumerate(["55", "60", "500"]):
        end = steady(paced, "1", 6, end + HOUR, used=str(12 + 6 * number), cap=cap)
    (first,) = [each for each in paced.found if each.kind is FORECAST]
    assert [each.resolves for each in paced.found if each.kind is EventKind.METERING_CHANGED] == [
        None, None, first.key
    ]  # fmt: skip


def test_a_cap_that_was_removed_and_set_again_is_a_new_episode() -> None:
    paced = Paced()
    end = steady(paced, "1", 12)
    paced.uses("12", end + HOUR, None)
    steady(paced, "1", 5, end + 2 * HOUR, used="12", cap="50")
    assert paced.count(FORECAST) == 2


def test_a_new_month_is_a_new_episode() -> None:
    paced = Paced()
    steady(paced, "1", 12)
    steady(paced, "1", 12, datetime.fromisoformat("2026-05-01T01:00:00Z"))
    keys = [event.key for event in paced.found if event.kind is FORECAST]
    assert [key.split(":")[2] for key in keys] == ["2026-04", "2026-05"]


@pytest.mark.parametrize("hours", [1, 2])
def test_under_three_readings_nothing_is_forecast(hours: int) -> None:
    paced = Paced()
    for number in range(hours):
        paced.uses(str(10 * number + 1), NOON + number * 9 * HOUR)
    assert paced.count(FORECAST) == 0
    paced.uses("30", NOON + hours * 9 * HOUR)
    assert paced.count(FORECAST) == (hours == 2)


def test_a_stale_reading_forecasts_nothing() -> None:
    paced = Paced()
    for hour in range(20):
        seen = snapshot(NOON + hour * HOUR, metered=extra(str(hour)), health=Health.STALE)
        paced.see(seen)
    assert paced.count(FORECAST) == 0


def test_an_amount_that_was_rejected_forecasts_nothing() -> None:
    paced = Paced()
    for hour in range(20):
        seen = snapshot(NOON + hour * HOUR, metered=extra(str(hour)))
        paced.see(replace(seen, extra_usage_read=False, health=Health.DRIFTED))
    assert paced.count(FORECAST) == 0


STEPS = st.lists(
    st.tuples(
        st.integers(1, 30),  # hours to the next reading
        st.integers(0, 900),  # cents more
        st.sampled_from(["same", "stale", "unread"]),
    ),
    min_size=1,
    max_size=40,
)


@given(steps=STEPS, cap=st.integers(1, 90))
def test_a_risk_is_reported_once_an_episode_never_on_few_or_stale_readings_and_never_under_a_spent_cap(
    steps: list[tuple[int, int, str]], cap: int
) -> None:
    paced, at, cents, clean = Paced(), datetime.fromisoformat("2026-04-01T00:00:00Z"), 0, 0
    told_at: list[datetime] = []
    for hours, more, kind in steps:
        at += hours * HOUR
        cents += more
        health = Health.STALE if kind == "stale" else Health.OK
        read = None if kind == "unread" else str(Decimal(cents) / 100)
        seen = snapshot(at, metered=extra(read, str(cap)), health=health)
        clean += kind == "same"
        for event in paced.see(seen):
            if event.kind is not FORECAST:
                continue
            assert kind == "same"
            assert clean >= 3
            assert Decimal(cents) / 100 < cap
            eta = datetime.fromisoformat(str(event.facts["cap_eta"]))
            assert event.at < eta < month_end(f"{at:%Y-%m}")
            # The cap stays what it is, so that only a week without a risk, or another month, make an episode new.
            fresh = [past for past in told_at if past.month == at.month and at - past < timedelta(days=7)]
            assert not fresh
            told_at.append(at)


# --- a spike ------------------------------------------------------------------------------------------------------


def with_a_habit(busy_hours: int = 12, settings: RuleSettings = ALL) -> Paced:
    """Fifty cents in each of so many hours of earlier days, and then a quiet day."""
    paced = Paced(settings)
    for number in range(busy_hours + 1):
        paced.uses(str(Decimal(number) / 2), NOON - 14 * DAY + number * 5 * HOUR, "9000")
    return paced


def burst(paced: Paced, dollars: str, since: datetime = NOON) -> None:
    """So much in three quarters of an hour."""
    used = max(sample.used.major for sample in paced.watch.samples)
    for step in range(4):
        paced.uses(str(used + Decimal(dollars) * step / 3), since + 15 * step * MINUTE, "9000")


def test_an_hour_far_above_the_habit_is_a_spike() -> None:
    paced = with_a_habit()
    burst(paced, "9")
    alert = only(paced.found, SPIKE)
    assert fact_money(alert.facts["usual"]) == usd("0.50")
    # Half of the burst was seen by the third reading, and the hour before it was quiet.
    assert fact_money(alert.facts["pace"]) == usd("6")
    assert (alert.facts["times"], alert.facts["hours"]) == ("12.0", 12)


def test_an_hour_like_others_is_none() -> None:
    paced = with_a_habit()
    burst(paced, "0.90")
    assert paced.count(SPIKE) == 0


def test_some_cents_are_no_spike_whatever_the_habit() -> None:
    paced = Paced(ALL)
    for number in range(13):
        paced.uses(str(Decimal(number) / 100), NOON - 14 * DAY + number * 5 * HOUR, "9000")
    burst(paced, "0.60")
    assert paced.count(SPIKE) == 0


def test_without_a_habit_nothing_is_a_spike() -> None:
    paced = with_a_habit(busy_hours=9)
    burst(paced, "9")
    assert paced.count(SPIKE) == 0


def test_a_spike_is_reported_once_a_day() -> None:
    paced = with_a_habit()
    burst(paced, "9")
    burst(paced, "9", NOON + 5 * HOUR)
    assert paced.count(SPIKE) == 1
    burst(paced, "60", NOON + 30 * HOUR)
    assert paced.count(SPIKE) == 2


def test_by_default_a_spike_is_not_reported() -> None:
    paced = with_a_habit(settings=RuleSettings())
    burst(paced, "9")
    assert paced.count(SPIKE) == 0
