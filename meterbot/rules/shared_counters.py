"""Completes what a seat knows of a counter with what another seat of the same counter knows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core.models import LastKnown
from meterbot.rules.merging import explained
from meterbot.rules.months import calendar_month


@dataclass(frozen=True, slots=True)
class Shared:
    """`known` of one seat, completed. `through`: part (`windows`, `spend`, `block`, `subscription`) → the other seat
    that knows it."""

    known: LastKnown
    through: Mapping[str, str]


def completed(own: LastKnown, others: Mapping[str, LastKnown]) -> Shared:
    """A seat's knowledge of a counter, with parts that it never read taken from the newest other reading. `others`:
    by the seat's name. The reason of a block must be from the same month (UTC) as the amount."""
    known, through = own, dict[str, str]()
    for name in sorted(others, key=lambda name: others[name].snapshot.fetched_at, reverse=True):
        other = others[name]
        if known.windows_at is None and other.windows_at is not None:
            through["windows"] = name
            snapshot = replace(known.snapshot, windows=other.snapshot.windows)
            known = replace(known, snapshot=snapshot, windows_at=other.windows_at, trail=other.trail)
        if known.extra_usage_at is None and other.extra_usage_at is not None:
            through["spend"] = name
            snapshot = replace(known.snapshot, extra_usage=other.snapshot.extra_usage)
            known = replace(known, snapshot=snapshot, extra_usage_at=other.extra_usage_at)
        if known.subscription_at is None and other.subscription_at is not None:
            through["subscription"] = name
            snapshot = replace(known.snapshot, subscription=other.snapshot.subscription)
            known = replace(known, snapshot=snapshot, subscription_at=other.subscription_at)
        if (explained := _with_why(known, other)) is not None:
            through["block"] = name
            known = explained
    return Shared(known, through)


def _with_why(known: LastKnown, other: LastKnown) -> LastKnown | None:
    """With the other's knowledge of a block; None if that is nothing new, or of another month."""
    extra, theirs = known.snapshot.extra_usage, other.snapshot.extra_usage
    if extra is None or extra.why_known or theirs is None or not theirs.why_known:
        return None
    if _month(known.extra_usage_at) != _month(other.extra_usage_at):
        return None
    return replace(known, snapshot=replace(known.snapshot, extra_usage=explained(extra, theirs)))


def _month(at: datetime | None) -> str | None:
    return None if at is None else calendar_month(at)
