"""Whose counter it is: a push moves only a counter that no other owner's seat holds.

The first seat that names a counter holds it. A seat that meterbot reads itself proves whose account it is; a push only
says so, and gives way to that proof.
"""

from collections.abc import Iterable

from meterbot.core.models import Seat

_UNPROVEN = "push"


def is_verified(seat: Seat) -> bool:
    """Whether meterbot reads the account itself, with the account's own credential."""
    return seat.source != _UNPROVEN


def same_owner(one: Seat, other: Seat) -> bool:
    """Whether both name the same person on one platform. A seat without an owner has an owner of its own."""
    return one.name == other.name or not one.owner.items().isdisjoint(other.owner.items())


def refused_for(seat: Seat, holders: Iterable[Seat]) -> Seat | None:
    """The seat of another owner because of which a push of `seat` is refused. `holders`: the seats that hold the
    counters which the push names."""
    if is_verified(seat):
        return None
    return next((holder for holder in holders if not same_owner(seat, holder)), None)


def displaced_by(seat: Seat, holders: Iterable[Seat]) -> list[Seat]:
    """The holders that only claimed a counter which `seat` is now proven to have: what they sent of it is not kept."""
    if not is_verified(seat):
        return []
    return [holder for holder in holders if not is_verified(holder) and not same_owner(seat, holder)]
