"""A simulated claude.ai in its own process, cheap enough not to dominate the measurements: `python -m
qa.benchmarks.upstream`.

The cookie decides whose answer it gives. A request for an organization with another's cookie is refused and counted, so
a client that mixes seats fails the run. Three seats of ten spend with every reading, the others do not change.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from qa.benchmarks import measure

_MARK = b"sk-ant-sid01-bench-"
_HEADERS = (
    b"content-type: application/json\r\nserver: cloudflare\r\ncache-control: no-store\r\nvary: Accept-Encoding\r\n"
    b"cf-ray: 8f00000000000000-FRA\r\ncf-cache-status: DYNAMIC\r\nx-content-type-options: nosniff\r\n"
    b"strict-transport-security: max-age=31536000; includeSubDomains; preload\r\nreferrer-policy: same-origin\r\n"
    b"request-id: req_011CabcdefghijklmnopqrstuV\r\nx-envoy-upstream-service-time: 41\r\n"
    b"date: Thu, 30 Apr 2026 10:00:00 GMT\r\n"
)
_BUSY = 3


def session_key(number: int) -> str:
    """The session key of this seat."""
    return f"{_MARK.decode()}{number:06d}-abcdefghijklmnop"


def org_of(number: int) -> str:
    return f"bbbbbbbb-0000-4000-8000-{number:012d}"


def account_of(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012d}"


def account(number: int) -> bytes:
    """`/api/account`."""
    organization = {
        "uuid": org_of(number),
        "name": f"Dev {number}",
        "capabilities": ["claude_max", "chat"],
        "rate_limit_tier": "default_claude_max_20x",
        "settings": {f"a_setting_{one}": True for one in range(40)},
    }
    member = {"organization": organization, "role": "admin", "seat_tier": None, "created_at": "2025-01-01"}
    whole = {"uuid": account_of(number), "email_address": f"dev{number}@example.com", "memberships": [member]}
    return json.dumps(whole).encode()


_USAGE = (
    b'{"five_hour":{"utilization":%d.5,"resets_at":"2030-04-30T12:00:00.123456+00:00"},'
    b'"seven_day":{"utilization":%d.0,"resets_at":"2030-05-02T04:00:00+00:00"},'
    b'"seven_day_oauth_apps":null,"seven_day_opus":{"utilization":3.0,"resets_at":"2030-05-02T04:00:00+00:00"},'
    b'"seven_day_sonnet":{"utilization":11.0,"resets_at":"2030-05-02T04:00:00+00:00"},"iguana_necktie":null,'
    b'"extra_usage":{"is_enabled":true,"monthly_limit":50000,"used_credits":%d.0,"utilization":null,"currency":"USD",'
    b'"decimal_places":2,"disabled_reason":null,"user_disabled":false,"spend_limit_reached":false,'
    b'"credits_ever_enabled":true,"daily":null,"weekly":null},'
    b'"limits":[{"kind":"session","percent":%d,"resets_at":"2030-04-30T12:00:00.123456+00:00","scope":null},'
    b'{"kind":"weekly_all","percent":%d,"resets_at":"2030-05-02T04:00:00+00:00","scope":null}],'
    b'"member_dashboard_available":false}'
)
_OVERAGE = (
    b'{"organization_uuid":"%s","limit_type":"organization","seat_tier":null,"account_uuid":null,"account_email":null,'
    b'"is_enabled":true,"monthly_credit_limit":50000,"currency":"USD","used_credits":%d.0,"disabled_reason":null,'
    b'"disabled_until":null,"out_of_credits":false,"discount_percent":null,"discount_ends_at":null,'
    b'"created_at":"2025-11-01T00:00:00Z","updated_at":"2026-04-30T09:59:00Z"}'
)
_SUBSCRIPTION = (
    b'{"status":"active","next_charge_date":"2030-05-14","next_charge_at":"2030-05-14T09:12:44Z",'
    b'"billing_interval":"monthly","plan_ending_before":null,"has_schedule":false,"scheduled_downgrade":null,'
    b'"gift_details":null,"payment_method":null,"payment_paused_until":null,"currency":"USD"}'
)


@dataclass
class Seen:
    """The received requests: GETs by path, and the number of readings of each seat."""

    gets: Counter[str] = field(default_factory=Counter)
    readings: Counter[int] = field(default_factory=Counter)
    mixed: int = 0
    connections: int = 0

    def report(self) -> dict[str, Any]:
        return {
            "gets": self.gets.total(),
            "by_path": dict(self.gets),
            "seats": len(self.readings),
            "readings": self.readings.total(),
            "most": max(self.readings.values(), default=0),
            "mixed": self.mixed,
            "connections": self.connections,
        }


class Upstream(asyncio.Protocol):
    """One connection."""

    def __init__(self, seen: list[Seen], spent: Counter[int], delay: float) -> None:
        self._seen, self._spent, self._delay = seen, spent, delay
        self._loop = asyncio.get_running_loop()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._seen[0].connections += 1
        socket_ = transport.get_extra_info("socket")
        socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            request, self._rest = self._rest[:end], self._rest[end + 4 :]
            path = request[4 : request.find(b" ", 4)].decode()
            if path.startswith("/bench/"):
                self._send(200, self._control(path))
                continue
            at = request.find(_MARK) + len(_MARK)
            status, body = self._answer(path, int(request[at : at + 6]))
            if self._delay:
                self._loop.call_later(self._delay, self._send, status, body)
            else:
                self._send(status, body)

    def _control(self, path: str) -> bytes:
        report = self._seen[0].report()
        if path == "/bench/reset":
            self._seen[0] = Seen()
        return json.dumps(report).encode()

    def _answer(self, path: str, number: int) -> tuple[int, bytes]:
        seen = self._seen[0]
        kind = path.rpartition("/")[2]
        seen.gets[kind] += 1
        if kind == "account":
            return 200, account(number)
        if path[19:55] != org_of(number):
            seen.mixed += 1
            return 403, b'{"type":"error","error":{"type":"permission_error","message":"not this seat"}}'
        if kind == "usage":
            seen.readings[number] += 1
            self._spent[number] += number % 10 < _BUSY
        spent = self._spent[number]
        if kind == "usage":
            full = 20 + spent % 60
            return 200, _USAGE % (full, full // 2, 1720 + spent, full, full // 2)
        if kind == "overage_spend_limit":
            return 200, _OVERAGE % (org_of(number).encode(), 1720 + spent)
        return 200, _SUBSCRIPTION

    def _send(self, status: int, body: bytes) -> None:
        head = b"HTTP/1.1 %d OK\r\n%scontent-length: %d\r\n\r\n" % (status, _HEADERS, len(body))
        self._transport.write(head + body)  # type: ignore[attr-defined]  # a stream's transport writes


async def _serve(delay: float) -> None:
    seen, spent = [Seen()], Counter[int]()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(seen, spent, delay), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # ends when the process that started this one is gone


@dataclass(frozen=True, slots=True)
class Running:
    """The running upstream: `url`, and what it has received."""

    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def seen(self, *, reset: bool = False) -> dict[str, Any]:
        """What arrived since the last reset. Fails if seats were mixed."""
        with urllib.request.urlopen(f"{self.url}/bench/{'reset' if reset else 'seen'}") as answer:  # noqa: S310 - loopback
            report: dict[str, Any] = json.load(answer)
        if report["mixed"]:
            raise AssertionError(f"{report['mixed']} requests went out with another seat's cookie")
        return report


@contextmanager
def running(delay: float = 0.0) -> Iterator[Running]:
    """An upstream in a process of its own, on another core where there is one; answers after `delay` seconds."""
    command = [
        sys.executable,
        "-m",
        "qa.benchmarks.upstream",
        "--delay",
        str(delay),
        *map(str, measure.CORES[-1:]),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Running(f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument(
        "core", type=int, nargs="*", help="where to run: who starts this one may be bound to another"
    )
    asked = parser.parse_args()
    measure.bind(asked.core)
    asyncio.run(_serve(asked.delay))


if __name__ == "__main__":
    main()
