import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from meterbot.app.health import BotHealth
from meterbot.app.metrics import Metrics
from meterbot.app.web import HttpServer, application
from meterbot.chat import Connection
from meterbot.core import secret
from meterbot.core.models import Health, SourceState

NOW = datetime(2026, 4, 30, 10, 0, tzinfo=UTC)


def seats(**words: str) -> dict[str, SourceState]:
    return {name: SourceState(name, Health(word)) for name, word in words.items()}


def vitals(**changes: object) -> BotHealth:
    base: dict[str, object] = {
        "now": NOW,
        "version": "1.2.3",
        "database": True,
        "last_tick": NOW - timedelta(seconds=1),
        "chats": {"slack": Connection(up=True), "discord": Connection(up=False)},
        "waiting": {"slack": 2},
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

    listener = HttpServer(application(take, [("POST", "/slack/events", hook)], metrics), [("127.0.0.1", 0)])
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
    assert (await get("/healthz", vitals()))[0] == 200
    assert (await get("/readyz", vitals()))[0] == 200


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"database": False}, "the database does not answer"),
        ({"last_tick": NOW - timedelta(seconds=61)}, "the last tick is late"),
        ({"last_tick": None}, "the last tick is late"),
        ({"chats": {"slack": Connection(up=False)}}, "no chat is connected"),
        ({"oldest": {"discord": NOW - timedelta(minutes=16)}}, "an alert is waiting to be delivered"),
    ],
)
async def test_what_keeps_the_bot_from_its_work_is_named(changes: dict[str, object], problem: str) -> None:
    status, _, body = await get("/readyz", vitals(**changes))
    assert status == 503
    assert problem in body
    assert (await get("/healthz", vitals(**changes)))[0] == 200


async def test_what_ails_a_bot_that_is_ready_is_named_too() -> None:
    down = Connection(up=False, detail="invalid_auth: the token\nis worthless")
    status, _, body = await get(
        "/readyz",
        vitals(
            chats={"slack": down, "discord": Connection(up=True)},
            waiting={"slack": 0, "discord": 1},
            troubles={"discord": "missing access to the channel"},
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
                "2 of 5 seats cannot be read, or not for certain",
            ],
        },
    )


async def test_no_secret_is_in_what_ails_it() -> None:
    secret.remember("planted-secret-0123456789")
    down = Connection(up=False, detail="refused planted-secret-0123456789")
    body = (await get("/readyz", vitals(chats={"slack": down}, troubles={"slack": down.detail})))[2]
    assert body.count("refused") == 2
    assert "planted" not in body


async def test_metrics_are_prometheus_text() -> None:
    status, kind, body = await get("/metrics", vitals())
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    assert "meterbot_ready 1.0" in body


@pytest.mark.parametrize("given", [None, "Bearer planted-token-11", "planted-token-1", "Bearer \udcff"])
async def test_metrics_with_a_token_are_for_who_sends_it(given: str | None) -> None:
    metrics = Metrics(token="planted-token-1")
    headers = {} if given is None else {"Authorization": given}
    status, _, body = await get("/metrics", vitals(), metrics, headers)
    assert (status, "meterbot" in body) == (401, False)
    right = {"Authorization": "Bearer planted-token-1"}
    assert (await get("/metrics", vitals(), metrics, right))[0] == 200


async def test_a_chat_receives_what_is_posted_to_its_route() -> None:
    assert (await get("/slack/events", vitals()))[2] == "hooked"
