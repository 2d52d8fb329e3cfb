"""A Slack workspace on loopback: Web API, Socket Mode, slash commands, buttons, modals and signed HTTP, with faults on
demand.

    async with SlackSimulator() as slack:
        chat = SlackChat(bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url, ...)
        ...
        asked = await slack.slash("/claude-spend", "me")     # returns when the bot acknowledged it
        said = await slack.answer(asked)                      # what the bot sent to the response_url
        slack.messages()                                      # the channel's messages
    await slack.submit(await slack.modal(asked), "text")  # fills in the form that the bot opened instead

Faults are scripted per method, one per call: `slack.fail("chat.postMessage", rate_limited("3"), dropped())`; the posts
to a response_url go by the name "response_url".
Everything that real Slack would refuse is refused, and written down in `unexpected`.
"""

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.simulator.slack_faults import Fault, faulty
from tests.simulator.slack_judge import verdict
from tests.simulator.slack_objects import Call, Interaction, Modal, SlackMessage
from tests.simulator.slack_workspace import SlackWorkspace

_STRUCTURES = {"blocks", "metadata", "attachments", "view"}
_ACK_SECONDS = 3.0
_RESPONSES = 5


class NotAcknowledgedError(Exception):
    """The bot did not acknowledge within Slack's 3 seconds: the person saw a failure."""


class SlackSimulator(SlackWorkspace):
    """The workspace on loopback, its people and their ways to the bot. `bot_url` set to the bot's `/slack/events` makes
    it an HTTP-mode app."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.refuse_handshakes = 0
        """How many of the next sockets are refused, their tickets used up."""
        self.hellos = 0
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._sockets: list[tuple[web.WebSocketResponse, asyncio.Transport]] = []
        self._runner: web.AppRunner | None = None
        self._hung: set[asyncio.Event] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self.bot_url: str | None = None

    # --- Running

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self, port: int = 0) -> None:
        """Listens on 127.0.0.1; `port` 0 takes a free one."""
        app = web.Application(client_max_size=4 * 1024**2)
        app.router.add_route("*", "/api/{method}", self._serve_call)
        app.router.add_get("/link", self._serve_socket)
        app.router.add_post("/respond/{trigger}", self._serve_response)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        for event in (*self._hung, self._awake):
            event.set()
        self.drop_sockets()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- Looking

    def called(self, method: str) -> list[dict[str, Any]]:
        """The arguments of every call of a method."""
        return [call.arguments for call in self.calls if call.method == method]

    @property
    def sockets(self) -> int:
        return len(self._sockets)

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Waits for the condition: looked at when something happens here, and every 20 ms for what happens
        elsewhere."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._pulse.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._pulse.wait(), 0.02)

    # --- Scripting

    def fail(self, method: str, *faults: Fault) -> None:
        """The next calls of the method meet these faults, one each."""
        self._faults[method].extend(faults)
        self._hung.update(fault.until for fault in faults if fault.until is not None)

    def say(self, text: str, channel: str | None = None, **payload: Any) -> SlackMessage:
        """A message by somebody else than the bot."""
        return self._add(channel or self.channel, {"text": text, **payload}, {"user": self.user})

    async def refresh(self) -> None:
        """Slack's announcement that the sockets will soon be closed."""
        for socket, _ in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": "refresh_requested"})

    def drop_sockets(self) -> None:
        """Breaks every socket without a close frame."""
        for _, transport in self._sockets:
            transport.abort()

    def hang(self) -> None:
        """Sockets stay open, and nothing is read from them or said to them, until `recover`."""
        self._awake.clear()

    def recover(self) -> None:
        self._awake.set()

    # --- What people do

    async def slash(
        self, command: str, text: str = "", user: str | None = None, team: str = "T0SIM", **tricks: Any
    ) -> Interaction:
        """Types a slash command. `tricks` are those of `deliver`."""
        payload = {
            "type": "slash_commands",
            "command": command,
            "text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
            "user_id": user or self.user,
            "channel_id": self.channel,
            "team_id": team,
        }
        return await self.deliver(self._interaction("slash_commands", payload), **tricks)

    async def mention(
        self,
        text: str,
        thread: SlackMessage | None = None,
        user: str | None = None,
        team: str = "T0SIM",
        **tricks: Any,
    ) -> Interaction:
        """Writes `@meterbot` and the text, in the channel or in a message's thread."""
        written = f"<@{self.bot['user']}> {text}"
        root = None if thread is None else thread.ts
        by = {"user": user or self.user}
        message = self._add(self.channel, {"text": written}, by, root)
        event = {
            "type": "app_mention",
            "text": written,
            "team": team,
            "ts": message.ts,
            "channel": self.channel,
            **by,
        }
        if root:
            event["thread_ts"] = root
        return await self.event(event, **tricks)

    async def event(self, event: dict[str, Any], **tricks: Any) -> Interaction:
        """Something that the app has subscribed to happened."""
        payload = {
            "type": "event_callback",
            "team_id": "T0SIM",
            "api_app_id": "A0SIM",
            "event_id": f"Ev{uuid.uuid4().hex[:10].upper()}",
            "event": {**event, "event_ts": self._next_ts()},
        }
        told = self._interaction("events_api", payload)
        del told.payload["response_url"], told.payload["trigger_id"]
        return await self.deliver(told, **tricks)

    async def open_home(self, user: str | None = None, tab: str = "home", **tricks: Any) -> Interaction:
        """Opens the app's Home tab."""
        event = {"type": "app_home_opened", "user": user or self.user, "channel": "D0HOME", "tab": tab}
        return await self.event(event, **tricks)

    async def press_at_home(self, value: str, user: str | None = None, **tricks: Any) -> Interaction:
        """Presses the button on a person's Home tab that has this value."""
        who = user or self.user
        view = self.homes[who]
        buttons = [element for block in view["blocks"] for element in block.get("elements", [])]
        button = next(button for button in buttons if button.get("value") == value)
        payload = {
            "type": "block_actions",
            "user": {"id": who, "name": who.lower(), "team_id": "T0SIM"},
            "team": {"id": "T0SIM"},
            "container": {"type": "view", "view_id": f"V{who}"},
            "view": {**view, "id": f"V{who}"},
            "actions": [{**button, "block_id": "b1", "action_ts": self._next_ts()}],
        }
        pressed = self._interaction("interactive", payload)
        del pressed.payload["response_url"]
        return await self.deliver(pressed, **tricks)

    async def shortcut(
        self, message: SlackMessage, callback: str = "claude_spend", user: str | None = None, **tricks: Any
    ) -> Interaction:
        """Chooses the app's entry in the menu of a message."""
        payload = {
            "type": "message_action",
            "callback_id": callback,
            "user": {"id": user or self.user, "name": (user or self.user).lower(), "team_id": "T0SIM"},
            "team": {"id": "T0SIM"},
            "channel": {"id": message.channel, "name": "team"},
            "message_ts": message.ts,
            "message": message.listed(metadata=False),
        }
        return await self.deliver(self._interaction("interactive", payload), **tricks)

    async def press(
        self,
        message: SlackMessage,
        value: str,
        user: str | None = None,
        team: str = "T0SIM",
        **tricks: Any,
    ) -> Interaction:
        """Presses the button of a message that has this value."""
        button = next(button for button in message.buttons() if button["value"] == value)
        payload = {
            "type": "block_actions",
            "user": {"id": user or self.user, "name": (user or self.user).lower(), "team_id": team},
            "team": {"id": "T0SIM"},
            "channel": {"id": message.channel},
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": message.channel,
                **({"thread_ts": message.thread_ts} if message.thread_ts else {}),
            },
            "message": message.listed(metadata=False),
            "actions": [{**button, "block_id": "b1", "action_ts": self._next_ts()}],
        }
        return await self.deliver(self._interaction("interactive", payload), **tricks)

    async def modal(self, interaction: Interaction) -> Modal:
        """The modal that the bot opened, once it has."""
        await self.until(lambda: interaction.modal)
        assert interaction.modal is not None
        return interaction.modal

    async def submit(self, modal: Modal, text: str, **tricks: Any) -> Interaction:
        """Writes into the modal's box and sends it. Raises `ValueError` where Slack's own program would not."""
        block = modal.box()
        element = block["element"]
        if not modal.open or not text or len(text) > element.get("max_length", 3000):
            raise ValueError("Slack sends no form that is closed, empty or too long")
        value = {"type": element["type"], "value": text}
        state = {"values": {block["block_id"]: {element["action_id"]: value}}}
        payload = {
            "type": "view_submission",
            "user": {"id": modal.user, "team_id": "T0SIM"},
            "team": {"id": "T0SIM"},
            "view": {**modal.view, "id": modal.id, "state": state, "hash": "1.0"},
            "response_urls": [],
        }
        sent = self._interaction("interactive", payload)
        del sent.payload["response_url"]
        await self.deliver(sent, **tricks)
        if sent.status in {None, 200}:
            self._follow(modal, sent.reply)
        return sent

    async def deliver(
        self, interaction: Interaction, *, stale: bool = False, forged: bool = False, retry: int = 0
    ) -> Interaction:
        """Brings an interaction to the bot, again if need be, and waits for its acknowledgement.

        In HTTP mode `stale` signs it ten minutes ago and `forged` with another secret; then the bot's refusal is in
        `status`. Raises `NotAcknowledgedError`.
        """
        if self.bot_url is not None:
            await self._deliver_over_http(interaction, stale=stale, forged=forged)
        else:
            await self._deliver_over_socket(interaction, retry)
        return interaction

    async def answer(self, interaction: Interaction, count: int = 1) -> SlackMessage:
        """The bot's newest answer, once there are `count`."""
        await self.until(lambda: len(interaction.answers) >= count)
        return interaction.answers[-1]

    # --- The Web API

    async def _serve_call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append(Call(method, arguments))
        fault = self._next_fault(method)
        if fault is None or fault.accept:
            answer = self._perform(method, arguments, request.headers.get("Authorization", ""))
        self._pulse.set()
        if fault is None:
            return web.json_response(answer, headers={"x-oauth-scopes": ",".join(self.scopes)})
        return await faulty(fault, request)

    def _next_fault(self, method: str) -> Fault | None:
        return self._faults[method].popleft() if self._faults[method] else None

    # --- Socket Mode

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=404, text="no such ticket")
        self._tickets.discard(ticket)
        if self.refuse_handshakes > 0:
            self.refuse_handshakes -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False, autoclose=False, timeout=0.2)
        await socket.prepare(request)
        assert request.transport is not None
        held = (socket, request.transport)
        self._sockets.append(held)
        self._pulse.set()
        try:
            await self._awake.wait()
            self.hellos += 1
            await socket.send_json({"type": "hello", "num_connections": len(self._sockets)})
            async for frame in socket:
                await self._awake.wait()
                await self._on_frame(socket, frame)
            await self._awake.wait()
            await socket.close()
        finally:
            self._sockets.remove(held)
            self._pulse.set()
        return socket

    async def _on_frame(self, socket: web.WebSocketResponse, frame: aiohttp.WSMessage) -> None:
        self._pulse.set()
        if frame.type is aiohttp.WSMsgType.PING:
            await socket.pong(frame.data)
        elif frame.type is aiohttp.WSMsgType.TEXT:
            frame_said = json.loads(frame.data)
            trigger = frame_said.get("envelope_id")
            acknowledged = [known for known in self.interactions if known.trigger == trigger]
            if not acknowledged:
                self.unexpected.append("acknowledged an unknown envelope")
            for interaction in acknowledged:
                interaction.reply = frame_said.get("payload") or {}
                interaction.acknowledged.set()

    async def _deliver_over_socket(self, interaction: Interaction, retry: int) -> None:
        if not self._sockets:
            raise NotAcknowledgedError("no socket is open")
        envelope: dict[str, Any] = {
            "envelope_id": interaction.trigger,
            "type": interaction.kind,
            "payload": interaction.payload,
            "accepts_response_payload": True,
        }
        if retry:
            envelope |= {"retry_attempt": retry, "retry_reason": "timeout"}
        interaction.acknowledged.clear()
        await self._sockets[-1][0].send_json(envelope)
        try:
            await asyncio.wait_for(interaction.acknowledged.wait(), _ACK_SECONDS)
        except TimeoutError:
            raise NotAcknowledgedError(interaction.kind) from None

    # --- HTTP mode, and answers

    async def _deliver_over_http(self, interaction: Interaction, *, stale: bool, forged: bool) -> None:
        assert self.bot_url is not None
        payload = interaction.payload
        if interaction.kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        else:
            form = payload if interaction.kind == "slash_commands" else {"payload": json.dumps(payload)}
            body, content_type = urlencode(form), "application/x-www-form-urlencoded"
        headers = self.signature(body, stale=stale, forged=forged)
        headers["Content-Type"] = content_type
        timeout = aiohttp.ClientTimeout(total=_ACK_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            try:
                async with session.post(self.bot_url, data=body, headers=headers) as response:
                    interaction.status = response.status
                    said = await response.text()
            except TimeoutError:
                raise NotAcknowledgedError(interaction.kind) from None
        if interaction.status == 200:
            interaction.reply = json.loads(said) if said.startswith("{") else {}
            interaction.acknowledged.set()

    def signature(self, body: str, *, stale: bool = False, forged: bool = False) -> dict[str, str]:
        """The headers Slack signs a body with."""
        stamp = str(int(time.time()) - (600 if stale else 0))
        secret = "another secret" if forged else self.signing_secret
        digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    def _interaction(self, kind: str, payload: dict[str, Any]) -> Interaction:
        interaction = Interaction(kind, payload, asyncio.Event())
        trigger = interaction.trigger
        payload |= {"trigger_id": trigger, "response_url": f"{self.url}/respond/{trigger}"}
        self.interactions.append(interaction)
        return interaction

    async def _serve_response(self, request: web.Request) -> web.StreamResponse:
        self.calls.append(Call("response_url", payload := await request.json()))
        fault = self._next_fault("response_url")
        if fault is not None and not fault.accept:
            return await faulty(fault, request)
        answer = self._respond(request.match_info["trigger"], payload)
        self._pulse.set()
        return answer if fault is None else await faulty(fault, request)

    def _respond(self, trigger: str, payload: dict[str, Any]) -> web.Response:
        known = next((held for held in self.interactions if held.trigger == trigger), None)
        if known is None or len(known.answers) >= _RESPONSES:
            return web.Response(status=404, text="used_url")
        if wrong := verdict(payload):
            self._odd(f"response_url: {wrong}", wrong)
            return web.Response(status=400, text="invalid_blocks")
        if payload.get("response_type") == "in_channel":
            message = self._add(self.channel, payload, self.bot, payload.get("thread_ts"))
        else:
            message = SlackMessage(self.channel, self._next_ts(), payload, self.bot, payload.get("thread_ts"))
        known.answers.append(message)
        return web.Response(text="ok")


async def _arguments(request: web.Request) -> dict[str, Any]:
    """Slack takes JSON, forms and queries; in the latter two, structures are JSON within a string."""
    if request.content_type == "application/json":
        return {**request.query, **await request.json()}
    flat = {**request.query, **{key: str(value) for key, value in (await request.post()).items()}}
    return {key: json.loads(value) if key in _STRUCTURES else value for key, value in flat.items()}
