"""Notices when a seat's readings are suddenly those of another account."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256

from meterbot.core.models import Event, EventKind, Severity, Snapshot
from meterbot.rules.fact_json import instant
from meterbot.rules.memory import SourceMemory
from meterbot.rules.months import CLOCK_SKEW
from meterbot.rules.settings import RuleSettings

_ONE_READING = timedelta(minutes=1)


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
