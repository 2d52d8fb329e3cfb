"""The refusals of `/join/CODE`. qa/e2e/test_joining.py uses a code from its link to the first number."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from meterbot.app.health import BotHealth
from meterbot.app.join_endpoint import EXPIRED, JoinEndpoint
from meterbot.app.web import HttpServer, application
from meterbot.core.clock import ManualClock
from meterbot.ingest.pushes import make_code
from meterbot.store import Store

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)
PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
BROWSER = {"Accept": "text/html"}


class Door:
    """The route on a real port."""

    def __init__(self, url: str, store: Store, session: aiohttp.ClientSession) -> None:
        self.url, self.store, self._session = url, store, session

    async def ask(self, method: str, code: str, **headers: str) -> tuple[int, Any, aiohttp.ClientResponse]:
        async with self._session.request(method, f"{self.url}/join/{code}", headers=headers) as answer:
            is_json = answer.content_type == "application/json"
            return answer.status, await (answer.json() if is_json else answer.text()), answer


@pytest.fixture
async def door(store: Store) -> AsyncIterator[Door]:
    async def accepts(seat: str) -> bool:
        return seat == "bo"

    async def health() -> BotHealth:
        raise NotImplementedError

    joining = JoinEndpoint(store, "https://meterbot.example", ManualClock(NOW).now, accepts)
    server = HttpServer(application(health, joining.routes()), [("127.0.0.1", 0)])
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Door(f"http://127.0.0.1:{port}", store, session)
    finally:
        await server.close()


def private(answer: aiohttp.ClientResponse) -> bool:
    """Whether nobody may store the answer, and no search engine may list it."""
    return PRIVATE.items() <= answer.headers.items()


async def test_every_answer_about_a_code_is_private(door: Door) -> None:
    code = await make_code(door.store, "bo", NOW)
    for method, headers in (("GET", {}), ("GET", BROWSER), ("POST", {})):
        status, _, answer = await door.ask(method, code, **headers)
        assert (status, private(answer)) == (200, True)


async def test_a_wrong_code_is_refused_in_private(door: Door) -> None:
    status, body, answer = await door.ask("POST", "wrong")
    assert (status, body, private(answer)) == (404, {"error": EXPIRED}, True)
    status, _, answer = await door.ask("GET", "wrong", **BROWSER)
    assert (status, private(answer)) == (404, True)
    status, body, answer = await door.ask("GET", "wrong")
    assert (status, body, private(answer)) == (200, f"raise SystemExit({EXPIRED!r})\n", True)


async def test_an_address_that_tries_codes_is_told_to_wait_in_private(door: Door) -> None:
    for number in range(20):
        assert (await door.ask("POST", f"guess-{number}"))[0] == 404
    sentence = "Too many wrong codes came from this address: wait 30 seconds."
    good = await make_code(door.store, "bo", NOW)
    for method in ("GET", "POST"):
        status, body, answer = await door.ask(method, good, **BROWSER)
        assert (status, body, private(answer)) == (429, {"error": sentence}, True)
        assert answer.headers["Retry-After"] == "30"
    status, body, answer = await door.ask("GET", good)
    assert (status, body, private(answer)) == (200, f"raise SystemExit({sentence!r})\n", True)
