"""Calendar months in UTC, and when a spend counter has started again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

CLOCK_SKEW = timedelta(minutes=5)
"""How far the clocks of meterbot, of a pushing machine and of the service may differ."""
RESET_LAG = timedelta(hours=6)
"""How long after midnight the service may still show last month's counter."""


def calendar_month(at: datetime) -> str:
    """`2026-05`, in UTC."""
    return f"{at.year:04}-{at.month:02}"


def month_of(at: datetime) -> str:
    """The UTC month an instant falls in, `2026-05`. The last minutes before midnight count as the new month's,
    because a reset may be seen a little early."""
    return calendar_month(at + CLOCK_SKEW)


def month_start(month: str) -> datetime:
    return datetime.fromisoformat(f"{month}-01T00:00:00+00:00")


def month_end(month: str) -> datetime:
    """When a counter whose period began in `month` starts again."""
    start = datetime.fromisoformat(f"{month}-01")
    return datetime(start.year + start.month // 12, start.month % 12 + 1, 1, tzinfo=UTC)


def rolled_over(month: str, before: Decimal, after: Decimal, at: datetime) -> bool:
    """Whether a counter whose period began in `month` has started again, when `before` became `after` at `at`.

    A new month alone proves nothing, because the reset may be late. A fall proves it, even minutes before midnight.
    Six hours into the month the service has started again, so a higher amount is the new month's. The same amount
    proves nothing, unless it is 0.
    """
    if after < before:
        return month_of(at) > month
    current = calendar_month(at)
    if current <= month:
        return False
    return before == 0 or (after > before and at >= month_start(current) + RESET_LAG)


def month_after(month: str, at: datetime) -> str:
    """The month of the period that begins at `at`, after one that began in `month`."""
    current = calendar_month(at)
    return current if current > month else month_of(at)


def opening_month(used: Decimal, at: datetime) -> str:
    """The month of a counter that is first read at `at`: in the first six hours it may still be last month's."""
    month = calendar_month(at)
    if used > 0 and at < month_start(month) + RESET_LAG:
        return calendar_month(month_start(month) - CLOCK_SKEW)
    return month
