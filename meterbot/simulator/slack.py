"""A Slack workspace on loopback: Web API, Socket Mode, slash commands, buttons, modals and signed HTTP, with faults on
demand.

    async with SlackSimulator() as slack:
        chat = SlackChat(bot_token=slack.bot_token, app_token=slack.app_token, api_url=slack.api_url, ...)
        ...
        asked = await slack.slash("/claude-spend", "me")     # returns when the bot acknowledged it
        said = await slack.answer(asked)                      # what the bot sent to the response_url
        slack.messages()                                      # what stands in the channel
    await slack.submit(await slack.modal(asked), "text")  # fills in the form that the bot opened instead

Faults are scripted per method, one per call: `slack.fail("chat.postMessage", rate_limited("3"), dropped())`; the posts
to a response_url go by the name "response_url".
Everything that real Slack would refuse is refused, and written down in `unexpected`.
"""

import asyncio
import hashlib
import hmac
import json
import re
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from meterbot.simulator.slack_judge import verdict, view_verdict

_SCOPES = {
    "chat.postMessage": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "conversations.open": ("im:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history"),
    "conversations.replies": ("channels:history", "groups:history", "im:history"),
    "files.completeUploadExternal": ("files:write",),
    "files.delete": ("files:write",),
    "files.getUploadURLExternal": ("files:write",),
    "usergroups.users.list": ("usergroups:read",),
}
_STRUCTURES = {"blocks", "metadata", "attachments", "view"}
_ACK_SECONDS = 3.0
_TRIGGER_SECONDS = 3.0
_RESPONSES = 5


class NotAcknowledgedError(Exception):
    """The bot did not acknowledge within Slack's 3 seconds: the person saw a failure."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call. `accept`: it takes effect first. `until`: it hangs until the event is set."""

    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    accept: bool = False
    drop: bool = False
    until: asyncio.Event | None = None


def rate_limited(retry_after: str | None = "1") -> Fault:
    """429 with `Retry-After` in seconds."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Fault(429, '{"ok": false, "error": "ratelimited"}', headers=headers)


def server_error(status: int = 500, *, accept: bool = False) -> Fault:
    """A gateway's page instead of an answer."""
    return Fault(status, "<html>upstream error</html>", "text/html", accept=accept)


def refused(code: str, **more: str) -> Fault:
    """Slack's own no: `{"ok": false, "error": code}`."""
    return Fault(body=json.dumps({"ok": False, "error": code, **more}))


def dropped(*, accept: bool = True) -> Fault:
    """The connection breaks instead of an answer, after the call took effect or before."""
    return Fault(accept=accept, drop=True)


def page(body: str, content_type: str = "text/html", status: int = 200) -> Fault:
    """Somebody else's answer."""
    return Fault(status, body, content_type)


def hanging(until: asyncio.Event, *, accept: bool = True) -> Fault:
    """No answer until the event is set."""
    return Fault(accept=accept, drop=True, until=until)


@dataclass(slots=True)
class Channel:
    """A conversation and what the bot may do there."""

    id: str
    member: bool = True
    archived: bool = False
    messages: list["SlackMessage"] = field(default_factory=list)


@dataclass(slots=True)
class SlackFile:
    """A file on its way into a channel. `content` is None until it was uploaded, `channel` until it is shown."""

    name: str
    length: int
    alt: str
    content: bytes | None = None
    channel: str | None = None
    complete: bool = False


@dataclass(slots=True)
class SlackMessage:
    """A message as it stands. `edits` are its former payloads, `by` who wrote it."""

    channel: str
    ts: str
    payload: dict[str, Any]
    by: Mapping[str, str]
    thread_ts: str | None = None
    edits: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return str(self.payload.get("text", ""))

    @property
    def blocks(self) -> list[dict[str, Any]]:
        return list(self.payload.get("blocks") or [])

    @property
    def delivery(self) -> str | None:
        """The delivery id in its metadata."""
        metadata = self.payload.get("metadata") or {}
        return (metadata.get("event_payload") or {}).get("delivery")

    def buttons(self) -> list[dict[str, Any]]:
        return [
            element for block in self.blocks if block["type"] == "actions" for element in block["elements"]
        ]

    def listed(self, *, metadata: bool) -> dict[str, Any]:
        """As `conversations.history` lists it."""
        shown = {"type": "message", "ts": self.ts, **self.by, "text": self.text, "blocks": self.blocks}
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if metadata and "metadata" in self.payload:
            shown["metadata"] = self.payload["metadata"]
        return shown


@dataclass(slots=True)
class Interaction:
    """Something a person did. `status` is the bot's HTTP answer in HTTP mode."""

    kind: str
    payload: dict[str, Any]
    acknowledged: asyncio.Event
    answers: list[SlackMessage] = field(default_factory=list)
    status: int | None = None
    reply: dict[str, Any] = field(default_factory=dict)
    """What the acknowledgement said."""
    modal: "Modal | None" = None
    at: float = field(default_factory=time.monotonic)
    trigger: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Names it in envelopes, and in the addresses and triggers that it carries."""


@dataclass(slots=True)
class Modal:
    """A modal in front of a person. `errors` stand below its boxes."""

    id: str
    user: str
    view: dict[str, Any]
    errors: dict[str, str] = field(default_factory=dict)
    open: bool = True

    def box(self) -> dict[str, Any]:
        """The block to write into."""
        return next(block for block in self.view["blocks"] if block["type"] == "input")


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the Web API."""

    method: str
    arguments: dict[str, Any]


class SlackSimulator:
    """One workspace with one app. `bot_url` set to the bot's `/slack/events` makes it an HTTP-mode app."""

    def __init__(
        self,
        *,
        bot_token: str = "xoxb-simulated-bot",  # noqa: S107 - opens nothing but this simulator
        app_token: str = "xapp-simulated-app",  # noqa: S107
        signing_secret: str = "simulated-signing-secret",  # noqa: S107
        scopes: tuple[str, ...] = (
            "chat:write",
            "commands",
            "app_mentions:read",
            "channels:history",
            "groups:history",
            "im:write",
            "im:history",
            "files:write",
            "usergroups:read",
        ),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.scopes = scopes
        self.channel = "C0123456789"
        self.user = "U0123"
        self.bot = {"user": "U0BOT", "bot_id": "B0BOT"}
        self.bot_url: str | None = None
        self.channels = {self.channel: Channel(self.channel)}
        self.groups: dict[str, list[str]] = {}
        """User group → its members."""
        self.calls: list[Call] = []
        self.whispered: list[tuple[str, SlackMessage]] = []
        """What only one person sees: who, and what."""
        self.interactions: list[Interaction] = []
        self.uploads = 0
        self.homes: dict[str, dict[str, Any]] = {}
        """Person → the view on their Home tab."""
        self.modals: dict[str, Modal] = {}
        self.files: dict[str, SlackFile] = {}
        self.unexpected: list[str] = []
        self.refuse_handshakes = 0
        """How many of the next sockets are refused, their tickets used up."""
        self.hellos = 0
        self._clock = clock
        self._last_ts = 0
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._tickets: set[str] = set()
        self._sockets: list[tuple[web.WebSocketResponse, asyncio.Transport]] = []
        self._pulse = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._hung: set[asyncio.Event] = set()
        self._awake = asyncio.Event()
        self._awake.set()
        self._port = 0

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
        app.router.add_post("/upload/{file}", self._serve_upload)
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

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    # --- Looking

    def messages(self, channel: str | None = None) -> list[SlackMessage]:
        """The channel's messages outside threads, oldest first."""
        return [message for message in self._in(channel) if message.thread_ts is None]

    def replies(self, root: SlackMessage) -> list[SlackMessage]:
        """The messages in a message's thread, oldest first."""
        return [message for message in self._in(root.channel) if message.thread_ts == root.ts]

    def called(self, method: str) -> list[dict[str, Any]]:
        """The arguments of every call of a method."""
        return [call.arguments for call in self.calls if call.method == method]

    @property
    def sockets(self) -> int:
        return len(self._sockets)

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        """Waits for the condition: looked at when something happens here, and every 20 ms for what happens elsewhere."""
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
        """Breaks every socket without a word."""
        for _, transport in self._sockets:
            transport.abort()

    def hang(self) -> None:
        """Sockets stay open, and nothing is read from them or said to them, until `recover`."""
        self._awake.clear()

    def recover(self) -> None:
        self._awake.set()

    # --- What people do

    async def slash(
        self, command: str, text: str = "", user: str | None = None, **tricks: Any
    ) -> Interaction:
        """Types a slash command. `tricks` are those of `deliver`."""
        payload = {
            "type": "slash_commands",
            "command": command,
            "text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
            "user_id": user or self.user,
            "channel_id": self.channel,
            "team_id": "T0SIM",
        }
        return await self.deliver(self._interaction("slash_commands", payload), **tricks)

    async def mention(
        self, text: str, thread: SlackMessage | None = None, user: str | None = None, **tricks: Any
    ) -> Interaction:
        """Writes `@meterbot` and the text, in the channel or in a message's thread."""
        written = f"<@{self.bot['user']}> {text}"
        root = None if thread is None else thread.ts
        by = {"user": user or self.user}
        message = self._add(self.channel, {"text": written}, by, root)
        event = {"type": "app_mention", "text": written, "ts": message.ts, "channel": self.channel, **by}
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
        self, message: SlackMessage, value: str, user: str | None = None, **tricks: Any
    ) -> Interaction:
        """Presses the button of a message that has this value."""
        button = next(button for button in message.buttons() if button["value"] == value)
        payload = {
            "type": "block_actions",
            "user": {"id": user or self.user, "name": (user or self.user).lower(), "team_id": "T0SIM"},
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
        assert interaction.modal is not None  # noqa: S101 - what was waited for
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
        return await _faulty(fault, request)

    def _next_fault(self, method: str) -> Fault | None:
        return self._faults[method].popleft() if self._faults[method] else None

    def _perform(self, method: str, arguments: dict[str, Any], authorization: str) -> dict[str, Any]:
        handlers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "apps.connections.open": self._open_connection,
            "auth.test": self._test_auth,
            "chat.postMessage": self._post,
            "chat.postEphemeral": self._whisper,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "conversations.open": self._open_direct,
            "conversations.history": self._history,
            "files.completeUploadExternal": self._complete_upload,
            "files.delete": self._delete_file,
            "files.getUploadURLExternal": self._begin_upload,
            "conversations.replies": self._replies,
            "usergroups.users.list": self._list_group,
            "views.open": self._open_view,
            "views.update": self._update_view,
            "views.publish": self._publish_view,
        }
        if method not in handlers:
            return self._odd(f"unknown method {method}", "unknown_method")
        if trouble := self._unauthorized(method, authorization.removeprefix("Bearer ")):
            return trouble
        return handlers[method](arguments)

    def _unauthorized(self, method: str, token: str) -> dict[str, Any] | None:
        wanted, other = self.bot_token, self.app_token
        if method == "apps.connections.open":
            wanted, other = other, wanted
        if token != wanted:
            code = (
                "not_authed" if not token else "not_allowed_token_type" if token == other else "invalid_auth"
            )
            return _no(code)
        needed = _SCOPES.get(method, ())
        if needed and not set(needed) & set(self.scopes):
            return _no("missing_scope", needed=needed[0], provided=",".join(self.scopes))
        return None

    def _test_auth(self, _: dict[str, Any]) -> dict[str, Any]:
        return _yes(team="Simulated", team_id="T0SIM", user_id=self.bot["user"], bot_id=self.bot["bot_id"])

    def _open_connection(self, _: dict[str, Any]) -> dict[str, Any]:
        ticket = uuid.uuid4().hex
        self._tickets.add(ticket)
        return _yes(url=f"ws://127.0.0.1:{self._port}/link?ticket={ticket}")

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self.channels.get(arguments.pop("channel", ""))
        if channel is None:
            return _no("channel_not_found")
        if channel.archived:
            return _no("is_archived")
        if not channel.member:
            return _no("not_in_channel")
        if wrong := verdict(arguments):
            return self._odd(f"chat.postMessage: {wrong}", wrong.partition(":")[0])
        thread_ts = arguments.pop("thread_ts", None)
        message = self._add(channel.id, arguments, self.bot, thread_ts)
        return _yes(channel=channel.id, ts=message.ts, message=message.listed(metadata=True))

    def _whisper(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """A message for one person's eyes, beside the channel or in a thread of it."""
        channel, user = self.channels.get(arguments.pop("channel", "")), arguments.pop("user", None)
        if channel is None or user is None:
            return _no("channel_not_found" if channel is None else "user_not_in_channel")
        if not channel.member:
            return _no("not_in_channel")
        if wrong := verdict(arguments):
            return self._odd(f"chat.postEphemeral: {wrong}", wrong.partition(":")[0])
        thread = arguments.pop("thread_ts", None)
        message = SlackMessage(channel.id, self._next_ts(), arguments, self.bot, thread)
        self.whispered.append((user, message))
        return _yes(message_ts=message.ts)

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        message = self._message(arguments.pop("channel", ""), arguments.pop("ts", ""))
        if message is None:
            return _no("message_not_found")
        if message.by != self.bot:
            return _no("cant_update_message")
        if wrong := verdict(arguments):
            return self._odd(f"chat.update: {wrong}", wrong.partition(":")[0])
        message.edits.append(message.payload)
        message.payload = {"metadata": message.payload.get("metadata"), **arguments}
        return _yes(channel=message.channel, ts=message.ts, text=message.text)

    def _delete(self, arguments: dict[str, Any]) -> dict[str, Any]:
        message = self._message(arguments.get("channel", ""), arguments.get("ts", ""))
        if message is None:
            return _no("message_not_found")
        if message.by != self.bot:
            return _no("cant_delete_message")
        self.channels[message.channel].messages.remove(message)
        return _yes(channel=message.channel, ts=message.ts)

    def _open_direct(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The direct message with one person; the same every time."""
        person = str(arguments.get("users", ""))
        if not re.fullmatch(r"[UW][A-Z0-9]+", person):
            return _no("user_not_found")
        id_ = f"D{person[1:]}"
        self.channels.setdefault(id_, Channel(id_))
        return _yes(channel={"id": id_})

    def _list_group(self, arguments: dict[str, Any]) -> dict[str, Any]:
        members = self.groups.get(str(arguments.get("usergroup", "")))
        return _no("no_such_subteam") if members is None else _yes(users=members)

    def _begin_upload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.uploads += 1
        file = f"F{self.uploads:03}"
        self.files[file] = SlackFile(
            arguments["filename"], int(arguments["length"]), arguments.get("alt_txt", "")
        )
        return _yes(file_id=file, upload_url=f"{self.url}/upload/{file}")

    async def _serve_upload(self, request: web.Request) -> web.Response:
        file = self.files.get(request.match_info["file"])
        png = await request.read()
        if file is None or len(png) != file.length:
            return web.Response(status=400, text="not what was announced")
        file.content = png
        return web.Response(text=f"OK - {len(png)}")

    def _complete_upload(self, arguments: dict[str, Any]) -> dict[str, Any]:
        for sent in arguments["files"]:
            file = self.files.get(sent["id"])
            if file is None or file.content is None:
                return _no("file_not_found")
            file.channel, file.complete = arguments.get("channel_id"), True
        return _yes(files=arguments["files"])

    def _delete_file(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return _no("file_not_found") if self.files.pop(arguments["file"], None) is None else _yes()

    def _open_view(self, arguments: dict[str, Any]) -> dict[str, Any]:
        by = next((one for one in self.interactions if one.trigger == arguments.get("trigger_id")), None)
        if by is None:
            return _no("invalid_trigger_id")
        if by.modal is not None:
            return _no("exchanged_trigger_id")
        if time.monotonic() - by.at > _TRIGGER_SECONDS:
            return _no("expired_trigger_id")
        if wrong := view_verdict(arguments.get("view")):
            return self._odd(f"views.open: {wrong}", "invalid_arguments")
        user = by.payload.get("user_id") or by.payload["user"]["id"]
        by.modal = Modal(f"V{uuid.uuid4().hex[:10].upper()}", user, arguments["view"])
        self.modals[by.modal.id] = by.modal
        return _yes(view={**by.modal.view, "id": by.modal.id})

    def _update_view(self, arguments: dict[str, Any]) -> dict[str, Any]:
        modal = self.modals.get(arguments.get("view_id", ""))
        if modal is None or not modal.open:
            return _no("not_found")
        if wrong := view_verdict(arguments.get("view")):
            return self._odd(f"views.update: {wrong}", "invalid_arguments")
        modal.view, modal.errors = arguments["view"], {}
        return _yes(view={**modal.view, "id": modal.id})

    def _publish_view(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if wrong := view_verdict(arguments.get("view"), "home"):
            return self._odd(f"views.publish: {wrong}", "invalid_arguments")
        shown = [block["slack_file"]["id"] for block in arguments["view"]["blocks"] if "slack_file" in block]
        if not all(file in self.files and self.files[file].complete for file in shown):
            return _no("invalid_blocks")
        self.homes[arguments["user_id"]] = arguments["view"]
        return _yes(view={**arguments["view"], "id": f"V{arguments['user_id']}"})

    def _follow(self, modal: Modal, reply: dict[str, Any]) -> None:
        """What an acknowledgement does to the modal that was sent: closes it, unless told otherwise."""
        modal.errors = {}
        match reply.get("response_action"):
            case None:
                modal.open = False
            case "errors" if reply["errors"].keys() <= {modal.box()["block_id"]} and all(
                reply["errors"].values()
            ):
                modal.errors = reply["errors"]
            case "update" if view_verdict(reply["view"]) is None:
                modal.view = reply["view"]
            case other:
                self.unexpected.append(f"a submission was answered with {other}")

    def _history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._listing(arguments, [*reversed(self.messages(arguments.get("channel")))])

    def _replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        root = self._message(arguments.get("channel", ""), arguments.get("ts", ""))
        if root is None:
            return _no("thread_not_found")
        return self._listing(arguments, self.replies(root), first=[root])

    def _listing(
        self, arguments: dict[str, Any], messages: list[SlackMessage], first: list[SlackMessage] | None = None
    ) -> dict[str, Any]:
        channel = self.channels.get(arguments.get("channel", ""))
        if channel is None:
            return _no("channel_not_found")
        if not channel.member:
            return _no("not_in_channel")
        oldest, limit = float(arguments.get("oldest") or 0), int(arguments.get("limit") or 100)
        found = [*(first or []), *(message for message in messages if float(message.ts) > oldest)]
        start = int(arguments.get("cursor") or 0)
        rest = len(found) > start + limit
        metadata = str(arguments.get("include_all_metadata")).lower() in {"1", "true"}
        return _yes(
            messages=[message.listed(metadata=metadata) for message in found[start : start + limit]],
            has_more=rest,
            response_metadata={"next_cursor": str(start + limit) if rest else ""},
        )

    def _in(self, channel: str | None) -> list[SlackMessage]:
        held = self.channels.get(self.channel if channel is None else channel)
        return held.messages if held else []

    def _message(self, channel: str, ts: str) -> SlackMessage | None:
        return next((message for message in self._in(channel) if message.ts == ts), None)

    def _add(
        self, channel: str, payload: dict[str, Any], by: Mapping[str, str], thread_ts: str | None = None
    ) -> SlackMessage:
        message = SlackMessage(channel, self._next_ts(), payload, by, thread_ts)
        self.channels[channel].messages.append(message)
        self._pulse.set()
        return message

    def _next_ts(self) -> str:
        """Unique and rising, in seconds with six places, as Slack's are."""
        self._last_ts = max(self._last_ts + 1, round(self._clock() * 1_000_000))
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    def _odd(self, what: str, code: str) -> dict[str, Any]:
        self.unexpected.append(what)
        return _no(code)

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
        assert request.transport is not None  # noqa: S101 - a request that is being served has one
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
        assert self.bot_url is not None  # noqa: S101 - the caller checked
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
            return await _faulty(fault, request)
        answer = self._respond(request.match_info["trigger"], payload)
        self._pulse.set()
        return answer if fault is None else await _faulty(fault, request)

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


async def _faulty(fault: Fault, request: web.Request) -> web.StreamResponse:
    if fault.until is not None:
        await fault.until.wait()
    if fault.drop and request.transport is not None:
        request.transport.abort()
    return web.Response(
        status=fault.status, text=fault.body, content_type=fault.content_type, headers=fault.headers
    )


def _yes(**answer: Any) -> dict[str, Any]:
    return {"ok": True, **answer}


def _no(code: str, **more: str) -> dict[str, Any]:
    return {"ok": False, "error": code, **more}
