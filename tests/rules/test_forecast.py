"""The range is right as often as it says, over months that it was not fitted to."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from meterbot.core.models import Counter
from meterbot.core.money import Money
from meterbot.rules.forecast import Forecast, forecast, rest_of_month
from meterbot.rules.hours import Hour

ANA = Counter("acc", "org")
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def usd(cents: float) -> Money:
    return Money(Decimal(round(cents)), "USD", 2)


def hour(at: datetime, cents: float) -> Hour:
    return Hour(at, ANA, usd(cents), usd(cents), None, blocked=False)


def known_since(at: datetime, hours: list[Hour]) -> list[Hour]:
    """The hours behind a first one without spend."""
    return [hour(at, 0), *hours]


def workdays(rng: random.Random, at: datetime) -> float:
    """Somebody who works from Monday to Friday and now and then beyond the plan."""
    busy = rng.random() < (0.15 if at.weekday() >= 5 else 0.7)
    return rng.lognormvariate(6, 0.8) if busy else 0.0


def bursts(rng: random.Random, _: datetime) -> float:
    """Nothing on most days, much on some."""
    return rng.lognormvariate(7, 1.0) if rng.random() < 0.3 else 0.0


class Streaks:
    """Days are like the day before: a week of much, a week of little."""

    def __init__(self) -> None:
        self.busy = False

    def __call__(self, rng: random.Random, _: datetime) -> float:
        if rng.random() < 0.3:
            self.busy = not self.busy
        return rng.lognormvariate(6.5, 0.6) if self.busy else rng.lognormvariate(4, 0.6)


def held_out(
    rng: random.Random, spend: Callable[[random.Random, datetime], float]
) -> tuple[Forecast | None, Money]:
    """A forecast from inside a month, and how that month ended."""
    known = rng.randint(5, 40)
    now = datetime(2026, 3, 1, tzinfo=UTC) + rng.randint(3, 25) * DAY + rng.randint(0, 23) * HOUR
    hours, used, final = [], usd(0), usd(0)
    day = datetime(now.year, now.month, now.day, tzinfo=UTC) - known * DAY
    since = day
    while day < datetime(2026, 4, 1, tzinfo=UTC):
        cents = spend(rng, day)
        for part in range(4):
            at = day + (9 + 3 * part) * HOUR
            if at < now:
                hours.append(hour(at, cents / 4))
            if at.month == 3:
                final = usd(float(final.minor) + cents / 4)
                used = final if at < now else used
        day += DAY
    return forecast(used, rest_of_month(known_since(since, hours), "USD", now), now), final


def test_four_months_of_five_end_inside_the_range() -> None:
    rng = random.Random(11)  # noqa: S311 - months to forecast, not secrets
    inside = total = 0
    for number in range(1500):
        kinds: tuple[Callable[[random.Random, datetime], float], ...] = (workdays, bursts, Streaks())
        said, final = held_out(rng, kinds[number % 3])
        if said is not None:
            total += 1
            inside += said.low.minor <= final.minor <= said.high.minor
    assert total > 1400
    assert 0.75 <= inside / total <= 0.85, inside / total


def habit(days: int, cents: float, now: datetime) -> list[Hour]:
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    return [hour(midnight - number * DAY + 10 * HOUR, cents) for number in range(days, 0, -1)]


NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)


def test_under_three_whole_days_nothing_is_forecast() -> None:
    midnight = datetime(2026, 3, 11, tzinfo=UTC)
    assert rest_of_month(known_since(midnight - 2 * DAY, habit(2, 100, NOW)), "USD", NOW) is None
    assert rest_of_month(known_since(midnight - 3 * DAY + HOUR, habit(3, 100, NOW)), "USD", NOW) is None
    assert rest_of_month(known_since(midnight - 3 * DAY, habit(3, 100, NOW)), "USD", NOW) is not None
    assert rest_of_month(known_since(midnight - 3 * DAY, habit(3, 100, NOW)), "EUR", NOW) is None
    assert forecast(usd(500), None, NOW) is None


def test_even_days_go_on_as_they_were() -> None:
    said = forecast(
        usd(1000), rest_of_month(known_since(NOW - 10.5 * DAY, habit(10, 100, NOW)), "USD", NOW), NOW
    )
    assert said == Forecast(usd(3050), usd(3050), usd(3050), datetime(2026, 4, 1, tzinfo=UTC))


def test_who_spends_nothing_ends_where_it_is() -> None:
    said = forecast(usd(1000), rest_of_month(known_since(NOW - 10 * DAY, []), "USD", NOW), NOW)
    assert said is not None
    assert said.low == said.high == usd(1000)


def test_a_range_never_begins_under_what_is_spent() -> None:
    days = [hour(NOW - 5 * DAY, 90_000), hour(NOW - 4 * DAY, 0)]
    said = forecast(usd(90_000), rest_of_month(known_since(NOW - 9 * DAY, days), "USD", NOW), NOW)
    assert said is not None
    assert usd(90_000).minor <= said.low.minor <= said.likely.minor <= said.high.minor


def test_a_team_scatters_less_than_its_seats_together() -> None:
    rng = random.Random(3)  # noqa: S311 - months to forecast, not secrets
    midnight = datetime(2026, 3, 11, tzinfo=UTC)
    rests = []
    for _ in range(9):
        spent = [hour(midnight - number * DAY, bursts(rng, NOW)) for number in range(20, 0, -1)]
        rests.append(rest_of_month(spent, "USD", NOW))
    known = [one for one in rests if one is not None]
    whole = known[0]
    for one in known[1:]:
        whole += one
    team, apart = forecast(usd(0), whole, NOW), [forecast(usd(0), one, NOW) for one in known]
    assert team is not None
    assert team.high.minor < sum(one.high.minor for one in apart if one is not None)
    assert abs(team.likely.minor - sum(one.likely.minor for one in apart if one is not None)) <= len(apart)
