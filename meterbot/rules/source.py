"""Is a seat's source down, back, or speaking for somebody else."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from meterbot.core.models import (
    Event,
    EventKind,
    Health,
    Seat,
    Severity,
    Snapshot,
    SourceState,
)
from meterbot.rules.facts import instant
from meterbot.rules.memory import SourceMemory
from meterbot.rules.pace_and_caps import CLOCK_SKEW
from meterbot.rules.settings import RuleSettings

_ONE_READING = timedelta(minutes=1)

_REMEDIES = {
    Health.OK: "Nothing to do.",
    Health.STALE: "Nothing new has arrived for three intervals: see that the seat's machine and its reader run.",
    Health.SESSION_EXPIRED: "Sign in again and give meterbot the new credential.",
    Health.CHALLENGED: "claude.ai asks this machine to prove it is a browser: let the seat's own machine push instead.",
    Health.RATE_LIMITED: "Nothing to do: meterbot waits and asks again. Other programs may share the same limit.",
    Health.DRIFTED: "The answer has a new shape: update meterbot; if it is up to date, report the named field.",
    Health.UNREACHABLE: "Check this machine's network and the service's status page.",
    Health.REFUSED: "Waiting will not help: check the kind of credential, the region and the organization.",
    Health.NEVER_SEEN: "Nothing has been read yet: wait for the first reading, or check the seat's configuration.",
}

_REMEDIES_OF_SOURCE = {
    (
        "push",
        Health.STALE,
    ): "Start `meterbot push` on the seat's machine, or wait until that machine is awake.",
    ("push", Health.NEVER_SEEN): "Run `meterbot push` on the seat's machine with the seat's push token.",
    ("push", Health.SESSION_EXPIRED): "Sign in to Claude Code again on the seat's machine.",
    ("push", Health.UNREACHABLE): "Run `meterbot push` on the seat's machine: it says what it cannot read.",
    (
        "push",
        Health.DRIFTED,
    ): "Update meterbot here and on the seat's machine; if both are up to date, report the named field.",
    (
        "push",
        Health.REFUSED,
    ): "Push from the seat's own account; if it is meant to be another one now: `meterbot seat forget NAME --account`.",
    ("claude_ai", Health.SESSION_EXPIRED): "Sign in to claude.ai and replace the seat's session key.",
    (
        "claude_code",
        Health.SESSION_EXPIRED,
    ): "Run `claude` once on the machine where it is signed in: it renews its token.",
    (
        "claude_code",
        Health.REFUSED,
    ): "Use the token of a signed-in Claude Code: one from `setup-token` cannot read usage.",
    (
        "admin_api",
        Health.REFUSED,
    ): "An admin of the organization makes a new admin key in the Console: other keys cannot read its costs.",
    (
        "admin_api",
        Health.CHALLENGED,
    ): "Something between this machine and the API answers in its place: see to the network.",
}


def remedy(health: Health, source: str) -> str:
    """What a person can do about it, in one line."""
    return _REMEDIES_OF_SOURCE.get((source, health), _REMEDIES[health])


def watch_source(
    memory: SourceMemory, state: SourceState, seat: Seat, settings: RuleSettings, now: datetime
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """One alert per stretch of ill health that outlasts the grace time, ended by a healthy reading.

    Changing from one ailment to another is the same stretch. Waiting for the first reading is none. To be called when
    the state changes and as time passes.
    """
    if state.health is Health.NEVER_SEEN:
        return memory, ()
    if state.health is Health.OK:
        if memory.unhealthy_since is None and memory.down is None:
            return memory, ()
        recovered = replace(memory, unhealthy_since=None, down=None)
        return recovered, _told(_up(memory, seat, now), settings)
    since = min(memory.unhealthy_since or state.since or now, now)  # the clock may have been set back
    memory = replace(memory, unhealthy_since=since)
    if memory.down is not None or now - since <= settings.source_grace:
        return memory, ()
    event = _down(state, seat, since, now)
    return replace(memory, down=event.key), _told(event, settings)


def _down(state: SourceState, seat: Seat, since: datetime, now: datetime) -> Event:
    advice = remedy(state.health, seat.source)
    return Event(
        key=f"source_down:{seat.name}:{instant(since)}",
        kind=EventKind.SOURCE_DOWN,
        at=now,
        severity=Severity.WARNING,
        reason=f"no healthy reading since {since:%Y-%m-%d %H:%M} UTC, the last answer was {state.health.value}",
        seat=seat.name,
        facts={
            "health": state.health.value,
            "since": instant(since),
            "detail": state.detail,
            "remedy": advice,
            "last_ok_at": instant(state.last_ok_at),
        },
    )


def _up(memory: SourceMemory, seat: Seat, now: datetime) -> Event | None:
    if memory.down is None or memory.unhealthy_since is None:
        return None
    since = memory.unhealthy_since
    return Event(
        key=f"source_up:{seat.name}:{instant(since)}",
        kind=EventKind.SOURCE_UP,
        at=now,
        severity=Severity.GOOD,
        reason=f"healthy again after having been down since {since:%Y-%m-%d %H:%M} UTC",
        seat=seat.name,
        resolves=memory.down,
        facts={"down_since": instant(since)},
    )


def watch_identity(
    memory: SourceMemory, snapshot: Snapshot, settings: RuleSettings, now: datetime
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """Whether the seat's readings are suddenly somebody else's. Each new identity is told once.

    Without an account id (claude-meter's JSON has none) the email and the organization stand in for it; what is read
    within a minute are memberships of one account.
    """
    at = snapshot.fetched_at
    if memory.identity_at is not None and memory.identity_at > now + CLOCK_SKEW:
        memory = replace(memory, identity_at=None)  # the clock was set back since
    if snapshot.org_uuid is None or (memory.identity_at is not None and at < memory.identity_at):
        return memory, ()
    seen = _identities(snapshot)
    what = _changed(memory.identities, seen)
    if what == "organization" and memory.identity_at is not None and at - memory.identity_at < _ONE_READING:
        what = None
    new = [identity for identity in seen if identity not in memory.identities]
    memory = replace(memory, identities=(*memory.identities, *new), identity_at=at)
    if what is None:
        return memory, ()
    event = Event(
        key=f"identity_changed:{snapshot.seat}:{instant(at)}",
        kind=EventKind.IDENTITY_CHANGED,
        at=min(at, now),
        severity=Severity.WARNING,
        reason=f"the {what} of this reading is none that this seat had before",
        seat=snapshot.seat,
        facts={"what": what, "org": snapshot.org_uuid},
    )
    return memory, _told(event, settings)


def stranger(memory: SourceMemory, snapshots: Iterable[Snapshot]) -> str | None:
    """`account` or `email`: what shows that one of these is of another account than the seat's readings before it."""
    past = memory.identities
    for snapshot in snapshots:
        seen = _identities(snapshot)
        what = _changed(past, seen)
        if what is not None and what != "organization":
            return what
        past = (*past, *seen)
    return None


def _identities(snapshot: Snapshot) -> list[str]:
    """`account:…`, `email:…`, `organization:…`, as far as they are known."""
    identities = [f"organization:{snapshot.org_uuid}"]
    if snapshot.account_uuid is not None:
        identities.append(f"account:{snapshot.account_uuid}")
    if snapshot.account_email is not None:
        # Enough to tell two apart, without keeping the address once more.
        address = snapshot.account_email.strip().lower()
        identities.append(f"email:{sha256(address.encode()).hexdigest()[:16]}")
    return identities


def _changed(past: Sequence[str], seen: Sequence[str]) -> str | None:
    """Which of them is new where another was known. Where the account is known, only the account counts."""
    by_kind = {identity.partition(":")[0]: identity for identity in seen}
    for kind in ["account"] if "account" in by_kind else ["email", "organization"]:
        known = any(identity.startswith(f"{kind}:") for identity in past)
        if known and kind in by_kind and by_kind[kind] not in past:
            return kind
    return None


def _told(event: Event | None, settings: RuleSettings) -> tuple[Event, ...]:
    return () if event is None or event.kind not in settings.kinds else (event,)
