import asyncio
import json
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from meterbot.app.health import BotHealth, ChatHealth
from meterbot.app.metrics import Metrics
from meterbot.app.web import HttpServer, application
from meterbot.chat import Connection
from meterbot.core import secret
from meterbot.core.models import Health, SourceState

NOW = datetime(2026, 4, 30, 10, 0, tzinfo=UTC)


def seats(**words: str) -> dict[str, SourceState]:
    return {name: SourceState(name, Health(word)) for name, word in words.items()}


def chat(*, up: bool = True, detail: str | None = None, **facts: Any) -> ChatHealth:
    return ChatHealth(Connection(up, detail=detail), **facts)


def health(**changes: object) -> BotHealth:
    base: dict[str, object] = {
        "now": NOW,
        "version": "1.2.3",
        "database": True,
        "last_tick": NOW - timedelta(seconds=1),
        "chats": {"slack": chat(waiting=2), "discord": chat(up=False)},
        "seats": seats(ana="ok"),
    }
    return BotHealth(**(base | changes))  # type: ignore[arg-type]


async def get(
    path: str, now: BotHealth, metrics: Metrics | None = None, headers: dict[str, str] | None = None
) -> tuple[int, str, str]:
    async def take() -> BotHealth:
        return now

    async def hook(_: web.Request) -> web.Response:
        return web.Response(text="hooked")

    listener = HttpServer(application(take, [web.post("/slack/events", hook)], metrics), [("127.0.0.1", 0)])
    port = await listener.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                "POST" if path == "/slack/events" else "GET",
                f"http://127.0.0.1:{port}{path}",
                headers=headers,
            ) as response,
        ):
            return response.status, response.headers["Content-Type"], await response.text()
    finally:
        await listener.close()


async def test_a_bot_that_works_is_alive_and_ready() -> None:
    assert (await get("/healthz", health()))[0] == 200
    assert (await get("/readyz", health()))[0] == 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"database": False}, "the database does not answer"),
        ({"last_tick": NOW - timedelta(seconds=61)}, "the last tick is late"),
        ({"last_tick": None}, "the last tick is late"),
        ({"written_at": NOW - timedelta(seconds=31)}, "the database cannot be written to"),
        ({"chats": {"slack": chat(up=False)}}, "no chat is connected"),
        (
            {"chats": {"slack": chat(wrong_channel="no such channel")}},
            "no alert can be posted: the configured channel is wrong",
        ),
        (
            {"chats": {"discord": chat(oldest=NOW - timedelta(minutes=16))}},
            "an alert is waiting to be delivered",
        ),
    ],
)
async def test_what_keeps_the_bot_from_its_work_is_named(changes: dict[str, object], problem: str) -> None:
    status, _, body = await get("/readyz", health(**changes))
    assert status == 503
    assert problem in body
    assert (await get("/healthz", health(**changes)))[0] == 200


async def test_what_ails_a_bot_that_is_ready_is_named_too() -> None:
    down = chat(up=False, detail="invalid_auth: the token\nis worthless")
    status, _, body = await get(
        "/readyz",
        health(
            chats={"slack": down, "discord": chat(waiting=1, trouble="missing access to the channel")},
            seats=seats(ana="ok", bo="session_expired", cy="drifted", di="ok", ed="ok"),
        ),
    )
    assert (status, json.loads(body)) == (
        200,
        {
            "status": "ready",
            "problems": [],
            "notes": [
                "slack is not connected: invalid_auth: the token is worthless",
                "1 message for discord cannot be delivered: missing access to the channel",
                "2 of 5 seats cannot be read reliably",
            ],
        },
    )


async def test_what_is_held_back_on_purpose_is_no_problem() -> None:
    status, _, body = await get("/readyz", health(chats={"slack": chat(held=2)}))
    assert (status, json.loads(body)["problems"]) == (200, [])
    assert "2 messages for slack held back on purpose" in body
    assert (
        'meterbot_deliveries_held{chat="slack"} 2.0'
        in (await get("/metrics", health(chats={"slack": chat(held=2)})))[2]
    )


async def test_one_wrong_channel_of_two_is_a_note() -> None:
    status, _, body = await get(
        "/readyz", health(chats={"slack": chat(), "discord": chat(wrong_channel="it is a forum")})
    )
    assert (status, "discord: it is a forum" in body) == (200, True)


async def test_no_secret_is_in_what_ails_it() -> None:
    secret.remember("planted-secret-0123456789")
    refusal = "refused planted-secret-0123456789"
    slack = chat(up=False, detail=refusal, trouble=refusal)
    body = (await get("/readyz", health(chats={"slack": slack})))[2]
    assert body.count("refused") == 2
    assert "planted" not in body


async def test_metrics_are_prometheus_text() -> None:
    status, kind, body = await get("/metrics", health())
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert "meterbot_ready 1.0" in body


@pytest.mark.parametrize("given", [None, "Bearer planted-token-11", "planted-token-1", "Bearer \udcff"])
async def test_metrics_with_a_token_are_for_who_sends_it(given: str | None) -> None:
    metrics = Metrics(token="planted-token-1")
    headers = {} if given is None else {"Authorization": given}
    status, _, body = await get("/metrics", health(), metrics, headers)
    assert (status, "meterbot" in body) == (401, False)
    right = {"Authorization": "Bearer planted-token-1"}
    assert (await get("/metrics", health(), metrics, right))[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 403),
        ("evil.example:8080", 403),
        ("127.0.0.1.evil.example", 403),
        ("meterbot.example:443", 200),
        ("METERBOT.example", 200),
        ("127.0.0.1:9", 200),
        ("[::1]:9", 200),
        ("localhost", 200),
        ("meterbot:8080", 200),
    ],
)
async def test_metrics_without_a_token_are_not_for_the_pages_of_others(host: str, status: int) -> None:
    """A page that a person has open may ask by a name of its own that resolves to this machine."""
    metrics = Metrics(hosts=["meterbot.example"])
    assert (await get("/metrics", health(), metrics, {"Host": host}))[0] == status


async def test_with_a_token_any_name_will_do() -> None:
    headers = {"Host": "metrics.example", "Authorization": "Bearer planted-token-1"}
    assert (await get("/metrics", health(), Metrics(token="planted-token-1"), headers))[0] == 200


@asynccontextmanager
async def listening(addresses: Sequence[tuple[str, int]], header_seconds: float = 10.0) -> AsyncIterator[int]:
    async def take() -> BotHealth:
        return health()

    server = HttpServer(application(take), addresses, header_seconds)
    port = await server.start()
    try:
        yield port
    finally:
        await server.close()


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_request_that_does_not_arrive_does_not_hold_its_connection(sent: bytes) -> None:
    async with listening([("127.0.0.1", 0)], header_seconds=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(20):
            assert await reader.read() == b""
        writer.close()


async def test_a_connection_with_a_request_outlives_the_deadline() -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    async with listening([("127.0.0.1", 0)], header_seconds=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(0.4, over.set)
        for _ in range(2):
            writer.write(request)
            assert b"200 OK" in await reader.readuntil(b"}")
            await over.wait()
        writer.close()


async def test_every_address_is_ipv4_and_ipv6() -> None:
    async with listening([("", 0)]):
        pass  # a port of 0 is another one for each family
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with listening([("", port)]):
        for host in ("127.0.0.1", "::1") if socket.has_ipv6 and _has_ipv6() else ("127.0.0.1",):
            _, writer = await asyncio.open_connection(host, port)
            assert writer.get_extra_info("peername")[:2] == (host, port)
            writer.close()


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_a_chat_receives_what_is_posted_to_its_route() -> None:
    assert (await get("/slack/events", health()))[2] == "hooked"
