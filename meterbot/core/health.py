"""Which health words are refusals, and which of several is the worst."""

from collections.abc import Sequence

from meterbot.core.models import Health, Snapshot

REFUSALS = frozenset(
    {Health.SESSION_EXPIRED, Health.CHALLENGED, Health.RATE_LIMITED, Health.UNREACHABLE, Health.REFUSED}
)
"""The health words of readings without a usable answer."""


# If several organizations were read, the worst health is the source's.
_WORST_FIRST = (
    Health.SESSION_EXPIRED,
    Health.CHALLENGED,
    Health.REFUSED,
    Health.RATE_LIMITED,
    Health.UNREACHABLE,
    Health.DRIFTED,
    Health.STALE,
    Health.NEVER_SEEN,
    Health.OK,
)


def worst(reading: Sequence[Snapshot]) -> Snapshot:
    """The snapshot with the worst health of one reading; its health is the source's."""
    return min(reading, key=lambda snapshot: _WORST_FIRST.index(snapshot.health))


def failures_after(failures: int, health: Health) -> int:
    """Refusals in a row after this answer: a usable answer resets them."""
    return failures + 1 if health in REFUSALS else 0
