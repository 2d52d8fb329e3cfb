"""The cost of reading a seat: `python -m qa.benchmarks.poll`.

Compares the floor, the bare GETs of a stock httpx and of aiohttp, and the bot's own reader, which also handles errors,
drift and sessions. All request the three answers of a reading whose account is known.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import aiohttp
import httpx

from meterbot.core.models import Health, Seat
from meterbot.sources.claude_ai import ClaudeAiSource
from meterbot.sources.http_client import HttpClient
from meterbot.sources.session import Session
from qa.benchmarks import floor, measure, upstream
from qa.benchmarks.measure import Line

SEATS = 128
ROUNDS = 5
_POLLS = {"floor": 1500, "aiohttp": 400, "httpx": 100, "ours": 300}
"""Readings in a turn, so that all turns take about as long."""

Poll = Callable[[int], Awaitable[object]]


def _paths(number: int) -> list[str]:
    return [f"/api/organizations/{upstream.org_of(number)}/{kind}" for kind in floor.SHAPES]


def _headers(number: int) -> dict[str, str]:
    return {"Cookie": f"sessionKey={upstream.session_key(number)}"}


def stock_httpx(client: httpx.AsyncClient, url: str) -> Poll:
    async def poll(number: int) -> None:
        for path in _paths(number):
            answer = await client.get(url + path, headers=_headers(number))
            assert answer.status_code == 200

    return poll


def bare_aiohttp(client: aiohttp.ClientSession, url: str) -> Poll:
    async def poll(number: int) -> None:
        for path in _paths(number):
            async with client.get(url + path, headers=_headers(number)) as answer:
                assert answer.status == 200
                await answer.read()

    return poll


def bots_own(transport: HttpClient, url: str) -> Poll:
    """The readers as the bot makes them. Their clock stays within an hour, after which the account would be read
    again."""
    began = datetime(2026, 4, 30, 10, tzinfo=UTC)
    readers = [
        ClaudeAiSource(
            Seat(f"seat{number}", "claude_ai"),
            Session(upstream.session_key(number), transport, url),
            retry_pauses=(),
        )
        for number in range(SEATS)
    ]
    turns = [0] * SEATS

    async def poll(number: int) -> None:
        turns[number] += 1
        (snapshot,) = await readers[number].read(began + timedelta(seconds=turns[number]))
        assert snapshot.health is Health.OK

    return poll


async def costs(
    served: upstream.Running, in_flight: int, rounds: int, share: float = 1.0
) -> dict[str, list[float]]:
    """Microseconds of CPU per reading, by reader."""
    least = floor.Floor(served, in_flight)
    await least.open()
    async with (
        HttpClient(connections=in_flight) as transport,
        httpx.AsyncClient() as client,
        aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=in_flight)
        ) as session,
    ):
        polls: dict[str, Poll] = {
            "floor": least.poll,
            "aiohttp": bare_aiohttp(session, served.url),
            "httpx": stock_httpx(client, served.url),
            "ours": bots_own(transport, served.url),
        }
        if in_flight > 8:
            del polls["httpx"]  # its pool takes seconds for this; see docs/performance.md

        def work(name: str) -> measure.Work:
            count = round(_POLLS[name] * share)
            return lambda: measure.at_once(polls[name], (n % SEATS for n in range(count)), in_flight)

        found = await measure.in_turns({name: work(name) for name in polls}, rounds)
    await least.close()
    served.seen()
    return found


async def lines(rounds: int = ROUNDS) -> list[Line]:
    with upstream.running() as served:
        few = await costs(served, 8, rounds)
        many = await costs(served, 128, rounds)
        again = await costs(served, 8, rounds)
    peers = f"httpx {measure.microseconds(few['httpx'])}, aiohttp {measure.microseconds(few['aiohttp'])}"
    least, ours = measure.microseconds(few["floor"]), measure.microseconds(few["ours"])
    eights = [(a + b) / 2 for a, b in zip(few["ours"], again["ours"], strict=True)]
    return [
        Line("a seat's reading, 8 in flight", "≤ 0.5 × httpx", least, peers, ours, measure.ratio(few["ours"], few["httpx"]), 0.5),
        Line(
            "128 in flight beside 8", "≤ 1.3 ×", measure.microseconds(many["floor"]),
            f"aiohttp {measure.microseconds(many['aiohttp'])}", measure.microseconds(many["ours"]),
            measure.ratio(many["ours"], eights), 1.3,
        ),
    ]  # fmt: skip


async def short() -> float:
    """The cost of a reading compared with the bare requests of a stock httpx, measured in a few seconds."""
    with upstream.running() as served:
        found = await costs(served, 8, 2, share=0.15)
    return measure.ratio(found["ours"], found["httpx"])


if __name__ == "__main__":
    measure.prepare()
    if sys.argv[1:] == ["--short"]:
        print(asyncio.run(short()))
    else:
        print(measure.table(asyncio.run(lines())))
