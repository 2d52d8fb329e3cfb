"""When a rolling window will be full, from its last points."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from meterbot.core.models import Window, WindowPoint

_SPACING = timedelta(minutes=15)
_WEEKLY_SPACING = timedelta(hours=8)
_MOST = 4
_FEWEST = 3
SAME_RESET = timedelta(minutes=5)
"""The service's times of one reset differ a little from reading to reading."""

Trail = Mapping[str, tuple[WindowPoint, ...]]


def extended(trail: Trail, windows: Iterable[Window], at: datetime) -> dict[str, tuple[WindowPoint, ...]]:
    """The points with a new reading of all windows. A window that was reset, or fell, begins again."""
    found = {}
    for window in windows:
        if window.utilization is None:
            continue
        point = WindowPoint(at, window.utilization, window.resets_at)
        points = trail.get(window.name, ())
        if points and not _goes_on(points[-1], point):
            points = ()
        spacing = _SPACING if window.name == "five_hour" else _WEEKLY_SPACING
        if not points or at - points[-1].at >= spacing:
            points = (*points, point)[-_MOST:]
        found[window.name] = points
    return found


def _goes_on(last: WindowPoint, point: WindowPoint) -> bool:
    if point.utilization < last.utilization:
        return False
    if last.resets_at is None or point.resets_at is None:
        return True
    return abs(point.resets_at - last.resets_at) <= SAME_RESET


def full_at(window: Window, trail: Trail, read_at: datetime) -> datetime | None:
    """When the window of `read_at` will be full at its pace. None if it is full, has fewer than three points, does
    not change, or resets first."""
    points = [point for point in trail.get(window.name, ()) if point.at < read_at]
    if window.full or window.utilization is None or len(points) + 1 < _FEWEST:
        return None
    now = WindowPoint(read_at, window.utilization, window.resets_at)
    risen = now.utilization - points[0].utilization
    if not _goes_on(points[-1], now) or risen <= 0:
        return None
    left = (Decimal(100) - now.utilization) / risen
    then = read_at + (read_at - points[0].at) * float(left)
    return None if window.resets_at is not None and then >= window.resets_at else then
