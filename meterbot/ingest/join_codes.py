"""One-time codes with which a person's machine gets the push token of their seat."""

import secrets
from datetime import datetime, timedelta

from meterbot.ingest.pushes import digest, new_token
from meterbot.store import Connection, PushToken, Store, join_codes, push_tokens

CODE_LASTS = timedelta(minutes=10)


async def make_code(store: Store, seat: str, now: datetime) -> str:
    """A new code for a seat, which replaces the old one. The database stores its digest."""
    code = secrets.token_urlsafe(24)
    await store.run(lambda tx: join_codes.write(tx, digest(code), seat, now, now + CODE_LASTS))
    return code


async def seat_of_code(store: Store, code: str, now: datetime) -> str | None:
    """The seat of a valid code. This does not use it up, because chats fetch the links that they show."""
    return await store.read(lambda c: join_codes.read(c, digest(code), now))


async def trade_code(store: Store, code: str, now: datetime) -> tuple[str, str] | None:
    """The seat of a code and a new push token, which replaces the old one. None if the code is invalid or used."""
    token = new_token()

    def trade(tx: Connection) -> str | None:
        seat = join_codes.use(tx, digest(code), now)
        if seat is not None:
            push_tokens.write(tx, PushToken(seat, digest(token), now))
        return seat

    seat = await store.run(trade)
    return None if seat is None else (seat, token)
