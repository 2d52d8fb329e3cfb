"""Who may push for which seat, and what becomes of what they push. The same over HTTP and in a chat."""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from meterbot.core.models import Seat, Snapshot
from meterbot.core.money import show
from meterbot.ingest.ingest import Ingest, PushReceipt
from meterbot.sources import PushReader
from meterbot.store import PushToken, Store, push_tokens, seat_agents

PUSH = "push"
"""The source of a seat that is not asked, but sends."""

_PREFIX = "mbpush_"


def new_token() -> str:
    """A token that nobody can guess. It is shown once; what is kept is its `digest`."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(token: str) -> str:
    """SHA-256 in hexadecimal digits: of 256 random bits, nobody finds the way back."""
    return sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PushReceiver:
    """Takes pushes for the configured seats whose source is `push`; `digests` are the configured tokens' by seat."""

    seats: Mapping[str, Seat]
    digests: Mapping[str, str]
    store: Store
    ingest: Ingest
    read: PushReader

    async def seat_of(self, token: str) -> str | None:
        """The seat that this token may write, and no other. A token made or revoked a moment ago counts."""
        sent = digest(token)
        found = None
        # Every stored token is compared, each in the same time: how long it takes tells nothing.
        for seat, known in [*self.digests.items(), *_pairs(await self.store.read(push_tokens.read))]:
            if hmac.compare_digest(sent, known) and self.accepts(seat):
                found = seat
        return found

    def accepts(self, seat: str) -> bool:
        """Whether pushes for this seat are taken at all."""
        return seat in self.seats and self.seats[seat].source == PUSH

    async def receive(self, seat: str, document: bytes, now: datetime) -> PushReceipt:
        """Stores what a seat's machine sent. Raises `UnusablePushError`; then nothing was stored."""
        snapshots = self.read(self.seats[seat], document, now)
        receipt = await self.ingest.receive(seat, snapshots, now)
        return replace(receipt, spent=_spent(snapshots[-1]))

    async def note_agent(self, seat: str, version: str) -> bool:
        """Remembers which version of the agent a seat's machine runs. Whether it is the seat's first."""
        before = (await self.store.read(seat_agents.read)).get(seat)
        if before != version:
            await self.store.run(lambda tx: seat_agents.write(tx, seat, version))
        return before is None


def _spent(snapshot: Snapshot) -> str:
    """`$4.20 of $50.00`: what the machine's person reads after a push."""
    extra = snapshot.extra_usage
    if extra is None or extra.used is None:
        return "extra usage unknown, the rest"
    cap = f" of {show(extra.cap)}" if extra.cap else ", no cap," if extra.cap_known else ""
    return f"{show(extra.used)}{cap}"


def _pairs(tokens: list[PushToken]) -> list[tuple[str, str]]:
    return [(token.seat, token.sha256) for token in tokens]
