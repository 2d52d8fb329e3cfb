"""What an operator does with seats: make push tokens, list the seats, forget one."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from types import MappingProxyType
from urllib.parse import urlsplit

from meterbot.agent.main import LONGEST
from meterbot.chat.text_forms import aligned_lines
from meterbot.commands.report_json import json_object
from meterbot.commands.reports import team_report
from meterbot.commands.rows import Columns, table
from meterbot.commands.seat_lines import health_text
from meterbot.core.hosts import is_loopback
from meterbot.core.messages import Column
from meterbot.core.models import Health, Seat
from meterbot.core.seats import SeatDirectory
from meterbot.core.text import count, listed
from meterbot.ingest import pushes
from meterbot.store import Forgotten, PushToken, Store, push_tokens, source_states

SHORTEST_PUSH, LONGEST_PUSH = 300, LONGEST
"""Seconds between two readings that `meterbot push --every` takes."""


@dataclass(frozen=True, slots=True)
class SeatInfo:
    """One seat, configured or only stored. `source` is None if it is not known any more. `token_configured`: the
    configuration also has the hash of a token."""

    seat: str
    source: str | None
    configured: bool
    invited: bool
    health: Health
    last_reading: datetime | None
    token_made_at: datetime | None
    token_configured: bool

    def as_json(self) -> dict[str, object]:
        """Instants in UTC, unknown as null."""
        return json_object(asdict(self))


async def make_token(store: Store, seat: str, now: datetime, *, replace: bool) -> str | None:
    """A new token, which replaces the old one. None if there is one already and `replace` is false."""
    if not replace and any(token.seat == seat for token in await store.read(push_tokens.read)):
        return None
    token = pushes.new_token()
    new = PushToken(seat, pushes.digest(token), now)
    await store.run(lambda tx: push_tokens.write(tx, new))
    return token


def push_command(token: str, interval: float, url: str) -> str:
    """The line for the seat's machine; it sends every `interval` seconds, within the limits of `--every`."""
    seconds = int(min(max(interval, SHORTEST_PUSH), LONGEST_PUSH))
    every = f"{seconds}s" if seconds % 60 else f"{seconds // 60}m"
    return f"{_settings(token, url)} meterbot push --every {every}"


def _settings(token: str, url: str) -> str:
    return f"METERBOT_URL={shlex.quote(url)} METERBOT_PUSH_TOKEN={token}"


def push_instructions(seat: str, token: str, interval: float, url: str) -> str:
    """What to do on the seat's machine, once."""
    line, warning = push_command(token, interval, url), only_here(url)
    return (
        f"Run one of these on {seat}'s machine, where meterbot must be installed too. The token is shown only once.\n"
        "The first sends until you press Ctrl-C:\n\n"
        f"    {line}\n\n"
        "The second lets that machine's scheduler send every 15 minutes:\n\n"
        f"    {_settings(token, url)} meterbot push install\n" + (f"\n{warning}\n" if warning else "")
    )


def only_here(url: str) -> str:
    """The warning for a line with this address; empty if other machines may reach it."""
    if not is_loopback(urlsplit(url).hostname or ""):
        return ""
    return (
        f"{url} works on this machine only. For another person's machine, set public_url in [http] to an https:// "
        "address of this bot and make the line again."
    )


def toml_block(seat: str, owner: Mapping[str, str] = MappingProxyType({})) -> str:
    """What the configuration needs so that a seat may push. `owner`: platform → who."""
    whose = ", ".join(f"{platform} = {json.dumps(who)}" for platform, who in owner.items())
    lines = ["[[seats]]", f"name = {json.dumps(seat)}", 'source = "push"']
    lines += [f"owner = {{ {whose} }}"] if owner else []
    return "\n".join(lines) + "\n"


async def overview(
    store: Store, seats: SeatDirectory, digests: Mapping[str, str], now: datetime
) -> list[SeatInfo]:
    """The configured seats in the order of the configuration, then the invited ones and those of which something is
    stored, by name."""
    latest, sources = await store.read(source_states.read_team)
    tokens = {token.seat: token.made_at for token in await store.read(push_tokens.read)}
    unknown = sorted(
        (one for one in latest if one.seat not in seats), key=lambda one: (one.seat, one.counter)
    )
    known_sources = {one.seat: one.known.snapshot.source for one in unknown}
    left = sorted({*sources, *tokens, *known_sources} - seats.keys())
    everyone = [*seats.values(), *(Seat(name, known_sources.get(name, "")) for name in left)]
    report = team_report(latest, sources, everyone, now)
    health = {row.seat.name: row.health for row in report.rows}
    read: dict[str, datetime] = {}
    for one in latest:
        at = one.known.snapshot.fetched_at if one.facts is None else one.facts.fetched_at
        read[one.seat] = max(at, read.get(one.seat, at))
    return [
        SeatInfo(
            seat=seat.name,
            source=seat.source or None,
            configured=seats.is_configured(seat.name),
            invited=seat.name in seats and not seats.is_configured(seat.name),
            health=health[seat.name],
            last_reading=read.get(seat.name),
            token_made_at=tokens.get(seat.name),
            token_configured=seat.name in digests,
        )
        for seat in everyone
    ]


def overview_text(infos: Sequence[SeatInfo], tz: tzinfo) -> str:
    """One line for each seat, with its times in the time zone `tz`."""

    def minute(at: datetime | None) -> str:
        return "never" if at is None else f"{at.astimezone(tz):%Y-%m-%d %H:%M}"

    def token(info: SeatInfo) -> str:
        made = [] if info.token_made_at is None else [f"made {minute(info.token_made_at)}"]
        named = ["in the configuration"] if info.token_configured else []
        if info.source == pushes.PUSH and not made + named:
            return "not joined yet" if info.invited else f"none yet: meterbot seat add {info.seat}"
        return ", ".join(made + named)

    columns: Columns[SeatInfo] = (
        (Column("Seat"), lambda info: info.seat),
        (Column("Source"), _source_text),
        (Column("State"), lambda info: health_text(info.health)),
        (Column("Last reading"), lambda info: minute(info.last_reading)),
        (Column("Token"), token),
    )
    return "\n".join(line for one in table("", columns, infos) for line in aligned_lines(one))


def _source_text(info: SeatInfo) -> str:
    known = "" if info.configured else " (invited)" if info.invited else " (not configured)"
    return f"{info.source or '?'}{known}"


def forgotten_text(seat: str, forgotten: Forgotten) -> str:
    """What was deleted, and what was not."""
    if not forgotten:
        return f"nothing is stored about {seat}"
    counters = f"{count(forgotten.counters, 'counter')} with {count(forgotten.points, 'point')} of history"
    events = f"{count(forgotten.events, 'event')} with {count(forgotten.deliveries, 'message')}"
    parts = [
        counters if forgotten.counters else "",
        events if forgotten.events else "",
        "its push token" if forgotten.tokens else "",
        "its stored session" if forgotten.sessions else "",
        count(forgotten.pull_requests, "pull request") if forgotten.pull_requests else "",
        "its current numbers and health" if forgotten.others else "",
        "its invitation" if forgotten.invitations else "",
    ]
    text = f"deleted for {seat}: {listed([part for part in parts if part])}"
    if forgotten.shared:
        text += f"\nkept: {count(forgotten.shared, 'counter')} that another seat reads too"
    text += "\nWhat was posted in a chat stays there."
    if forgotten.invitations:
        invite = f"meterbot seat invite {seat}"
        return f"{text} Unless it is in the configuration, it is no longer a seat: {invite} invites it again."
    return f"{text} While {seat} is in the configuration, its next reading is stored again."
