"""Compares amounts with levels."""

from collections.abc import Iterable
from decimal import Decimal

from meterbot.core import money
from meterbot.core.money import Money, default_places
from meterbot.rules.memory import Cap
from meterbot.rules.settings import UNCAPPED_STEP, Threshold


def reached(step: Threshold, used: Money, cap: Money | None) -> bool:
    """Whether `used` is at or above the level. A percentage of no cap, or of a cap of 0, is never reached."""
    if step.amount is not None:
        return step.amount.currency == used.currency and used.major >= step.amount.major
    share = None if cap is None else money.percent(used, cap)
    return share is not None and step.percent is not None and share >= step.percent


def levels_for(steps: Iterable[Threshold], used: Money, cap: Cap | None) -> list[Threshold]:
    """The levels of a seat with this cap. Default amounts for seats without a cap are converted to the seat's
    currency; above the highest there is one more at every further `UNCAPPED_STEP`, of which only the last one reached
    is listed."""
    held, uncapped = [], []
    for step in steps:
        if not step.uncapped:
            held.append(step)
        elif cap == "none" and step.amount is not None:
            uncapped.append(restated(step.amount.minor, used))
    if uncapped:
        top = max(amount.minor for amount in uncapped)
        unit = UNCAPPED_STEP.minor
        last = used.minor.scaleb(default_places(used.currency) - used.exponent) // unit * unit
        uncapped += [restated(last, used)] if last > top else []
    return [*held, *(Threshold(amount=amount, uncapped=True) for amount in uncapped)]


def restated(minor: Decimal, used: Money) -> Money:
    """As many hundredths (yen, won) in the currency of `used`."""
    return Money(minor, used.currency, default_places(used.currency))


def in_order(steps: Iterable[Threshold], cap: Money | None) -> list[Threshold]:
    """Lowest first; percentages are compared with amounts by what they amount to."""

    def comes_to(step: Threshold) -> tuple[Decimal, bool]:
        if step.amount is not None:
            return step.amount.major, False
        share = (step.percent or Decimal(0)) / 100
        return share * (cap.major if cap else 1), True

    return sorted(steps, key=comes_to)
