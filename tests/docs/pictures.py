"""The pictures in README.md and docs/asking.md: `python -m tests.pictures` draws them anew.

What is drawn is made up, the same with every run; the answer, the days and the drawing are the program's own.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from meterbot.commands import charts
from meterbot.commands.daily import days_of
from meterbot.commands.reports import team_report
from meterbot.commands.view import View
from meterbot.commands.words.history import title_of
from meterbot.core.models import Counter, Subscription
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

IMAGES = Path(__file__).parents[2] / "docs/images"
PICTURES = {"history.png": ((), False), "history-own.png": (("ana",), False), "history-dark.png": ((), True)}
"""By file: of which seats, where not of the whole team, and whether on a dark ground."""
_DAYS = 30
_HABITS = {"ana": 4.0, "bo": 2.0, "cleo": 2.5, "dan": 3.0, "eve": 4.5}
"""What they spend on an ordinary working day, in dollars."""
_RENEWS = {"ana": 9, "bo": 15, "cleo": 18, "dan": 20, "eve": 27}
_CAP = Decimal(65)


def _spent(name: str) -> Iterator[Hour]:
    chance, used = random.Random(name), Decimal(0)  # noqa: S311 - no secret
    for back in range(_DAYS - 1, -1, -1):
        at = NOW.replace(hour=9) - timedelta(days=back)
        amount = Decimal(0)
        if at.weekday() < 5 and used < _CAP:
            amount = min(round(Decimal(chance.expovariate(1 / _HABITS[name])), 2), _CAP - used)
        used += amount
        counter = Counter(f"account-{name}", f"org-{name}")
        yield Hour(at, counter, money(str(amount)), money(str(used)), money(str(_CAP)), used >= _CAP)


def _view() -> View:
    shots = [
        snapshot(
            name,
            extra_usage=extra("5", str(_CAP)),
            subscription=Subscription("active", date(2026, 5, day), billing_interval="monthly"),
        )
        for name, day in _RENEWS.items()
    ]
    seats = [seat(name) for name in _RENEWS]
    report = team_report(map(reading, shots), {name: state(name) for name in _RENEWS}, seats, NOW)
    return View(report, ZoneInfo("UTC"), "named", frozenset(_RENEWS))


def draw(seats: tuple[str, ...], *, dark: bool) -> bytes:
    """A PNG."""
    view, hours = _view(), [hour for name in _HABITS for hour in _spent(name)]
    (days,) = days_of(view, hours, _DAYS, seats)
    return charts.draw(days, title_of(view, _DAYS, seats), dark=dark)


def main() -> None:
    for name, (seats, dark) in PICTURES.items():
        (IMAGES / name).write_bytes(draw(seats, dark=dark))


if __name__ == "__main__":
    main()
