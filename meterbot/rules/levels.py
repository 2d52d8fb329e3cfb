"""Levels against amounts."""

from collections.abc import Iterable
from decimal import Decimal

from meterbot.core import money
from meterbot.core.money import Money
from meterbot.rules.settings import Threshold


def reached(step: Threshold, used: Money, cap: Money | None) -> bool:
    """Whether `used` is at or above the level. A percentage of no cap, or of a cap of 0, is never reached."""
    if step.amount is not None:
        return step.amount.currency == used.currency and used.major >= step.amount.major
    share = None if cap is None else money.percent(used, cap)
    return share is not None and step.percent is not None and share >= step.percent


def in_order(steps: Iterable[Threshold], cap: Money | None) -> list[Threshold]:
    """Lowest first, percentages compared with amounts by what they come to."""

    def comes_to(step: Threshold) -> tuple[Decimal, bool]:
        if step.amount is not None:
            return step.amount.major, False
        share = (step.percent or Decimal(0)) / 100
        return share * (cap.major if cap else 1), True

    return sorted(steps, key=comes_to)
