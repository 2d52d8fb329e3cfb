"""The rules of a seat's source: it is down, its account is another one, or its session ends soon."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from meterbot.core.health import remedy
from meterbot.core.models import (
    Event,
    EventKind,
    Health,
    LastKnown,
    Seat,
    SessionEnd,
    Severity,
    Snapshot,
    SourceState,
)
from meterbot.rules.endings import silent_end
from meterbot.rules.fact_json import instant, money_fact
from meterbot.rules.memory import SourceMemory
from meterbot.rules.months import CLOCK_SKEW
from meterbot.rules.settings import RuleSettings

_ONE_READING = timedelta(minutes=1)
SESSION_DAYS = (7, 3, 1)
"""How many days before its end a session is reported."""
_OVERDUE = timedelta(days=14)
"""How long after an estimated end that nobody was alerted to an alert still makes sense."""


def watch_source(
    memory: SourceMemory,
    state: SourceState,
    seat: Seat,
    settings: RuleSettings,
    now: datetime,
    *,
    known: Iterable[LastKnown] = (),
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """One alert per outage that lasts longer than the grace time, ended by a healthy reading.

    A change from one failure to another is the same outage. Waiting for the first reading is none. Called when the
    state changes and as time passes. `known`: what is known of each of the seat's counters.
    """
    if state.health is Health.NEVER_SEEN:
        return memory, ()
    if state.health is Health.OK:
        if memory.unhealthy_since is None:
            return memory, ()
        ends = [] if memory.down is None else [_up(seat, memory.down, memory.unhealthy_since, now)]
        return replace(memory, unhealthy_since=None, down=None), settings.enabled(*ends)
    since = min(memory.unhealthy_since or state.since or now, now)  # the clock may have been set back
    memory = replace(memory, unhealthy_since=since)
    if memory.down is not None or not _is_late(state, seat, now - since, settings, now):
        return memory, ()
    event = _down(state, seat, since, now, known)
    return replace(memory, down=event.key), settings.enabled(event)


def _is_late(
    state: SourceState, seat: Seat, lasted: timedelta, settings: RuleSettings, now: datetime
) -> bool:
    """A silent machine may be a laptop that is switched off, which is no failure."""
    if seat.source == "push" and state.health is Health.STALE and state.last_ok_at is not None:
        return now - state.last_ok_at > settings.push_silence
    return lasted > settings.source_grace


def _down(
    state: SourceState, seat: Seat, since: datetime, now: datetime, known: Iterable[LastKnown]
) -> Event:
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
            "remedy": remedy(state.health, seat.source),
            "last_ok_at": instant(state.last_ok_at),
            **_last_amount(known),
        },
    )


def _last_amount(known: Iterable[LastKnown]) -> dict[str, object]:
    """The last good amount and when it was read. Of several organizations no single amount is the seat's."""
    read = [
        (one.extra_usage_at, extra.used)
        for one in known
        if (extra := one.snapshot.extra_usage) is not None
        and extra.used is not None
        and one.extra_usage_at is not None
    ]
    at, used = read[0] if len(read) == 1 else (None, None)
    return {"last_used": money_fact(used), "last_used_at": instant(at)}


def _up(seat: Seat, down: str, since: datetime, now: datetime) -> Event:
    return Event(
        key=f"source_up:{seat.name}:{instant(since)}",
        kind=EventKind.SOURCE_UP,
        at=now,
        severity=Severity.GOOD,
        reason=f"healthy again after having been down since {since:%Y-%m-%d %H:%M} UTC",
        seat=seat.name,
        resolves=down,
        facts={"down_since": instant(since)},
    )


def watch_identity(
    memory: SourceMemory, snapshot: Snapshot, settings: RuleSettings, now: datetime
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """Whether the readings suddenly belong to another account. Each new identity is reported once.

    Without an account id (claude-meter's JSON has none), the e-mail address and the organization replace it; readings
    within a minute may be of several organizations of one account.
    """
    at = snapshot.fetched_at
    if memory.identity_at is not None and memory.identity_at > now + CLOCK_SKEW:
        memory = replace(memory, identity_at=None)  # the clock was set back meanwhile
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
        reason=f"this seat never had the {what} of this reading before",
        seat=snapshot.seat,
        facts={"what": what, "org": snapshot.org_uuid},
    )
    return memory, settings.enabled(event)


def stranger(memory: SourceMemory, snapshots: Iterable[Snapshot]) -> str | None:
    """`account` or `email`: which of them shows that one of these snapshots belongs to another account than before."""
    past = memory.identities
    for snapshot in snapshots:
        seen = _identities(snapshot)
        what = _changed(past, seen)
        if what is not None and what != "organization":
            return what
        past = (*past, *seen)
    return None


def _identities(snapshot: Snapshot) -> list[str]:
    """`account:…`, `email:…`, `organization:…`, as far as known."""
    identities = [f"organization:{snapshot.org_uuid}"]
    if snapshot.account_uuid is not None:
        identities.append(f"account:{snapshot.account_uuid}")
    if snapshot.account_email is not None:
        # Enough to distinguish two addresses without storing them.
        address = snapshot.account_email.strip().lower()
        identities.append(f"email:{sha256(address.encode()).hexdigest()[:16]}")
    return identities


def _changed(past: Sequence[str], seen: Sequence[str]) -> str | None:
    """Which identity is new although another one was known. If the account is known, only the account counts."""
    by_kind = {identity.partition(":")[0]: identity for identity in seen}
    for kind in ["account"] if "account" in by_kind else ["email", "organization"]:
        known = any(identity.startswith(f"{kind}:") for identity in past)
        if known and kind in by_kind and by_kind[kind] not in past:
            return kind
    return None


def ends_soon(end: SessionEnd, now: datetime) -> bool:
    """Whether this end may be worth an alert."""
    return (-_OVERDUE if end.estimated else timedelta(0)) < end.at - now <= timedelta(days=max(SESSION_DAYS))


def watch_session(
    memory: SourceMemory, end: SessionEnd, seat: Seat, settings: RuleSettings, now: datetime
) -> tuple[SourceMemory, tuple[Event, ...]]:
    """The end is one of `SESSION_DAYS` away, or closer and not yet reported. Each number is reported once per day of
    the end, only the smallest. A renewal moves the end, which starts again. An estimated end that has passed and was
    never reported is reported as `0d`, because many sessions last longer."""
    day, left = end.at.astimezone(UTC).date(), end.at - now
    alerted = memory.alerted_session_days if memory.session_end == day else ()
    reached = [days for days in SESSION_DAYS if timedelta(0) < left <= timedelta(days=days)]
    if left <= timedelta(0) and end.estimated and ends_soon(end, now) and not alerted:
        reached = [0]
    new = [days for days in reached if days not in alerted]
    if not new or EventKind.SESSION_EXPIRING not in settings.kinds:
        return memory, ()
    memory = replace(memory, session_end=day, alerted_session_days=(*alerted, *new))
    level = f"{new[-1]}d"
    event = Event(
        key=f"session_expiring:{seat.name}:{day.isoformat()}:{level}",
        kind=EventKind.SESSION_EXPIRING,
        at=now,
        severity=Severity.WARNING,
        reason=_reason(end, level),
        seat=seat.name,
        level=level,
        facts={
            "ends_at": instant(end.at),
            "estimated": end.estimated,
            "level": level,
            "also": [f"{days}d" for days in new[:-1]],
        },
    )
    return memory, (event,)


def is_renewed(alert: Event, end: SessionEnd) -> bool:
    """Whether a later session has replaced the one that the alert is about. An end that is counted again with every
    answer differs by seconds."""
    return end.at - datetime.fromisoformat(str(alert.facts["ends_at"])) > timedelta(days=1)


def renewed(alert: Event, end: SessionEnd, now: datetime) -> Event:
    """The silent end of an alert about a session that was renewed."""
    facts = {**alert.facts, "ends_at": instant(end.at), "estimated": end.estimated, "level": None, "also": []}
    event = replace(alert, at=now, level=None, facts=facts)
    return silent_end(event, alert.key, f"the session was renewed and ends at {instant(end.at)}")


def _reason(end: SessionEnd, level: str) -> str:
    if end.estimated:
        return f"the session is expected to end at {instant(end.at)}: its cookie does not say when"
    return f"the session's cookie ends at {instant(end.at)}, {level[:-1]} days or fewer from now"
