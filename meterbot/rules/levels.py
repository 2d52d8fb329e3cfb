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
        if not step.default:
            held.append(step)
        elif cap == "none" and step.amount is not None:
            uncapped.append(step.amount.minor)
    if uncapped:
        unit, places = UNCAPPED_STEP.minor, min(default_places(used.currency), 2)
        last = used.minor.scaleb(places - used.exponent) // unit * unit
        uncapped += [last] if last > max(uncapped) else []
    return [*held, *(Threshold(amount=restated(amount, used), default=True) for amount in uncapped)]


def restated(hundredths: Decimal, used: Money) -> Money:
    """The level's number of hundredths in the currency of `used`, also of yen or won, which have none: $25.00 is
    ¥2,500."""
    places = default_places(used.currency)
    return Money(hundredths.scaleb(max(places - 2, 0)), used.currency, places)


def raised(old: Cap | None, new: Cap | None) -> bool:
    """Whether a cap was raised, or removed."""
    if isinstance(old, Money) and isinstance(new, Money):
        return old.currency == new.currency and new.major > old.major
    return isinstance(old, Money) and new == "none"


def in_order(steps: Iterable[Threshold], cap: Money | None) -> list[Threshold]:
    """Lowest first; percentages are compared with amounts by what they amount to."""

    def comes_to(step: Threshold) -> tuple[Decimal, bool]:
        if step.amount is not None:
            return step.amount.major, False
        share = (step.percent or Decimal(0)) / 100
        return share * (cap.major if cap else 1), True

    return sorted(steps, key=comes_to)
