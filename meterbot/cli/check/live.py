"""Checks that need the services: tokens, scopes, channels, permissions, seats, the schema, the clock.

Nothing is posted or changed, except a session key that claude.ai renews meanwhile.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from meterbot.app.channels import discord_checks, slack_checks
from meterbot.app.config import Config
from meterbot.cli import seat_reads
from meterbot.cli.check.surroundings import database_unread
from meterbot.core.errors import StartError
from meterbot.core.findings import Check, Status
from meterbot.core.health import remedy
from meterbot.core.models import Health, Seat, Snapshot, SourceState
from meterbot.core.plans import plan_mismatch
from meterbot.core.text import listed
from meterbot.delivery.routing import OWNER
from meterbot.ingest.pushes import PUSH
from meterbot.store import Glance
from meterbot.store.database import glance
from meterbot.store.errors import URL_NAMES

READ_SECONDS = 60.0
"""Seconds in which all seats together must answer."""

_JUST_NOW = timedelta(minutes=1)
_NOTICEABLE, _TOO_MUCH = timedelta(seconds=30), timedelta(minutes=5)
_HARMLESS = {Health.STALE, Health.RATE_LIMITED, Health.NEVER_SEEN}

Now = Callable[[], datetime]


async def live_checks(config: Config, now: Now, environ: Mapping[str, str] | None = None) -> list[Check]:
    """Contacts everybody at once; the findings keep their order."""
    database, known = await _database(config, environ or {})
    direct_messages = await _sends_direct_messages(config)
    (slack, slack_clock), (discord, discord_clock), seats = await asyncio.gather(
        slack_checks(config, now, with_connection=True, direct_messages=direct_messages),
        discord_checks(config, now, with_connection=True),
        _seats(config, known, now()),
    )
    clocks = {"Slack": slack_clock, "Discord": discord_clock}
    return [database, *slack, *discord, *seats, *clock(clocks)]


async def _database(config: Config, environ: Mapping[str, str]) -> tuple[Check, Glance | None]:
    try:
        seen = await glance(config.database_url.get_secret_value())
    except StartError as error:
        return database_unread("schema", error, environ), None
    return schema(seen), seen


def schema(seen: Glance) -> Check:
    """Whether the database has this version's schema."""
    if seen.found is None:
        return Check(
            "schema", Status.OK, f"the database is empty: the first start makes schema {seen.newest}"
        )
    if seen.unknown:
        sentence = f"the database has schema {seen.found}, which this version does not know"
        older = seen.found < seen.newest
        step = f"set another database in {URL_NAMES}" if older else "install the newer version again"
        return Check("schema", Status.FAIL, sentence, step)
    if seen.found != seen.newest:
        sentence = f"the database has schema {seen.found}, this version's is {seen.newest}"
        return Check(
            "schema", Status.WARN, sentence, "run `meterbot db upgrade`, or let the next start do it"
        )
    pooler = "; it is behind a connection pooler, which works" if seen.pooled else ""
    return Check("schema", Status.OK, f"the database has this version's schema, {seen.newest}{pooler}")


async def _sends_direct_messages(config: Config) -> bool:
    """Whether a route, a digest, an invitation or the first push of a seat sends some on Slack."""
    seats = (await seat_reads.seats_at_hand(config)).values()
    if any(seat.source == PUSH and "slack" in seat.owner for seat in seats):
        return True
    routes = any(place == OWNER for route in config.alerts.routes for place in route.to)
    return routes or (config.digest is not None and {*config.digest.to} != {"channel"})


# --- seats and clocks


async def _seats(config: Config, seen: Glance | None, now: datetime) -> list[Check]:
    """One reading of every seat that may be read now; for those that push, the last one that arrived."""
    seats = config.seat_list()
    if seen is None or (seen.there and seen.found != seen.newest):
        sentence = "no seat was read: upgrade the database first"
        return [Check("seat_read", Status.WARN, sentence, "correct the database, then check again")]
    waiting = {
        seat.name: check for seat in seats if (check := unasked(seat, seen.sources.get(seat.name), now))
    }
    names = [seat.name for seat in seats if seat.name not in waiting]
    try:
        async with asyncio.timeout(READ_SECONDS):
            shots = await seat_reads.read_seats(config, names, now) if names else []
    except TimeoutError:
        sentence = f"{listed(names)} did not answer within {READ_SECONDS:g} seconds"
        return [*waiting.values(), Check("seat_read", Status.FAIL, sentence, remedy(Health.UNREACHABLE, ""))]
    return [*waiting.values(), *readings(seats, shots), *plans(seats, shots)]


def unasked(seat: Seat, state: SourceState | None, now: datetime) -> Check | None:
    """The finding about a seat that is not read now: it was just read, or the service asked to wait."""
    if state is None or seat.source == PUSH:
        return None
    if state.health is Health.OK and state.last_ok_at is not None and now - state.last_ok_at < _JUST_NOW:
        return Check("seat_read", Status.OK, f"{seat.name} was read within the last minute")
    if state.health is not Health.OK and state.next_due is not None and state.next_due > now:
        why = state.health.value.replace("_", " ")
        sentence = f"{seat.name} is not read before {state.next_due:%Y-%m-%d %H:%M} UTC: {why}"
        return Check("seat_read", Status.WARN, sentence, remedy(state.health, seat.source))
    return None


def readings(seats: Iterable[Seat], shots: Iterable[Snapshot]) -> Iterator[Check]:
    """One finding for each seat that was read: the worst of its organizations."""
    sources = {seat.name: seat.source for seat in seats}
    worst: dict[str, Snapshot] = {}
    for shot in shots:
        if shot.seat not in worst or worst[shot.seat].health is Health.OK:
            worst[shot.seat] = shot
    for name, shot in worst.items():
        if shot.health is Health.OK:
            yield Check("seat_read", Status.OK, f"{name} was read")
            continue
        detail = shot.detail or next(iter(shot.errors), None)
        sentence = f"{name}: {shot.health.value.replace('_', ' ')}" + (f" ({detail})" if detail else "")
        status = Status.WARN if shot.health in _HARMLESS else Status.FAIL
        yield Check("seat_read", status, sentence, remedy(shot.health, sources[name]))


def plans(seats: Iterable[Seat], shots: Sequence[Snapshot]) -> Iterator[Check]:
    """Whether an account has the configured plan, by which its fee is counted."""
    for seat in seats:
        tiers = [shot.tier for shot in shots if shot.seat == seat.name]
        if trouble := plan_mismatch(seat.name, seat.plan, tiers):
            remedy_ = "correct plan (and plan_price, if there is one) in the configuration"
            yield Check("plan", Status.WARN, trouble, remedy_)


def clock(ahead: Mapping[str, timedelta | None]) -> Iterator[Check]:
    """Whether this machine's clock is right. `ahead`: how far each service's clock is ahead of it, with a resolution
    of a second."""
    known = {name: gap for name, gap in ahead.items() if gap is not None}
    if not known:
        return
    name, gap = max(known.items(), key=lambda one: abs(one[1]))
    if abs(gap) < _NOTICEABLE:
        yield Check("clock", Status.OK, f"this machine's clock agrees with that of {name}")
        return
    sentence = (
        f"this machine's clock is {abs(gap).total_seconds():.0f} seconds {'behind' if gap > timedelta() else 'ahead of'}"
        f" that of {name}"
    )
    status = Status.FAIL if abs(gap) >= _TOO_MUCH else Status.WARN
    yield Check("clock", status, sentence, "set the clock with NTP, for example `timedatectl set-ntp true`")
