"""Counters that several seats read: which seat one belongs to, and what the seats know together.

A push changes only a counter that no other owner's seat holds; the first seat that names a counter holds it. A seat
that meterbot reads itself proves its account, and replaces a seat that only claims it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from meterbot.core.models import LastKnown, Seat
from meterbot.rules.merging import explained
from meterbot.rules.months import calendar_month

_UNPROVEN = "push"


def is_verified(seat: Seat) -> bool:
    """Whether meterbot reads the account itself, with the account's own credential."""
    return seat.source != _UNPROVEN


def same_owner(one: Seat, other: Seat) -> bool:
    """Whether both name the same person on one platform. A seat without an owner belongs to nobody else."""
    return one.name == other.name or not one.owner.items().isdisjoint(other.owner.items())


def refused_for(seat: Seat, holders: Iterable[Seat]) -> Seat | None:
    """The other owner's seat because of which a push of `seat` is refused. `holders`: the seats that hold the
    counters in the push."""
    if is_verified(seat):
        return None
    return next((holder for holder in holders if not same_owner(seat, holder)), None)


def displaced_by(seat: Seat, holders: Iterable[Seat]) -> list[Seat]:
    """The holders that only claimed a counter which `seat` has now proven: their readings of it are deleted."""
    if not is_verified(seat):
        return []
    return [holder for holder in holders if not is_verified(holder) and not same_owner(seat, holder)]


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
