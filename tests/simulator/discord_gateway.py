"""The simulated Discord's gateway: sessions over WebSockets, with heartbeats, resuming and faults."""

import asyncio
import json
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.simulator.discord_objects import Json

_DISPATCH, _HEARTBEAT, _IDENTIFY, _RESUME, _RECONNECT, _INVALID, _HELLO, _ACK = 0, 1, 2, 6, 7, 9, 10, 11
_GUILDS_INTENT = 1
_LONGEST_FRAME = 4096


class _Socket:
    """One connection; frames are zlib-compressed when the client asks for it."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.socket = socket
        self.request = request
        compressed = request.query.get("compress") == "zlib-stream"
        self._deflate = zlib.compressobj() if compressed else None

    async def send(self, op: int, data: Any = None, **more: Any) -> None:
        if self.socket.closed:
            return
        text = json.dumps({"op": op, "d": data, "s": None, "t": None, **more})
        if self._deflate is None:
            await self.socket.send_str(text)
        else:
            frame = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
            await self.socket.send_bytes(frame)


@dataclass(eq=False)
class _Session:
    id: str
    socket: _Socket | None
    sent: list[Json] = field(default_factory=list)
    """Every event so far: what resuming replays. `s` is its place, from 1."""

    async def dispatch(self, name: str, data: Any) -> None:
        self.sent.append({"s": len(self.sent) + 1, "t": name, "d": data})
        if self.socket is not None:
            await self.socket.send(_DISPATCH, data, s=len(self.sent), t=name)

    async def replay(self, seen: int) -> None:
        for event in self.sent[seen:]:
            if self.socket is not None:
                await self.socket.send(_DISPATCH, event["d"], s=event["s"], t=event["t"])


class Gateway:
    """Faults are attributes to set: `refusals` (so many connections are turned away with 503), `identify_refusal`
    (a close code such as 4014 for every IDENTIFY), `deaf` (once a bot is ready, nothing it says is read any more)."""

    def __init__(
        self,
        token: str,
        ready: Callable[[], Json],
        guilds: Callable[[], list[Json]],
        changed: Callable[[], None],
    ) -> None:
        self.refusals = 0
        self.identify_refusal: int | None = None
        self.deaf = False
        self.heartbeat_interval = 41.25
        """Seconds. discord.py's heartbeat thread sleeps that long."""
        self.connections = 0
        self.identifies = 0
        self.resumes = 0
        self.unexpected: list[str] = []
        self.token = token
        self._ready = ready
        self._guilds = guilds
        self._changed = changed
        self._sessions: dict[str, _Session] = {}
        self._sockets: set[_Socket] = set()

    @property
    def live(self) -> bool:
        """Whether a bot is connected and ready."""
        return any(session.socket is not None for session in self._sessions.values())

    async def dispatch(self, name: str, data: Any) -> None:
        """Sends an event to every session; one that is away gets it when it resumes."""
        for session in list(self._sessions.values()):
            await session.dispatch(name, data)

    async def close(self, code: int = 4000) -> None:
        """Closes every connection with this code; the sessions can be resumed."""
        for socket in list(self._sockets):
            await socket.socket.close(code=code)

    def drop(self) -> None:
        """Cuts every connection without a close frame; the sessions can be resumed."""
        for socket in list(self._sockets):
            if socket.request.transport is not None:
                socket.request.transport.abort()

    async def ask_to_reconnect(self) -> None:
        """Op 7: come again and resume."""
        await self._tell(_RECONNECT)

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9: identify again, or resume if `resumable`."""
        if not resumable:
            self._sessions.clear()
        await self._tell(_INVALID, resumable)

    async def _tell(self, op: int, data: Any = None) -> None:
        for socket in list(self._sockets):
            await socket.send(op, data)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.connections += 1
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        response = web.WebSocketResponse()
        await response.prepare(request)
        socket = _Socket(response, request)
        self._sockets.add(socket)
        try:
            await socket.send(_HELLO, {"heartbeat_interval": int(self.heartbeat_interval * 1000)})
            async for frame in response:
                if frame.type is WSMsgType.TEXT:
                    await self._received(socket, frame.data)
                if self.deaf and any(session.socket is socket for session in self._sessions.values()):
                    await asyncio.Event().wait()
        finally:
            self._sockets.discard(socket)
            for session in self._sessions.values():
                if session.socket is socket:
                    session.socket = None
            self._changed()
        return response

    async def _received(self, socket: _Socket, text: str) -> None:
        if len(text) > _LONGEST_FRAME:
            await socket.socket.close(code=4002)
            return
        frame = json.loads(text)
        op, data = frame["op"], frame["d"]
        if op == _HEARTBEAT:
            await socket.send(_ACK)
        elif op == _IDENTIFY:
            await self._identify(socket, data)
        elif op == _RESUME:
            await self._resume(socket, data)
        else:
            self.unexpected.append(f"gateway op {op}")
        self._changed()

    async def _identify(self, socket: _Socket, data: Json) -> None:
        self.identifies += 1
        if data["token"] != self.token or self.identify_refusal:
            await socket.socket.close(code=self.identify_refusal or 4004)
            return
        session = _Session(secrets.token_hex(16), socket)
        self._sessions[session.id] = session
        await session.dispatch("READY", {**self._ready(), "session_id": session.id})
        # Without the GUILDS intent, Discord names the servers in READY and says no more of them.
        if data["intents"] & _GUILDS_INTENT:
            for guild in self._guilds():
                await session.dispatch("GUILD_CREATE", guild)

    async def _resume(self, socket: _Socket, data: Json) -> None:
        self.resumes += 1
        session = self._sessions.get(data["session_id"])
        if data["token"] != self.token:
            await socket.socket.close(code=4004)
        elif session is None:
            await socket.send(_INVALID, data=False)
        else:
            session.socket = socket
            await session.replay(data["seq"])
            await session.dispatch("RESUMED", {})
