"""The health words: which are refusals, which of several is the worst, and what a person can do about each."""

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


_REMEDIES = {
    Health.OK: "Nothing to do.",
    Health.STALE: "Nothing was read for three intervals: look in meterbot's log for the reason.",
    Health.SESSION_EXPIRED: "Sign in again and give meterbot the new credential.",
    Health.CHALLENGED: "claude.ai asks this machine to prove it is a browser: let the seat's own machine push instead.",
    Health.RATE_LIMITED: "Nothing to do: meterbot waits and asks again. Other programs may share the same limit.",
    Health.DRIFTED: "The answer has a new shape: update meterbot; if it is up to date, report the named field.",
    Health.UNREACHABLE: "Check this machine's network and the service's status page.",
    Health.REFUSED: "Waiting will not help: check the kind of credential, the region and the organization.",
    Health.NEVER_SEEN: "Nothing has been read yet: wait for the first reading, or check the seat's configuration.",
}
_REMEDIES_OF = {
    "push": {
        Health.STALE: "Start `meterbot push` on the seat's machine, or wait until that machine is awake.",
        Health.NEVER_SEEN: "The owner runs `/claude-spend join` in chat and then the line it shows on the seat's "
        "machine, or `meterbot push` there with the push token.",
        Health.SESSION_EXPIRED: "Sign in to Claude Code again on the seat's machine.",
        Health.UNREACHABLE: "Run `meterbot push` on the seat's machine: it says what it cannot read.",
        Health.DRIFTED: "Update meterbot here and on the seat's machine; if both are up to date, report the named field.",
        Health.REFUSED: "Sign in to the seat's own account on its machine. If the seat has a new account, the operator "
        "runs `meterbot seat forget --account` for it; if two seats have one account, the operator removes one of them.",
    },
    "claude_ai": {
        Health.SESSION_EXPIRED: "Sign in to claude.ai and replace the seat's session key.",
    },
    "claude_code": {
        Health.SESSION_EXPIRED: "Run `claude` once on the machine where it is signed in: it renews its token.",
        Health.REFUSED: "Use the token of a signed-in Claude Code: one from `setup-token` cannot read usage.",
    },
    "admin_api": {
        Health.REFUSED: "An admin of the organization makes a new admin key in the Console: other keys cannot read its "
        "costs.",
        Health.CHALLENGED: "Something between this machine and the API answers in its place: see to the network.",
    },
}


def remedy(health: Health, source: str) -> str:
    """What a person can do about an unhealthy source, in one line."""
    return _REMEDIES_OF.get(source, {}).get(health, _REMEDIES[health])
