"""Which seat a counter belongs to.

A push changes only a counter that no other owner's seat holds; the first seat that names a counter holds it. A seat
that meterbot reads itself proves its account, and replaces a seat that only claims it.
"""

from collections.abc import Iterable

from meterbot.core.models import Seat

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
