"""Pushes over real HTTP, into SQLite and PostgreSQL."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection
from structlog.testing import capture_logs

from meterbot.app import log_setup
from meterbot.app.health import BotHealth
from meterbot.app.push_endpoint import LARGEST, PushEndpoint
from meterbot.app.web import HttpServer, application, nearest_stranger
from meterbot.core.clock import ManualClock
from meterbot.core.deliveries import Destination
from meterbot.core.models import Counter, Health, Seat
from meterbot.core.seats import SeatDirectory
from meterbot.ingest.ingest import UNSTORABLE, Ingest, forget_account
from meterbot.ingest.periodic_checks import PeriodicChecks
from meterbot.ingest.pushes import PushReceiver, digest, new_token
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.sources.pushed import snapshots_of
from meterbot.store import (
    PushToken,
    Store,
    counter_states,
    delivery_claims,
    event_log,
    forgetting,
    history,
    push_tokens,
    source_states,
    tables,
)
from meterbot.store.delivery_claims import Claim
from tests.properties import examples
from tests.sources.bodies import json_values, places, with_value
from tests.store.examples import emptied

NOW = datetime(2026, 10, 10, 12, tzinfo=UTC)
ORG = "11111111-1111-4111-8111-111111111111"
OTHER_ORG = "11111111-1111-4111-8111-111111111112"
EMAIL = "planted.person@example.com"
SEATS = {
    "bo": Seat("bo", "push", interval=900.0, owner={"slack": "UBO"}),
    "cy": Seat("cy", "push", interval=900.0, organizations=(ORG,)),
    "ana": Seat("ana", "claude_ai"),
}
TOKENS = {"bo": "mbpush_planted-token-of-bo", "cy": "configured-planted-token-of-cy"}
JSON = {"Content-Type": "application/json"}


def body(used: object = 1720, at: datetime = NOW, **changes: Any) -> dict[str, Any]:
    extra = {"is_enabled": True, "monthly_limit": 5000, "used_credits": used, "currency": "USD"}
    return {
        "org_uuid": ORG,
        "account_email": EMAIL,
        "fetched_at": at.isoformat(),
        "usage": {"five_hour": {"utilization": 12.0, "resets_at": None}, "extra_usage": extra},
        "overage": None,
        "subscription": None,
        "errors": [],
        "stale": False,
        **changes,
    }


@dataclass
class PushAnswer:
    """The endpoint's answer to a push, its JSON as `body`."""

    status: int
    body: Any
    headers: Any


class Door:
    """A push endpoint on a real port: tests push through it, and look into the database behind it."""

    def __init__(self, store: Store, clock: ManualClock, url: str, session: aiohttp.ClientSession) -> None:
        self.store, self.clock, self.url, self._session = store, clock, url, session

    async def send(
        self, data: Any, *, token: str | None = TOKENS["bo"], path: str = "/api/v1/snapshots", **more: Any
    ) -> PushAnswer:
        headers = dict(JSON) if token is None else {**JSON, "Authorization": f"Bearer {token}"}
        headers = {
            name: value for name, value in {**headers, **more.pop("headers", {})}.items() if value is not None
        }
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        async with self._session.post(self.url + path, data=raw, headers=headers, **more) as answer:
            return PushAnswer(answer.status, await answer.json(), answer.headers)

    async def state(self) -> tuple[object, ...]:
        """All that pushes may change."""
        latest, sources = (
            await self.store.read(counter_states.read_latest),
            await self.store.read(source_states.read_sources),
        )
        counters = {one.counter for one in latest}
        samples = await self.store.read(lambda c: history.read(c, counters, NOW - timedelta(days=400)))
        return (
            latest,
            sources,
            samples,
            await self.store.read(lambda c: event_log.read_events(c, NOW - timedelta(days=400))),
        )

    async def events(self) -> list[str]:
        return [
            event.key
            for event in await self.store.read(lambda c: event_log.read_events(c, NOW - timedelta(days=400)))
        ]


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Door]:
    await store.run(lambda c: push_tokens.write(c, PushToken("bo", digest(TOKENS["bo"]), NOW)))
    clock = ManualClock(NOW)
    ingest = Ingest(store, Recorder(SEATS, [Destination("slack", "C1")], RuleSettings()), lambda: None)
    reception = PushReceiver(
        SeatDirectory(SEATS.values()),
        {"cy": digest(TOKENS["cy"])},
        store,
        ingest,
        snapshots_of,
        chats=["slack"],
    )

    async def health() -> BotHealth:
        raise NotImplementedError

    listener = HttpServer(
        application(health, PushEndpoint(reception, clock.now).routes()), [("127.0.0.1", 0)]
    )
    port = await listener.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Door(store, clock, f"http://127.0.0.1:{port}", session)
    finally:
        await listener.close()


@pytest.fixture
async def door(store: Store) -> AsyncIterator[Door]:
    async with opened(store) as made:
        yield made


@pytest.fixture
async def sqlite(sqlite_store: Store) -> AsyncIterator[Door]:
    async with opened(sqlite_store) as made:
        yield made


@pytest.fixture
async def own(own_store: Store) -> AsyncIterator[Door]:
    """A store that the test may break."""
    async with opened(own_store) as made:
        yield made


# --- what is answered -----------------------------------------------------------------------------------------------


async def test_a_push_is_stored_and_the_same_again_changes_nothing(door: Door) -> None:
    first = await door.send(body())
    assert (first.status, first.body) == (
        202,
        {"status": "stored", "seat": "bo", "stored": 1, "unchanged": 0, "spent": "$17.20 of $50.00"},
    )
    (row,) = await door.store.read(counter_states.read_latest)
    assert row.counter == Counter("seat:bo", ORG)
    assert row.known.extra_usage_at == NOW
    before = await door.state()
    again = await door.send(body())
    assert (again.status, again.body["status"]) == (200, "unchanged")
    older = await door.send(body(4900, NOW - timedelta(minutes=1)))
    assert (older.status, older.body["unchanged"]) == (200, 1)
    assert older.body["spent"] == "$17.20 of $50.00"  # what is known, not what was sent
    assert await door.state() == before


@pytest.mark.parametrize(
    ("places", "note"),
    [
        (99, "expected a number of decimals, got another number"),
        (-1, "expected a number of decimals, got a negative one"),
        ("2", "expected a number, got a string"),
    ],
)
async def test_a_field_of_another_form_is_named_in_the_answer(door: Door, places: object, note: str) -> None:
    document = body()
    document["usage"]["extra_usage"]["decimal_places"] = places
    named = [f"extra_usage.decimal_places: {note}"]
    stored = await door.send([body(at=NOW - timedelta(minutes=1)), document])
    assert (stored.status, stored.body["drift"]) == (202, named)
    again = await door.send(document)
    assert (again.status, again.body["drift"]) == (200, named)


async def test_pushes_of_a_clock_that_is_a_little_ahead_are_of_their_receipt_and_each_is_stored_once(
    door: Door,
) -> None:
    ahead = timedelta(minutes=4)
    first, second = body(4900, NOW + ahead), body(5000, NOW + ahead + timedelta(minutes=1))
    found = []
    for sent in (first, first, second, first, second):
        answer = await door.send(sent)
        (row,) = await door.store.read(counter_states.read_latest)
        found.append((answer.status, answer.body["spent"], row.known.extra_usage_at))
        door.clock.advance(timedelta(minutes=1))
    at_first = ("$49.00 of $50.00", NOW)
    at_second = ("$50.00 of $50.00", NOW + timedelta(minutes=2))
    assert found == [
        (202, *at_first),
        (200, *at_first),
        (202, *at_second),
        (200, *at_second),
        (200, *at_second),
    ]


async def test_a_clock_that_was_ahead_and_was_set_right_counts_again_from_its_last_time_on(
    door: Door,
) -> None:
    await door.send(body(1700, NOW + timedelta(minutes=4)))
    statuses = []
    for _ in range(3):
        right = await door.send(body(1800, door.clock.advance(timedelta(minutes=2))))
        statuses.append((right.status, right.body["spent"]))
    old, new = "$17.00 of $50.00", "$18.00 of $50.00"
    assert statuses == [(200, old), (200, old), (202, new)]


async def test_an_amount_that_could_not_be_read_is_not_answered_with_the_one_before(door: Door) -> None:
    await door.send(body())
    door.clock.advance(timedelta(minutes=1))
    answer = await door.send(body("much", NOW + timedelta(minutes=1)))
    assert answer.body["spent"] == "extra usage unknown"


async def test_the_older_address_is_the_same_door(door: Door) -> None:
    assert (await door.send(body(), path="/snapshots")).status == 202
    assert (await door.send(body())).status == 200


async def test_a_list_says_what_was_new_in_it(door: Door) -> None:
    await door.send(body())
    later = body(1800, door.clock.advance(timedelta(minutes=1)))
    response = await door.send([later, body()])
    assert (response.status, response.body["stored"], response.body["unchanged"]) == (202, 1, 1)


async def test_one_unusable_object_of_a_list_costs_all_and_is_named(door: Door) -> None:
    response = await door.send([body(), body(fetched_at="soon")])
    assert (response.status, response.body["field"]) == (422, "[1].fetched_at")
    assert "nothing was stored" in response.body["remedy"]
    assert await door.store.read(counter_states.read_latest) == []


async def test_a_future_reading_is_refused_by_name(door: Door) -> None:
    response = await door.send(body(at=NOW + timedelta(minutes=5, seconds=1)))
    assert (response.status, response.body["field"]) == (422, "fetched_at")
    assert "future" in response.body["error"]
    assert await door.state() == ([], {}, [], [])


@pytest.mark.parametrize("document", [b"", b"{", b"\xff\xfe", b"not json"])
async def test_what_is_no_json_is_400(sqlite: Door, document: bytes) -> None:
    response = await sqlite.send(document)
    assert response.status == 400
    assert response.body["remedy"]


@pytest.mark.parametrize(
    "kind", [None, "application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]
)
async def test_what_is_not_said_to_be_json_is_415(sqlite: Door, kind: str | None) -> None:
    response = await sqlite.send(body(), headers={"Content-Type": kind or "application/octet-stream"})
    assert response.status == 415
    assert "Content-Type: application/json" in response.body["remedy"]


async def test_a_charset_beside_the_type_is_fine(sqlite: Door) -> None:
    assert (
        await sqlite.send(body(), headers={"Content-Type": "application/json; charset=utf-8"})
    ).status == 202


async def test_a_compressed_body_is_refused_unread(sqlite: Door) -> None:
    packed = gzip.compress(json.dumps(body()).encode())
    response = await sqlite.send(packed, headers={"Content-Encoding": "gzip"})
    assert response.status == 415
    assert "compressed" in response.body["error"]


async def test_a_body_may_have_256_kib_and_not_a_byte_more(sqlite: Door) -> None:
    whole = json.dumps(body()).encode().ljust(LARGEST)
    assert (await sqlite.send(whole)).status == 202
    assert (await sqlite.send(whole + b" ")).status == 413


async def test_a_body_of_untold_length_is_cut_off_just_as_well(sqlite: Door) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(LARGEST // 65536 + 1):
            yield b" " * 65536

    headers = {**JSON, "Authorization": f"Bearer {TOKENS['bo']}"}
    async with sqlite._session.post(f"{sqlite.url}/snapshots", data=chunks(), headers=headers) as answer:
        assert answer.status == 413


async def test_only_post_is_answered(sqlite: Door) -> None:
    async with sqlite._session.get(f"{sqlite.url}/snapshots") as answer:
        assert answer.status == 405


async def test_a_database_that_is_away_is_503_and_the_push_may_be_repeated(own: Door) -> None:
    log_setup.set_up(io.StringIO())
    with own.store._writer.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE latest RENAME TO elsewhere")
    response = await own.send(body())
    assert (response.status, response.headers["Retry-After"]) == (503, "60")
    assert "elsewhere" not in str(response.body)
    with own.store._writer.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO latest")
    assert (await own.send(body())).status == 202


async def spoken(door: Door, request: bytes) -> bytes:
    """What a client gets that says exactly this and then no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(door.url.rpartition(":")[2]))
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("headers", "sent"),
    [
        ("Content-Length: 100", b"{"),
        ("Transfer-Encoding: chunked", b"zzz\r\n{}\r\n"),
        ("Transfer-Encoding: chunked", b"5\r\n{"),
    ],
)
async def test_a_request_that_breaks_off_stores_nothing_and_is_no_failure_of_ours(
    sqlite: Door, headers: str, sent: bytes
) -> None:
    stream = io.StringIO()
    log_setup.set_up(stream)
    head = f"POST /snapshots HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKENS['bo']}\r\n{headers}\r\n"
    answer = await spoken(sqlite, f"{head}Content-Type: application/json\r\n\r\n".encode() + sent)
    assert b" 202 " not in answer
    assert b" 500 " not in answer
    assert await sqlite.store.read(counter_states.read_latest) == []
    assert "Traceback" not in stream.getvalue()
    assert (await sqlite.send(body())).status == 202


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKENS["bo"]},
        {"Authorization": f"Basic {TOKENS['bo']}"},
        {"Authorization": f"Bearer {TOKENS['bo']}x"},
        {"Authorization": f"Bearer {TOKENS['bo'].upper()}"},
        {"Authorization": f"Bearer {digest(TOKENS['bo'])}"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \xe4"},
        {"Authorization": f"Bearer {'x' * 4000}"},
        {"X-Push-Token": TOKENS["bo"]},
    ],
)
async def test_without_the_seat_s_token_nothing_is_read_or_stored(
    sqlite: Door, headers: dict[str, str]
) -> None:
    response = await sqlite.send(b"not even json", token=None, headers=headers)
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "type `/claude-spend join` in the chat for a new line" in response.body["remedy"]
    assert await sqlite.store.read(counter_states.read_latest) == []


async def test_a_token_in_the_address_opens_nothing(sqlite: Door) -> None:
    response = await sqlite.send(body(), token=None, path=f"/snapshots?token={TOKENS['bo']}")
    assert response.status == 401


async def test_the_word_bearer_may_be_written_anyhow(sqlite: Door) -> None:
    response = await sqlite.send(body(), token=None, headers={"Authorization": f"bearer {TOKENS['bo']}"})
    assert response.status == 202


async def test_a_token_writes_its_own_seat_only(door: Door) -> None:
    await door.send(body(seat="ana", name="ana"))
    await door.send(body(), token=TOKENS["cy"])
    assert [row.seat for row in await door.store.read(counter_states.read_latest)] == ["bo", "cy"]


async def test_a_token_that_was_replaced_or_revoked_is_worthless_at_once(door: Door) -> None:
    new = new_token()
    await door.store.run(lambda c: push_tokens.write(c, PushToken("bo", digest(new), NOW)))
    assert (await door.send(body())).status == 401
    assert (await door.send(body(), token=new)).status == 202
    await door.store.run(lambda c: push_tokens.revoke(c, "bo"))
    assert (await door.send(body(), token=new)).status == 401


@pytest.mark.parametrize("seat", ["ana", "gone"])
async def test_the_token_of_a_seat_that_does_not_push_opens_nothing(sqlite: Door, seat: str) -> None:
    token = new_token()
    await sqlite.store.run(lambda c: push_tokens.write(c, PushToken(seat, digest(token), NOW)))
    assert (await sqlite.send(body(), token=token)).status == 401


def test_tokens_cannot_be_guessed() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(len(token) >= 50 for token in made)


# --- another account ------------------------------------------------------------------------------------------------


async def test_another_account_is_409_and_stored_nowhere_but_as_what_ails_the_source(door: Door) -> None:
    await door.send(body())
    known = await door.store.read(counter_states.read_latest)
    response = await door.send(body(9900, NOW + timedelta(minutes=1), account_email="someone@example.com"))
    assert response.status == 409
    assert "meterbot seat forget bo --account" in response.body["remedy"]
    assert await door.store.read(counter_states.read_latest) == known
    state = (await door.store.read(source_states.read_sources))["bo"]
    assert (state.health, state.detail) == (
        Health.REFUSED,
        "the data is from another account (its email is new)",
    )
    door.clock.advance(timedelta(minutes=2))
    assert (await door.send(body(1800, NOW + timedelta(minutes=2)))).status == 202
    assert (await door.store.read(source_states.read_sources))["bo"].health is Health.OK


async def test_an_account_among_others_costs_the_whole_push(door: Door) -> None:
    await door.send(body())
    door.clock.advance(timedelta(minutes=5))
    mixed = [
        body(1, NOW + timedelta(minutes=1)),
        body(2, NOW + timedelta(minutes=2), account_email="x@example.com"),
    ]
    assert (await door.send(mixed)).status == 409
    (row,) = await door.store.read(counter_states.read_latest)
    assert row.known.extra_usage_at == NOW


async def test_an_account_that_another_seat_has_is_409_and_says_what_helps(door: Door) -> None:
    account = "11111111-2222-4333-8444-555555555555"
    assert (await door.send(body(account_uuid=account))).status == 202
    response = await door.send(body(account_uuid=account), token=TOKENS["cy"])
    assert response.status == 409
    assert response.body["remedy"].startswith("sign in to the seat's own account on this machine; ")
    assert "the operator removes one of them" in response.body["remedy"]
    assert "forget" not in response.body["remedy"]


async def test_only_the_configured_organizations_are_taken(door: Door) -> None:
    response = await door.send(body(org_uuid=OTHER_ORG), token=TOKENS["cy"])
    assert response.status == 409
    both = [body(org_uuid=OTHER_ORG), body()]
    assert (await door.send(both, token=TOKENS["cy"])).status == 202
    assert [row.counter.org for row in await door.store.read(counter_states.read_latest)] == [ORG]


async def test_after_its_account_is_forgotten_a_seat_may_be_another(door: Door) -> None:
    await door.send(body())
    other = body(100, NOW + timedelta(minutes=1), account_email="someone@example.com")
    door.clock.advance(timedelta(minutes=1))
    assert (await door.send(other)).status == 409
    assert await door.store.run(lambda c: forget_account(c, "bo"))
    assert await door.store.read(counter_states.read_latest) == []
    assert (await door.send(other)).status == 202
    assert not await door.store.run(lambda c: forget_account(c, "nobody"))


async def test_two_organizations_in_one_push_are_no_change_of_account(door: Door) -> None:
    pair = [body(), body(org_uuid=OTHER_ORG, at=NOW + timedelta(milliseconds=300))]
    assert (await door.send(pair)).body["stored"] == 2
    assert [key for key in await door.events() if key.startswith("identity")] == []


async def test_a_sender_that_learns_to_say_the_account_goes_on_where_it_was(door: Door) -> None:
    account = "22222222-2222-4222-8222-222222222221"
    await door.send(body(4100))
    events = await door.events()
    door.clock.advance(timedelta(minutes=15))
    later = body(4100, NOW + timedelta(minutes=15), account_uuid=account)
    assert (await door.send(later)).status == 202
    assert [row.counter for row in await door.store.read(counter_states.read_latest)] == [
        Counter(account, ORG)
    ]
    assert await door.events() == events
    without = body(4100, NOW + timedelta(minutes=16))
    door.clock.advance(timedelta(minutes=1))
    assert (await door.send(without)).status == 202
    assert [row.counter for row in await door.store.read(counter_states.read_latest)] == [
        Counter(account, ORG)
    ]


# --- alerts ---------------------------------------------------------------------------------------------------------


async def test_a_pushed_seat_alerts_like_any_other(door: Door) -> None:
    await door.send(body(0))
    door.clock.advance(timedelta(minutes=15))
    await door.send(body(4100, NOW + timedelta(minutes=15)))
    kinds = {key.partition(":")[0] for key in await door.events()}
    assert kinds == {"spend_started", "threshold_crossed", "charged_within_plan"}
    assert (
        await door.store.run(
            lambda c: delivery_claims.claim(c, "slack", Claim("w", NOW + timedelta(days=1), 60)).delivery
        )
        is not None
    )


@pytest.mark.parametrize("old", [{"stale": True}, {"at": NOW - timedelta(days=3)}])
async def test_an_old_reading_is_kept_marked_and_tells_nothing_as_if_new(
    door: Door, old: dict[str, Any]
) -> None:
    await door.send(body(0, NOW - timedelta(days=4)))
    assert (await door.send(body(4900, **old))).status == 202
    (row,) = await door.store.read(counter_states.read_latest)
    assert row.known.snapshot.fetched_at == old.get("at", NOW)
    assert (await door.store.read(source_states.read_sources))["bo"].health is Health.STALE
    assert {key.partition(":")[0] for key in await door.events()} <= {"source_down"}


async def test_silence_is_stale_after_three_intervals_and_told_once_when_it_lasts(door: Door) -> None:
    settings = RuleSettings(push_silence=timedelta(hours=2))
    checks = PeriodicChecks(door.store, Recorder(SEATS, [Destination("slack", "C1")], settings), lambda: None)
    await door.send(body(0))
    alerted_after: list[int] = []
    for minutes in range(0, 300, 5):
        alerted_after += [minutes for _ in await checks.run(NOW + timedelta(minutes=minutes))]
        health = (await door.store.read(source_states.read_sources))["bo"].health
        assert health is (Health.OK if minutes <= 45 else Health.STALE)
    assert alerted_after == [125]
    door.clock.advance(timedelta(minutes=300))
    await door.send(body(0, NOW + timedelta(minutes=300)))
    assert [key.partition(":")[0] for key in await door.events()] == ["source_down", "source_up"]


async def test_a_seat_that_never_pushed_is_not_down(door: Door) -> None:
    checks = PeriodicChecks(
        door.store, Recorder(SEATS, [Destination("slack", "C1")], RuleSettings()), lambda: None
    )
    assert await checks.run(NOW + timedelta(days=30)) == []
    assert await door.store.read(source_states.read_sources) == {}


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_a_seat_that_pushes_too_often_is_told_to_wait(sqlite: Door) -> None:
    before = [NOW - timedelta(seconds=left) for left in range(12, -1, -1)]
    statuses = [(await sqlite.send(body(at=at))).status for at in before]
    assert statuses == [202] * 12 + [429]
    response = await sqlite.send(body())
    assert (response.headers["Retry-After"], response.body) == (
        "10",
        {"error": "too many requests from this seat", "remedy": "wait 10 seconds", "retry_after": 10},
    )
    assert (await sqlite.send(body(), token=TOKENS["cy"])).status == 202
    sqlite.clock.advance(timedelta(seconds=10))
    assert (await sqlite.send(body())).status == 202


async def test_a_revoked_token_that_is_tried_on_and_on_holds_up_nobody_else(sqlite: Door) -> None:
    """Behind an office's one address there may be a laptop that was forgotten."""
    statuses = [(await sqlite.send(body(), token="mbpush_revoked-token-of-old")).status for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2
    assert (await sqlite.send(body())).status == 202
    assert (await sqlite.send(body(), token="mbpush_mistyped")).status == 401
    sqlite.clock.advance(timedelta(seconds=30))
    assert (await sqlite.send(body(), token="mbpush_revoked-token-of-old")).status == 401


async def test_an_address_that_guesses_tokens_is_told_to_wait(sqlite: Door) -> None:
    statuses = [(await sqlite.send(body(), token=f"{n:016}")).status for n in range(62)]
    assert statuses == [401] * 60 + [429] * 2
    assert (await sqlite.send(body())).status == 202
    elsewhere = {"X-Forwarded-For": "198.51.100.7"}
    assert (await sqlite.send(body(), token="another", headers=elsewhere)).status == 429


async def test_the_version_of_a_seat_s_agent_is_remembered(sqlite: Door) -> None:
    await sqlite.send(body(), headers={"User-Agent": "curl/8.0"})
    assert await sqlite.store.read(push_tokens.read_agents) == {}
    await sqlite.send(body(), headers={"User-Agent": "meterbot-agent/0.1.0+0123abcd"})
    assert await sqlite.store.read(push_tokens.read_agents) == {"bo": "0.1.0+0123abcd"}
    await sqlite.store.run(lambda tx: forgetting.forget(tx, "bo"))
    assert await sqlite.store.read(push_tokens.read_agents) == {}


async def test_the_owner_is_told_once_that_the_first_number_has_arrived(door: Door) -> None:
    async def messages() -> list[tuple[str, str]]:
        rows = await door.store.read(lambda c: c.execute(tables.deliveries.select()).all())
        return [(row.channel, row.message.title) for row in rows if row.channel.startswith("@")]

    agent = {"User-Agent": "meterbot-agent/1.0"}
    await door.send(body(account_uuid=None, org_uuid="../x"), headers=agent)
    assert await messages() == []
    await door.send(body(), headers=agent)
    await door.send(body(), headers={"User-Agent": "meterbot-agent/2.0"})
    assert await messages() == [("@UBO", "bo is connected: $17.20 of $50.00")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "who"),
    [
        ("127.0.0.1", "203.0.113.1, 8.8.8.8", "8.8.8.8"),
        ("127.0.0.1", "8.8.8.8, 10.1.2.3", "8.8.8.8"),
        ("10.1.2.3", "2606:4700::1", "2606:4700::1"),
        ("10.1.2.3", "8.8.8.8, made-up", "10.1.2.3"),
        ("10.1.2.3", "10.0.0.1", "10.0.0.1"),
        ("192.168.0.1", "8.8.8.8", "192.168.0.1"),
        ("9.9.9.9", "8.8.8.8", "9.9.9.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("", "8.8.8.8", ""),
    ],
)
def test_only_a_configured_proxy_says_whom_it_asks_for(peer: str, forwarded: str, who: str) -> None:
    trusted = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]
    assert nearest_stranger(peer, forwarded, trusted) == who


# --- secrets --------------------------------------------------------------------------------------------------------


async def test_no_token_and_no_text_of_a_sender_is_in_a_log_an_answer_or_the_database(door: Door) -> None:
    stream = io.StringIO()
    log_setup.set_up(stream)
    planted = "sk-ant-sid01-planted-by-the-sender"
    answers = [
        await door.send(body(errors=[planted], browser=planted, secret=planted)),
        await door.send(body(errors=[planted])),
        await door.send(body(org_uuid=planted)),
        await door.send(planted.encode()),
        await door.send(body(), token=planted),
        await door.send(body(), token=planted, path=f"/snapshots?token={planted}"),
        await door.send(
            body(
                account_email=f"{planted}@example.com",
                fetched_at=door.clock.advance(timedelta(seconds=1)).isoformat(),
            )
        ),
        await door.send(body(4900, NOW + timedelta(seconds=2), account_email="other.planted@example.com")),
    ]
    assert [response.status for response in answers] == [202, 200, 422, 400, 401, 401, 202, 409]
    seen = f"{stream.getvalue()} {[(response.body, dict(response.headers)) for response in answers]}"
    with door.store.engine.connect() as connection:
        for table in tables.metadata.sorted_tables:
            seen += str((connection.exec_driver_sql(f"SELECT * FROM {table.name}")).all())  # noqa: S608 - our own names
    assert digest(TOKENS["bo"]) in seen
    for secret in (*TOKENS.values(), planted, EMAIL, "planted@"):
        assert secret not in seen


async def test_a_failure_of_the_database_leaks_nothing_into_the_log(own: Door) -> None:
    stream = io.StringIO()
    log_setup.set_up(stream)
    with own.store._writer.begin() as connection:
        connection.exec_driver_sql("DROP TABLE latest")
    for _ in range(3):
        assert (await own.send(body(errors=["planted-error"]))).status == 503
    # A missing table is a bug of ours, so every one of them is logged.
    assert stream.getvalue().count("a request failed") == 3
    for secret in (*TOKENS.values(), EMAIL, "planted-error", "1720"):
        assert secret not in stream.getvalue()


MANY = [body(org_uuid=str(UUID(int=number))) for number in range(100)]
"""A push that needs more room than a new database has."""


async def disk(door: Door, *, full: bool) -> None:
    """Lets the database grow no more, or again; SQLite then says that the disk is full."""

    def limit(tx: Connection) -> None:
        used = int(tx.exec_driver_sql("PRAGMA page_count").scalar_one())
        tx.exec_driver_sql(f"PRAGMA max_page_count = {used if full else 1_000_000}")

    await door.store.run(limit)


async def test_a_full_disk_is_logged_when_it_begins_and_when_it_ends(own: Door) -> None:
    with capture_logs() as logged:
        await disk(own, full=True)
        refused = [(await own.send(MANY)).status for _ in range(5)]
        await disk(own, full=False)
        stored = (await own.send(MANY)).status
    assert (refused, stored) == ([503] * 5, 202)
    assert [line["event"] for line in logged] == ["pushes cannot be stored", "pushes are stored again"]


async def test_a_bug_is_logged_in_the_middle_of_an_outage(own: Door) -> None:
    with capture_logs() as logged:
        await disk(own, full=True)
        await own.send(MANY)
        await own.store.run(lambda tx: tx.exec_driver_sql("DROP TABLE latest"))
        await own.send(MANY)
    noted = "a failed push could not be noted"
    assert [line["event"] for line in logged] == ["pushes cannot be stored", noted, "a request failed"]


async def test_an_outage_that_only_concerns_the_agents_versions_is_logged_once(own: Door) -> None:
    needs_room = """CREATE TRIGGER needs_room BEFORE INSERT ON seat_agents
        BEGIN INSERT INTO filler VALUES (zeroblob(10000000)); END"""

    def few_pages_left(tx: Connection) -> None:
        tx.exec_driver_sql("CREATE TABLE filler (bytes BLOB)")
        tx.exec_driver_sql(needs_room)
        used = int(tx.exec_driver_sql("PRAGMA page_count").scalar_one())
        tx.exec_driver_sql(f"PRAGMA max_page_count = {used + 100}")

    await own.store.run(few_pages_left)
    agent = {"User-Agent": "meterbot-agent/0.1.0+0123abcd"}
    with capture_logs() as logged:
        answered = [(await own.send(body(), headers=agent)).status for _ in range(3)]
        await disk(own, full=False)
        answered.append((await own.send(body(), headers=agent)).status)
    assert answered == [202, 200, 200, 200]
    noted = ["the versions of agents cannot be stored", "the versions of agents are stored again"]
    assert [line["event"] for line in logged] == noted


async def test_a_push_that_cannot_be_stored_is_the_health_of_its_seat_alone(own: Door) -> None:
    refuse = "CREATE TRIGGER refuse BEFORE INSERT ON latest WHEN new.seat = 'bo' BEGIN SELECT RAISE(ABORT, 'no'); END"
    await own.store.run(lambda tx: tx.exec_driver_sql(refuse))
    assert (await own.send(body())).status == 503
    assert (await own.send(body(), token=TOKENS["cy"])).status == 202
    health = await own.store.read(source_states.read_sources)
    assert (health["bo"].health, health["bo"].detail) == (Health.UNREACHABLE, UNSTORABLE)
    assert health["cy"].health is Health.OK
    await own.store.run(lambda tx: tx.exec_driver_sql("DROP TRIGGER refuse"))
    assert (await own.send(body(at=NOW + timedelta(minutes=1)))).status == 202
    assert (await own.store.read(source_states.read_sources))["bo"].health is Health.OK


async def test_a_push_is_stored_although_the_agents_version_is_not(own: Door) -> None:
    await own.store.run(lambda tx: tx.exec_driver_sql("DROP TABLE seat_agents"))
    with capture_logs() as logged:
        response = await own.send(body(), headers={"User-Agent": "meterbot-agent/1.0"})
    assert response.status == 202
    assert [line["event"] for line in logged] == ["a request failed"]


# --- whatever comes -------------------------------------------------------------------------------------------------

SETTINGS = examples(12)


@SETTINGS
@given(value=json_values)
async def test_any_json_gets_an_answer_of_the_list(sqlite: Door, value: object) -> None:
    sqlite.clock.advance(timedelta(seconds=10))
    response = await sqlite.send(value)
    assert response.status == 422
    assert response.body["field"]


@SETTINGS
@given(path=st.sampled_from([*places(body())]), value=json_values)
async def test_a_push_with_one_strange_value_gets_an_answer_of_the_list(
    sqlite: Door, path: tuple[str | int, ...], value: object
) -> None:
    sqlite.clock.advance(timedelta(seconds=10))
    strange = with_value([body(at=sqlite.clock.now())], (0, *path), value)
    response = await sqlite.send(strange)
    assert response.status in {200, 202, 409, 422}
    assert json.dumps(response.body)


@SETTINGS
@given(
    amounts=st.lists(st.integers(0, 6000), min_size=1, max_size=5),
    order=st.lists(st.integers(0, 4), max_size=12),
)
async def test_pushes_in_any_order_however_often_end_alike_and_tell_nothing_twice(
    sqlite: Door, amounts: list[int], order: list[int]
) -> None:
    await emptied(sqlite.store)
    await sqlite.store.run(lambda c: push_tokens.write(c, PushToken("bo", digest(TOKENS["bo"]), NOW)))
    start = sqlite.clock.advance(timedelta(hours=1))
    pushes = [body(used, start + timedelta(seconds=place)) for place, used in enumerate(amounts)]
    sequence = [place for place in order if place < len(pushes)] + [len(pushes) - 1]
    for place in sequence:
        sqlite.clock.advance(timedelta(seconds=10))
        newest = max(sequence[: sequence.index(place) + 1])
        response = await sqlite.send(pushes[place])
        assert response.status in ({200, 202} if place == newest else {200})
    (row,) = await sqlite.store.read(counter_states.read_latest)
    await sqlite.store.run(lambda c: forgetting.forget(c, "bo"))
    await sqlite.store.run(lambda c: push_tokens.write(c, PushToken("bo", digest(TOKENS["bo"]), NOW)))
    sqlite.clock.advance(timedelta(seconds=10))
    await sqlite.send(pushes[-1])
    (alone,) = await sqlite.store.read(counter_states.read_latest)
    # The way there is what differs, and is kept for what the windows are heading for.
    assert replace(row.known, trail={}) == replace(alone.known, trail={})
    assert (row.seat, row.counter) == (alone.seat, alone.counter)
