"""Who may push for which seat, and what happens to a push. The same over HTTP and in a chat."""

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from meterbot.core.log import get_logger
from meterbot.core.messages import Message
from meterbot.core.models import Health, LastKnown, Severity, Snapshot
from meterbot.core.money import show
from meterbot.core.seats import SeatDirectory
from meterbot.delivery.notices import owner_destination, queue_notice
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.ingest import UNSTORABLE, ClockBehindError, Ingest, PushReceipt
from meterbot.sources import PushReader
from meterbot.store import Connection, PushToken, Store, invited_seats, push_tokens
from meterbot.store.errors import is_outage

log = get_logger(__name__)

PUSH = "push"
"""The source of a seat whose machine sends the numbers."""

CODE_LASTS = timedelta(minutes=10)
"""How long a person can use a code with which their machine gets its seat's token."""

_PREFIX = "mbpush_"
_MOST_NOTES = 20


def new_token() -> str:
    """A random token. It is shown once; only its `digest` is stored."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """SHA-256 in hexadecimal digits; 256 random bits cannot be guessed from it."""
    return sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PushReceiver:
    """Receives pushes for the seats whose source is `push`; `digests` are those of the configured tokens, by seat."""

    seats: SeatDirectory
    digests: Mapping[str, str]
    store: Store
    ingest: Ingest
    read: PushReader
    chats: Sequence[str] = ()
    """The chats on which owners get direct messages, by name."""
    redaction: Redaction = field(default_factory=Redaction)
    wake: Callable[[], None] = lambda: None
    """Called after something was queued."""

    async def seat_of(self, token: str) -> str | None:
        """The only seat that this token may write. Includes a token that was made or revoked a moment ago, and a seat
        that another process invited."""
        sent = digest(token)
        found = None
        tokens, invited = await self.store.read(lambda c: (push_tokens.read(c), invited_seats.read(c)))
        self.seats.set_invited([each.seat for each in invited])
        # Every stored token is compared in the same time, so the duration reveals nothing.
        stored = [(token.seat, token.sha256) for token in tokens]
        for seat, known in [*self.digests.items(), *stored]:
            if hmac.compare_digest(sent, known) and self.accepts(seat):
                found = seat
        return found

    def accepts(self, seat: str) -> bool:
        return seat in self.seats and self.seats[seat].source == PUSH

    async def accepts_now(self, seat: str) -> bool:
        """Whether this seat accepts pushes, after a look at what another process invited or removed."""
        self.seats.set_invited([each.seat for each in await self.store.read(invited_seats.read)])
        return self.accepts(seat)

    async def receive(self, seat: str, document: bytes, now: datetime) -> PushReceipt:
        """Stores what a seat's machine sent. Raises `UnusablePushError` or what the store raises; then nothing was
        stored.

        A push that cannot be stored by its own fault becomes the health of the seat.
        """
        snapshots = self.read(self.seats[seat], document, now)
        try:
            receipt = await self.ingest.store_push(seat, snapshots, now)
        except Exception as error:
            if not isinstance(error, ClockBehindError) and not is_outage(error):
                await self._note_unstorable(seat, now)
            raise
        notes = dict.fromkeys(note for snapshot in snapshots for note in snapshot.drift)
        return replace(receipt, drift=tuple(notes)[:_MOST_NOTES])

    async def _note_unstorable(self, seat: str, now: datetime) -> None:
        try:
            await self.ingest.store_snapshots(
                [Snapshot(seat, PUSH, now, Health.UNREACHABLE, detail=UNSTORABLE)], now
            )
        except Exception:
            log.exception("a failed push could not be noted", seat=seat)

    async def note_agent(self, seat: str, version: str, spent: str, now: datetime) -> None:
        """Stores the version of the agent on a seat's machine. With the first one, it queues the message to the
        owner."""
        before = (await self.store.read(push_tokens.read_agents)).get(seat)
        if before == version:
            return

        def write(tx: Connection) -> bool:
            push_tokens.write_agent(tx, seat, version)
            known = self.seats[seat]
            destination = owner_destination(known, self.chats)
            if before is not None or destination is None:
                return False
            title = f"{seat} is connected: {spent}"
            message = Message(title, title, Severity.GOOD)
            return queue_notice(
                tx,
                f"connected:{seat}",
                known,
                destination=destination,
                message=message,
                redaction=self.redaction,
                now=now,
            )

        if await self.store.run(write):
            self.wake()


def spent_text(known: LastKnown | None) -> str:
    """What a push has shown: `$4.20 of $50.00`, `$4.20 (no cap)`, `extra usage is not set up` or `extra usage unknown`.
    An amount of an earlier reading is not said to be today's."""
    if known is None or known.extra_usage_at != known.snapshot.fetched_at:
        return "extra usage unknown"
    extra = known.snapshot.extra_usage
    if extra is None:
        return "extra usage is not set up"
    if extra.used is None:
        return "extra usage unknown"
    cap = f" of {show(extra.cap)}" if extra.cap else " (no cap)" if extra.cap_known else ""
    return f"{show(extra.used)}{cap}"


async def make_code(store: Store, seat: str, now: datetime) -> str:
    """A new code for a seat, which replaces the old one. The database stores its digest."""
    code = secrets.token_urlsafe(24)
    await store.run(lambda tx: push_tokens.write_code(tx, digest(code), seat, now, now + CODE_LASTS))
    return code


async def seat_of_code(store: Store, code: str, now: datetime) -> str | None:
    """The seat of a valid code. This does not use it up, because chats fetch the links that they show."""
    return await store.read(lambda c: push_tokens.seat_of_code(c, digest(code), now))


async def trade_code(store: Store, code: str, now: datetime) -> tuple[str, str] | None:
    """The seat of a code and a new push token, which replaces the old one. None if the code is invalid or used."""
    token = new_token()

    def trade(tx: Connection) -> str | None:
        seat = push_tokens.use_code(tx, digest(code), now)
        if seat is not None:
            push_tokens.write(tx, PushToken(seat, digest(token), now))
        return seat

    seat = await store.run(trade)
    return None if seat is None else (seat, token)
