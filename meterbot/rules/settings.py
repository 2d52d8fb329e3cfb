"""The rules' settings."""

import re
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from meterbot.core import money
from meterbot.core.models import Event, EventKind
from meterbot.core.money import Money

_NUMBER = r"(?P<number>\d+(?:\.\d+)?)"
_PERCENT = re.compile(rf"{_NUMBER}\s*%")
_CODED = re.compile(rf"{_NUMBER}\s*(?P<code>[A-Za-z]{{3}})")
_SYMBOL = re.compile(rf"(?P<symbol>[^\d\s]+)\s*{_NUMBER}")


@dataclass(frozen=True, slots=True)
class Threshold:
    """A level: a percentage of the cap, or an amount. Exactly one of the two is set.

    `default`: an amount of the defaults, meant in the seat's own currency; of `thresholds` it holds only for seats
    without a cap.
    """

    percent: Decimal | None = None
    amount: Money | None = None
    default: bool = False

    @property
    def absurd(self) -> bool:
        """Whether it is an amount larger than any that is read."""
        return self.amount is not None and self.amount.minor > money.LARGEST_MINOR

    @property
    def level(self) -> str:
        """Its id: `80%`, `25.00 USD`."""
        if self.amount is not None:
            return f"{money.plain(self.amount)} {self.amount.currency}"
        return f"{self.percent:f}%"


def parse_threshold(text: str) -> Threshold:
    """`80%`, `$25.00`, `€25` or `25.00 EUR`. Raises ValueError with a sentence about what was expected."""
    text = text.strip()
    if (match := _PERCENT.fullmatch(text)) and (percent := Decimal(match["number"])) > 0:
        return Threshold(percent=_plain(percent))
    currency = None
    if match := _CODED.fullmatch(text):
        currency = match["code"].upper()
    elif match := _SYMBOL.fullmatch(text):
        currency = money.currency_of(match["symbol"])
    if match and currency and (amount := money.of_major(Decimal(match["number"]), currency)).minor >= 1:
        return Threshold(amount=amount)
    raise ValueError(
        f'must be a percentage like "80%" or an amount like "$25.00" or "25.00 EUR", got "{text}"'
    )


def _plain(number: Decimal) -> Decimal:
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()


UNCAPPED_STEP = money.of_major(Decimal(100), "USD")
"""After the default amounts, a seat without a cap has a level at every further $100."""
DEFAULT_THRESHOLDS = (
    *(Threshold(percent=Decimal(percent)) for percent in (50, 80, 95)),
    *(Threshold(amount=money.of_major(Decimal(major), "USD"), default=True) for major in (25, 50, 100)),
)


DEFAULT_BALANCE_LEVELS = (Threshold(amount=money.of_major(Decimal(10), "USD"), default=True),)
"""Ten, in the balance's own currency."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on the sum of all seats in one currency within a calendar month (UTC)."""

    amount: Money
    thresholds: tuple[Threshold, ...] = (Threshold(percent=Decimal(80)), Threshold(percent=Decimal(100)))


NOT_POSTED = "this kind of event is not posted"
"""Instead of the key of another event, in `muted_by`."""
POSTED_BY_DEFAULT = frozenset(EventKind) - {EventKind.SPEND_SPIKE, EventKind.WINDOW_RESET}


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """`timezone` decides which day it is. `kinds` are the events that are posted at all. A source is down
    after `source_grace`, a silent pushing seat after `push_silence`."""

    thresholds: tuple[Threshold, ...] = DEFAULT_THRESHOLDS
    balance_levels: tuple[Threshold, ...] = DEFAULT_BALANCE_LEVELS
    """Amounts. A balance of 0 is always reported."""
    renewal_days: tuple[int, ...] = (3,)
    budgets: tuple[Budget, ...] = ()
    source_grace: timedelta = timedelta(minutes=30)
    push_silence: timedelta = timedelta(days=3)
    """How long the machine of a push seat may be silent before an alert."""
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    kinds: frozenset[EventKind] = POSTED_BY_DEFAULT

    def enabled(self, *events: Event) -> tuple[Event, ...]:
        """The events whose kind is posted at all. An end of an alert is never left out: without it the alert's post
        would stay open. If its kind is not posted, it ends the alert in silence."""
        found = []
        for event in events:
            if event.kind in self.kinds:
                found.append(event)
            elif event.resolves is not None:
                found.append(event if event.muted_by else replace(event, muted_by=NOT_POSTED))
        return tuple(found)
