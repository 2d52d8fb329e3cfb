"""The least that a seat's reading costs in Python: a hand-made request on a kept connection, and its validation."""

import asyncio
from typing import Any

from pydantic import BaseModel

from qa.benchmarks.upstream import Running, org_of, session_key


class _Window(BaseModel):
    utilization: float
    resets_at: str


class _Extra(BaseModel):
    is_enabled: bool
    monthly_limit: int
    used_credits: float
    currency: str


class _Usage(BaseModel):
    five_hour: _Window
    seven_day: _Window
    extra_usage: _Extra


class _Overage(BaseModel):
    organization_uuid: str
    monthly_credit_limit: int
    used_credits: float
    out_of_credits: bool


class _Subscription(BaseModel):
    status: str
    next_charge_date: str


SHAPES: dict[str, type[BaseModel]] = {
    "usage": _Usage,
    "overage_spend_limit": _Overage,
    "subscription_details": _Subscription,
}


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._buffer = b""
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def get(self, path: str, cookie: str) -> asyncio.Future[bytes]:
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        request = (
            f"GET {path} HTTP/1.1\r\nHost: claude.ai\r\nAccept: application/json\r\nCookie: {cookie}\r\n\r\n"
        )
        self.transport.write(request.encode())
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._whole and (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            at = self._buffer.find(b"content-length: ") + 16
            self._whole = end + 4 + int(self._buffer[at : self._buffer.find(b"\r\n", at)])
        if self._whole and len(self._buffer) >= self._whole:
            assert self._buffer.startswith(b"HTTP/1.1 200 ")
            body = self._buffer[self._buffer.find(b"\r\n\r\n") + 4 : self._whole]
            self._buffer, self._whole = self._buffer[self._whole :], 0
            self._answer.set_result(body)


class Floor:
    def __init__(self, upstream: Running, in_flight: int) -> None:
        self._upstream, self._in_flight = upstream, in_flight
        self._free: list[_Connection] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._in_flight):
            _, connection = await loop.create_connection(_Connection, "127.0.0.1", self._upstream.port)
            self._free.append(connection)

    async def poll(self, number: int) -> None:
        connection = self._free.pop()
        cookie = f"sessionKey={session_key(number)}"
        for kind, shape in SHAPES.items():
            body = await connection.get(f"/api/organizations/{org_of(number)}/{kind}", cookie)
            shape.model_validate_json(body)
        self._free.append(connection)

    async def close(self) -> None:
        for connection in self._free:
            connection.transport.close()
