"""Session keys kept beyond the process: stored encrypted, the newest wins, and the configured one when it changes."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import event as listening
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from meterbot.core.cipher import Cipher, new_key
from meterbot.core.models import Health, Seat, SessionEnd
from meterbot.sources.claude_ai import ClaudeAiSource
from meterbot.sources.http_client import HttpClient
from meterbot.sources.session import Session
from meterbot.sources.session_keys import SeatSession, Sessions, Unkept
from meterbot.store import Store, StoredSession, forgetting
from meterbot.store import sessions as kept
from meterbot.store.database import open_store
from tests.simulator.claude_ai import ClaudeAi, RotatingAccount
from tests.simulator.server import Reply

NOW = datetime(2026, 4, 20, 10, tzinfo=UTC)
CONFIGURED = "sk-ant-sid01-planted-configured-AAAAAAAA"
SECOND = "sk-ant-sid01-planted-second-BBBBBBBBBBBB"
THIRD = "sk-ant-sid02-planted-third-CCCCCCCCCCCCC"
K1, K2 = new_key(), new_key()


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


def session(store: Store, *keys: str, configured: str = CONFIGURED, seat: str = "ana") -> SeatSession:
    """As a process makes it at its start."""
    return SeatSession(seat, configured, store, Cipher(keys) if keys else None)


async def begun(store: Store, *keys: str, configured: str = CONFIGURED) -> SeatSession:
    made = session(store, *keys, configured=configured)
    await made.current()
    return made


async def renewed(store: Store, *keys: str, to: str = SECOND, at: datetime = NOW) -> SeatSession:
    made = await begun(store, *keys)
    await made.renewed(to, None, at)
    return made


# --- what a start begins with -----------------------------------------------------------------------------------------


async def test_a_seat_begins_with_its_configured_key(store: Store) -> None:
    assert await session(store, K1).current() == CONFIGURED


async def test_a_renewal_is_what_the_next_process_begins_with(store: Store) -> None:
    await renewed(store, K1)
    again = session(store, K1)
    assert await again.current() == SECOND
    assert again.unkept is None


async def test_the_end_of_a_session_is_known_to_the_next_process(store: Store) -> None:
    first = await begun(store, K1)
    await first.renewed(SECOND, later(days=28), NOW)
    sessions = Sessions({"ana": CONFIGURED, "bo": THIRD}, store, Cipher([K1]))
    assert await sessions.ends(NOW) == {}
    await sessions.seats["ana"].current()
    assert await sessions.ends(NOW) == {"ana": SessionEnd(later(days=28))}


async def test_without_a_stated_end_the_age_counts_from_the_first_use_and_from_each_renewal(
    store: Store,
) -> None:
    async def end(now: datetime, key: str = CONFIGURED, renewal: str | None = None) -> SessionEnd:
        """In a process of its own."""
        here = Sessions({"ana": key}, store, Cipher([K1]))
        await here.prepare(["ana"])
        await here.seats["ana"].current()
        if renewal is not None:
            await here.seats["ana"].renewed(renewal, None, now)
        return (await here.ends(now))["ana"]

    assert await end(NOW) == SessionEnd(later(days=28), estimated=True)
    assert await end(later(days=9)) == SessionEnd(later(days=28), estimated=True)
    assert await end(later(days=10), renewal=SECOND) == SessionEnd(later(days=38), estimated=True)
    assert await end(later(days=12)) == SessionEnd(later(days=38), estimated=True)
    assert await end(later(days=13), key=THIRD) == SessionEnd(later(days=41), estimated=True)


async def test_new_seats_are_stored_together(store: Store) -> None:
    begins: list[object] = []
    seats = {f"seat{number}": CONFIGURED for number in range(20)}
    here = Sessions(seats, store, Cipher([K1]))
    listening.listen(store.engine, "begin", begins.append)
    await here.prepare(seats)
    assert len(begins) <= 3  # a look, one transaction, and a look at what it stored
    assert (await store.read(kept.read)).keys() == seats.keys()
    begins.clear()
    assert {await one.current() for one in here.seats.values()} == {CONFIGURED}
    assert begins == []


async def test_seats_with_another_configured_key_are_stored_when_they_are_read(store: Store) -> None:
    seats = [f"seat{number}" for number in range(5)]
    await Sessions(dict.fromkeys(seats, CONFIGURED), store, Cipher([K1])).prepare(seats)
    before = await store.read(kept.read)
    here = Sessions(dict.fromkeys(seats, THIRD), store, Cipher([K1]))
    await here.prepare(seats)
    assert await store.read(kept.read) == before, "the seats' claim is short"
    assert await here.seats["seat3"].current() == THIRD
    after = await store.read(kept.read)
    assert [seat for seat in seats if after[seat] != before[seat]] == ["seat3"]


class CountingCipher(Cipher):
    decrypted = 0

    def decrypt(self, seat: str, ciphertext: str) -> str | None:
        self.decrypted += 1
        return super().decrypt(seat, ciphertext)


async def test_a_stored_key_is_decrypted_once(store: Store) -> None:
    await renewed(store, K1)
    for prepared in (True, False):
        cipher = CountingCipher([K1])
        here = Sessions({"ana": CONFIGURED}, store, cipher)
        if prepared:
            await here.prepare(["ana"])
        assert await here.seats["ana"].current() == SECOND
        assert await here.seats["ana"].current() == SECOND
        assert cipher.decrypted == 1


async def test_without_a_cipher_each_process_counts_again(store: Store) -> None:
    for now in (NOW, later(days=5)):
        here = Sessions({"ana": CONFIGURED}, store, None)
        for at in (now, now + timedelta(days=1)):
            assert await here.ends(at) == {"ana": SessionEnd(now + timedelta(days=28), estimated=True)}


async def test_another_configured_key_wins_and_the_stored_one_is_dropped(store: Store) -> None:
    await renewed(store, K1)
    with capture_logs() as logs:
        assert await session(store, K1, configured=THIRD).current() == THIRD
    assert [entry["event"] for entry in logs] == [
        "another session key is configured: the stored renewals of the old one are dropped"
    ]
    (row,) = (await store.read(kept.read)).values()
    assert row.ciphertext is None
    assert await session(store, K1, configured=THIRD).current() == THIRD


async def test_a_key_with_space_around_it_is_the_same_configured_key(store: Store) -> None:
    await renewed(store, K1)
    assert await session(store, K1, configured=f"{CONFIGURED}\n").current() == SECOND


async def test_two_seats_do_not_share_and_a_row_moved_to_another_seat_is_worth_nothing(
    store: Store,
) -> None:
    await renewed(store, K1)
    assert await session(store, K1, seat="bo").current() == CONFIGURED
    stolen = (await store.read(lambda c: kept.read(c, ["ana"])))["ana"].ciphertext
    fingerprint = (await store.read(lambda c: kept.read(c, ["bo"])))["bo"].fingerprint
    assert await store.run(
        lambda c: kept.renew(c, StoredSession("bo", fingerprint, stolen, NOW), [fingerprint])
    )
    thief = session(store, K1, seat="bo")
    assert await thief.current() == CONFIGURED
    assert thief.unkept is Unkept.UNREADABLE


# --- the secret key ---------------------------------------------------------------------------------------------------


async def test_without_a_secret_key_nothing_is_stored_and_it_is_said_once(store: Store) -> None:
    with capture_logs() as logs:
        sessions = Sessions({"ana": CONFIGURED, "bo": THIRD}, store, None)
        for one in sessions.seats.values():
            await one.current()
            await one.renewed(SECOND, later(days=3), NOW)
    assert await sessions.seats["ana"].current() == SECOND
    assert await sessions.ends(NOW) == dict.fromkeys(("ana", "bo"), SessionEnd(later(days=3)))
    assert await store.read(kept.read) == {}
    assert [(entry["log_level"], entry["seats"]) for entry in logs] == [("warning", ["ana", "bo"])]
    assert sessions.unkept() == {"there is no METERBOT_SECRET_KEY": ["ana", "bo"]}


async def test_a_new_key_before_the_old_one_reads_what_is_there_and_encrypts_what_comes(
    store: Store,
) -> None:
    await renewed(store, K1)
    rotated = session(store, K2, K1)
    assert await rotated.current() == SECOND
    await rotated.renewed(THIRD, None, later(minutes=1))
    assert await session(store, K2).current() == THIRD
    assert (await begun(store, K1)).unkept is Unkept.UNREADABLE


async def test_with_a_wrong_key_the_configured_one_is_used_and_what_is_stored_stays(store: Store) -> None:
    await renewed(store, K1)
    before = await store.read(kept.read)
    with capture_logs() as logs:
        wrong = session(store, K2)
        for minute in range(3):
            assert await wrong.current() in {CONFIGURED, THIRD}
            await wrong.renewed(THIRD, None, later(minutes=minute))
    assert wrong.unkept is Unkept.UNREADABLE
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert await store.read(kept.read) == before
    assert await session(store, K1).current() == SECOND


async def test_once_the_unreadable_is_discarded_renewals_are_kept_again(store: Store) -> None:
    await renewed(store, K1)
    wrong = await begun(store, K2)
    await wrong.renewed(THIRD, None, later(minutes=1))
    await store.run(lambda c: kept.forget(c, "ana"))
    assert await wrong.current() == THIRD
    assert wrong.unkept is None
    assert await session(store, K2).current() == THIRD


async def test_a_beginning_that_could_not_be_stored_is_stored_once_it_can_be(store: Store) -> None:
    await renewed(store, K1)
    end = {"ana": SessionEnd(later(days=28), estimated=True)}
    here = Sessions({"ana": CONFIGURED}, store, Cipher([K2]))
    await here.seats["ana"].current()
    assert await here.ends(NOW) == end
    await store.run(lambda c: kept.forget(c, "ana"))
    await here.seats["ana"].current()
    assert await here.ends(later(days=1)) == end
    again = Sessions({"ana": CONFIGURED}, store, Cipher([K2]))
    await again.seats["ana"].current()
    assert await again.ends(later(days=2)) == end


# --- more than one worker ---------------------------------------------------------------------------------------------


async def test_a_worker_takes_up_what_another_has_stored(store: Store, database_url: str) -> None:
    other = await open_store(database_url)
    one, two = await begun(store, K1), await begun(other, K1)
    await one.renewed(SECOND, None, NOW)
    assert await two.current() == SECOND
    await two.renewed(THIRD, None, later(seconds=1))
    assert await one.current() == THIRD
    await other.close()


async def test_an_older_renewal_never_overwrites_a_newer_one(store: Store, database_url: str) -> None:
    other = await open_store(database_url)
    fast, slow = await begun(store, K1), await begun(other, K1)
    await fast.renewed(THIRD, None, later(seconds=5))
    await slow.renewed(SECOND, None, NOW)
    assert await slow.current() == THIRD
    assert await session(store, K1).current() == THIRD
    await other.close()


async def test_workers_that_renew_at_the_same_instant_end_with_one_key(
    store: Store, database_url: str
) -> None:
    other = await open_store(database_url)
    workers = [await begun(each, K1) for each in (store, other)]
    keys = (SECOND, THIRD)
    await asyncio.gather(*(worker.renewed(key, None, NOW) for worker, key in zip(workers, keys, strict=True)))
    held = {await worker.current() for worker in workers}
    assert held == {await session(store, K1).current()}
    await other.close()


async def test_renewals_within_one_reading_keep_their_order(store: Store) -> None:
    one = await begun(store, K1)
    for key in (SECOND, THIRD):
        await one.renewed(key, None, NOW)
    assert await session(store, K1).current() == THIRD


async def test_a_clock_that_was_set_back_holds_up_no_renewal(store: Store) -> None:
    await renewed(store, K1, at=later(days=1))
    one = await begun(store, K1)
    await one.renewed(THIRD, None, NOW)
    assert await session(store, K1).current() == THIRD


async def test_a_worker_of_a_former_configuration_changes_nothing(store: Store) -> None:
    former = await begun(store, K1)
    await begun(store, K1, configured=THIRD)
    with capture_logs() as logs:
        for minute in range(3):
            await former.renewed(f"{SECOND}{minute}", None, later(minutes=minute))
    assert former.unkept is Unkept.SUPERSEDED
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert await session(store, K1, configured=THIRD).current() == THIRD


async def test_a_seat_that_was_forgotten_does_not_come_back(store: Store) -> None:
    one = await renewed(store, K1)
    await store.run(lambda c: forgetting.forget(c, "ana"))
    await one.renewed(THIRD, None, later(minutes=1))
    assert one.unkept is Unkept.FORGOTTEN
    assert await store.read(kept.read) == {}


# --- what is worth a write, and what happens when it fails ------------------------------------------------------------


async def test_the_same_key_with_an_end_that_creeps_is_not_written_with_every_answer(store: Store) -> None:
    one = await begun(store, K1)
    await one.renewed(SECOND, later(days=28), NOW)
    for minute in range(59):
        await one.renewed(SECOND, later(days=28, minutes=minute), later(minutes=minute))
    await one.renewed(SECOND, None, later(hours=1))
    assert (await store.read(kept.read))["ana"].ends_at == later(days=28)
    await one.renewed(SECOND, later(days=29), later(days=1))
    assert (await store.read(kept.read))["ana"].ends_at == later(days=29)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:///{tmp_path}/here.db")
    yield opened
    await opened.close()


async def _rename(store: Store, before: str, after: str) -> None:
    with store._writer.begin() as connection:
        connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))


async def test_a_renewal_that_could_not_be_stored_is_stored_before_the_next_reading(here: Store) -> None:
    one = await begun(here, K1)
    await _rename(here, "sessions", "away")
    with capture_logs() as logs:
        await one.renewed(SECOND, None, NOW)
        assert await one.current() == SECOND
    assert {entry["log_level"] for entry in logs} == {"error"}
    await _rename(here, "away", "sessions")
    assert await one.current() == SECOND
    assert await session(here, K1).current() == SECOND


async def test_a_renewal_that_could_not_be_stored_is_stored_at_the_end(here: Store) -> None:
    sessions = Sessions({"ana": CONFIGURED}, here, Cipher([K1]))
    await sessions.seats["ana"].current()
    await _rename(here, "sessions", "away")
    await sessions.seats["ana"].renewed(SECOND, None, NOW)
    await sessions.save()
    await _rename(here, "away", "sessions")
    await sessions.save()
    assert await session(here, K1).current() == SECOND


async def test_a_database_that_is_away_at_the_start_is_no_reason_to_use_the_configured_key(
    here: Store,
) -> None:
    await renewed(here, K1)
    one = session(here, K1)
    await _rename(here, "sessions", "away")
    with pytest.raises(OperationalError):
        await one.current()
    await _rename(here, "away", "sessions")
    assert await one.current() == SECOND


# --- with the real reader ---------------------------------------------------------------------------------------------


def reader(server: ClaudeAi, transport: HttpClient, keeper: SeatSession) -> ClaudeAiSource:
    seat = Seat("ana", "claude_ai")
    return ClaudeAiSource(seat, Session(CONFIGURED, transport, server.url, keeper), retry_pauses=())


@pytest.fixture
async def claude() -> AsyncIterator[tuple[ClaudeAi, RotatingAccount]]:
    async with ClaudeAi() as server:
        yield server, server.add_account(CONFIGURED)


class Arrival(asyncio.Event):
    """Tells when the answer that it holds back was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.arrived.set()
        return await super().wait()


async def test_a_renewal_is_stored_before_the_next_request_leaves(
    store: Store, claude: tuple[ClaudeAi, RotatingAccount]
) -> None:
    server, account = claude
    account.rotate_to.append(SECOND)
    held_back = Arrival()
    server.fail("usage", Reply(until=held_back))
    async with HttpClient() as transport:
        source = reader(server, transport, session(store, K1))
        reading = asyncio.create_task(source.read(NOW))
        await asyncio.wait_for(held_back.arrived.wait(), 5)
        # The process is killed here, in the middle of its first reading.
        assert await session(store, K1).current() == SECOND
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


_RENEWED = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: sessionKey={SECOND}; Path=/\r\n"

BROKEN_BODIES = {
    "breaks off": b'content-length: 5000\r\n\r\n{"uuid": ',
    "is too large": b"content-length: 3000000\r\n\r\n" + b" " * 3_000_000,
    "is no gzip": b"content-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    "is gzip that breaks off": b"content-encoding: gzip\r\ncontent-length: 900\r\n\r\n"
    + gzip.compress(b"{}" * 99)[:20],
    "is compressed in an unknown way": b"content-encoding: br\r\ncontent-length: 2\r\n\r\n{}",
    "is no JSON": b"content-length: 2\r\n\r\n{[",
}


@asynccontextmanager
async def answering_once(sent: bytes, *, then_wait: asyncio.Event | None = None) -> AsyncIterator[str]:
    """A server's address. It sends these bytes to every client, waits, and closes the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        if then_wait is not None:
            await then_wait.wait()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("body", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
async def test_a_renewal_is_stored_although_the_body(store: Store, body: bytes) -> None:
    async with answering_once(_RENEWED.encode() + body) as url, HttpClient(deadline=5) as http:
        signed_in = Session(CONFIGURED, http, url, session(store, K1))
        source = ClaudeAiSource(Seat("ana", "claude_ai"), signed_in)
        (snapshot,) = await source.read(NOW)
    assert snapshot.health is not Health.OK
    assert source.session.key == SECOND
    assert await session(store, K1).current() == SECOND


async def test_a_renewal_is_stored_although_the_body_never_comes(store: Store) -> None:
    over = asyncio.Event()
    sent = _RENEWED.encode() + b"content-length: 5000\r\n\r\n"
    async with answering_once(sent, then_wait=over) as url, HttpClient(deadline=0.2) as http:
        signed_in = Session(CONFIGURED, http, url, session(store, K1))
        source = ClaudeAiSource(Seat("ana", "claude_ai"), signed_in)
        (snapshot,) = await source.read(NOW)
        over.set()
    assert snapshot.detail == "no response in time"
    assert await session(store, K1).current() == SECOND


async def test_a_refusal_does_not_renew_the_key(store: Store) -> None:
    sent = _RENEWED.replace("200 OK", "403 Forbidden").encode() + b"content-length: 2\r\n\r\n{}"
    async with answering_once(sent) as url, HttpClient(deadline=5) as http:
        signed_in = Session(CONFIGURED, http, url, session(store, K1))
        source = ClaudeAiSource(Seat("ana", "claude_ai"), signed_in)
        await source.read(NOW)
    assert await session(store, K1).current() == CONFIGURED


class SlowKeeper:
    """Takes longer to store a key than a request may take."""

    def __init__(self) -> None:
        self.stored: list[str] = []

    async def current(self) -> str:
        return CONFIGURED

    async def renewed(self, key: str, ends_at: datetime | None, now: datetime) -> None:  # noqa: ARG002 - the contract
        past_the_deadline = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, past_the_deadline.set)
        await past_the_deadline.wait()
        self.stored.append(key)


async def test_a_slow_store_does_not_use_up_the_deadline() -> None:
    keeper = SlowKeeper()
    async with (
        answering_once(_RENEWED.encode() + b"content-length: 2\r\n\r\n{}") as url,
        HttpClient(deadline=0.2) as http,
    ):
        source = ClaudeAiSource(Seat("ana", "claude_ai"), Session(CONFIGURED, http, url, keeper))
        (snapshot,) = await source.read(NOW)
    assert keeper.stored == [SECOND]
    assert snapshot.health is Health.DRIFTED  # the body was read: it only says nothing


async def test_the_stored_key_works_where_the_configured_one_is_dead(
    store: Store, claude: tuple[ClaudeAi, RotatingAccount]
) -> None:
    server, account = claude
    account.rotate_to.extend([SECOND, THIRD])
    async with HttpClient() as transport:
        (first,) = await reader(server, transport, session(store, K1)).read(NOW)
        (lost,) = await reader(server, transport, session(store)).read(NOW)
        (again,) = await reader(server, transport, session(store, K1)).read(NOW)
    assert [first.health, lost.health, again.health] == [Health.OK, Health.SESSION_EXPIRED, Health.OK]
    assert server.requests[-1].session_keys == (THIRD,)


async def test_a_stored_key_that_cannot_be_read_sends_nothing(
    here: Store, claude: tuple[ClaudeAi, RotatingAccount]
) -> None:
    server, _ = claude
    await _rename(here, "sessions", "away")
    async with HttpClient() as transport:
        (snapshot,) = await reader(server, transport, session(here, K1)).read(NOW)
    assert (snapshot.health, snapshot.detail) == (
        Health.UNREACHABLE,
        "the stored session key could not be read",
    )
    assert server.requests == []


# --- secrets ----------------------------------------------------------------------------------------------------------


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def test_neither_the_database_nor_the_log_nor_a_repr_shows_a_secret(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = await open_store(f"sqlite:///{tmp_path}/meterbot.db")
    cipher = Cipher([K1, K2])
    sessions = Sessions({"ana": CONFIGURED}, store, cipher)
    ana = sessions.seats["ana"]
    with capture_logs() as logs:
        await ana.current()
        await ana.renewed(SECOND, later(days=1), NOW)
        await begun(store, new_key())
        await begun(store, K1, configured=THIRD)
        await _rename(store, "sessions", "away")
        await ana.renewed(THIRD, None, later(minutes=1))
        failure = ""
        try:
            await session(store, K1).current()
        except OperationalError as error:
            failure = f"{error!r} {error} {error.__context__!r}"
        await _rename(store, "away", "sessions")
    assert failure
    rows = await store.read(kept.read)
    await store.close()
    said = f"{logs} {caplog.text} {failure} {sessions!r} {ana!r} {ana._session_key!r} {cipher!r} {rows!r} {sessions.unkept()}"
    stored = files_of(tmp_path)
    for secret in (CONFIGURED, SECOND, THIRD, K1, K2):
        assert secret not in said
        assert secret.encode() not in stored
        assert secret[-20:].encode() not in stored
