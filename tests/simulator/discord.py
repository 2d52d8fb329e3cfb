"""A Discord on loopback: the REST routes and the gateway that a bot with one command needs, with faults on demand.

    async with DiscordSimulator() as discord:
        ...                                    # a bot connects to discord.api_url with discord.token
        await discord.connected()
        asked = await discord.slash("me", user="42")
        answer = await discord.answer_to(asked)
        await discord.submit(await discord.form_of(asked), "text")  # fills in the form that was opened instead
        discord.fail("POST", "/channels/{channel_id}/messages", rate_limited(1.5))
        discord.messages(discord.channel_id)

A request that Discord answers and this simulator does not is recorded in `unexpected`.
"""

import asyncio
import json
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from aiohttp import web

from meterbot.core.clock import Clock, SystemClock
from tests.simulator import discord_objects as objects
from tests.simulator.discord_faults import NOT_DISCORDS, Fault, Handler, answer, error
from tests.simulator.discord_gateway import Gateway
from tests.simulator.discord_objects import EPHEMERAL, Json

_PREFIX = "/api/v10"
_COMMAND, _COMPONENT, _AUTOCOMPLETE, _SUBMISSION = 2, 3, 4, 5
_ANSWER, _DEFER, _CHOICES, _MODAL = 4, 5, 8, 9
_LONGEST_TEXT = 4000

VIEW_CHANNEL, SEND_MESSAGES, EMBED_LINKS, READ_MESSAGE_HISTORY = 1 << 10, 1 << 11, 1 << 14, 1 << 16

NONCE_WINDOW = timedelta(minutes=3)
"""How long a repeated nonce of one author makes no second message: Discord says "the past few minutes"."""
ANSWER_WITHIN = timedelta(seconds=3)
TOKEN_LIVES = timedelta(minutes=15)


@dataclass(eq=False)
class Interaction:
    """A question asked by a simulated person, and its answer."""

    id: str
    token: str
    type: int
    channel_id: str
    at: datetime
    event: Json
    acknowledged: bool = False
    original: Json | None = None
    """The answer; while deferred, its placeholder."""
    deferred: bool = False
    followups: list[Json] = field(default_factory=list)
    choices: list[str] | None = None
    form: Json | None = None
    """The modal that was opened instead of an answer."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, for those who watch. Bodies are JSON values; None is no body."""

    method: str
    path: str
    """The template, as in `/channels/{channel_id}/messages`."""
    sent: Any
    status: int
    answered: Any


class DiscordSimulator:
    """One application, its bot, and one server with one channel. Waits are in real time; windows and ids by `clock`."""

    def __init__(self, *, token: str = "simulated-token", clock: Clock | None = None) -> None:
        self.token = token
        self.clock = clock or SystemClock()
        self.application_id, self.guild_id, self.channel_id = "1001", "2002", "3003"
        self.bot = objects.user(self.application_id, "meterbot", bot=True)
        self.commands: dict[str, list[Json]] = {}
        """By scope: the server's id, or `global`."""
        self.registrations = 0
        self.history_readable = True
        """False: the bot lacks Read Message History, which Discord shows as an empty channel."""
        self.sessions_left = 1000
        self.parent_id = "4004"
        self.channel_type = 0
        """11: the channel is a thread, whose parent is a text channel."""
        self.permissions = VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS
        """The bot's permissions on the server, except reading its history."""
        self.roles: dict[str, list[str]] = {}
        """Person → the ids of their roles on the server."""
        self.invited = True
        """False: the bot is on no server."""
        self.offers_commands = True
        """False: it was invited without the scope `applications.commands`."""
        self.exchanges: deque[Exchange] = deque(maxlen=1000)
        self.watch: Callable[[Exchange], None] | None = None
        self.unexpected: list[str] = []
        self.gateway = Gateway(token, self._ready, self._guilds, self._changed)
        self.gateway.unexpected = self.unexpected
        self._channels: dict[str, dict[str, Json]] = {self.channel_id: {}}
        self._directs: dict[str, str] = {}
        """Person → the channel of the direct message with them."""
        self._nonces: dict[str, tuple[datetime, Json]] = {}
        self._interactions: dict[str, Interaction] = {}
        self._faults: list[tuple[str, str, Fault]] = []
        self._last_id = 0
        self._change = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._port = 0
        self.gateway_base: str | None = None
        """Where the gateway is from outside, such as `wss://discord.test/`; None is loopback."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        app = web.Application(middlewares=[self._middleware])
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stops listening; `start` listens on the same port again, with everything still there."""
        if self._runner is not None:
            self.gateway.drop()
            await self._runner.cleanup()
            self._runner = None

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self._port}{_PREFIX}"

    # What a person does and sees.

    async def slash(self, words: str = "", *, user: str = "42") -> Interaction:
        """Types `/claude-spend <words>`."""
        return await self._ask(_COMMAND, user, self._typed(words, focused=False))

    async def type_ahead(self, words: str, *, user: str = "42") -> Interaction:
        """Types words without sending them; `choices` will hold what the bot suggests."""
        return await self._ask(_AUTOCOMPLETE, user, self._typed(words, focused=True))

    async def menu_of_person(self, target: str, *, user: str = "42") -> Interaction:
        """Chooses our entry in a person's menu."""
        person = objects.user(target, f"user-{target}")
        member = objects.member(person, self.clock.now())
        shown = {"users": {target: person}, "members": {target: _without(member, "user", "deaf", "mute")}}
        return await self._ask(_COMMAND, user, self._chosen(2, target, shown))

    async def menu_of_message(self, message_id: str, *, user: str = "42") -> Interaction:
        """Chooses our entry in the menu of a message in the channel."""
        shown = {"messages": {message_id: self._channels[self.channel_id][message_id]}}
        return await self._ask(_COMMAND, user, self._chosen(3, message_id, shown))

    async def press(self, message_id: str, custom_id: str, *, user: str = "42") -> Interaction:
        """Presses a button of a message in the channel."""
        message = self._channels[self.channel_id][message_id]
        buttons = [button for row in message["components"] for button in row["components"]]
        if custom_id not in {button["custom_id"] for button in buttons}:
            raise ValueError(f"message {message_id} has no button {custom_id!r}")
        return await self._ask(
            _COMPONENT, user, {"custom_id": custom_id, "component_type": 2}, message=message
        )

    async def form_of(self, asked: Interaction, *, seconds: float = 5.0) -> Json:
        """The form that the bot opened, once it has."""
        await self.until(lambda: asked.form is not None, seconds=seconds)
        assert asked.form is not None
        return asked.form

    async def submit(self, form: Json, text: str, *, user: str = "42") -> Interaction:
        """Writes into the form's only box and sends it. Raises `ValueError` where Discord's own program would not."""
        [label] = form["components"]
        box = label["component"]
        if not text or len(text) > box.get("max_length", _LONGEST_TEXT):
            raise ValueError("Discord sends no form that is empty or too long")
        written = {"type": box["type"], "id": 2, "custom_id": box["custom_id"], "value": text}
        components = [{"type": label["type"], "id": 1, "component": written}]
        return await self._ask(
            _SUBMISSION, user, {"custom_id": form["custom_id"], "components": components, "resolved": {}}
        )

    async def repeat(self, asked: Interaction) -> None:
        """Delivers a question once more, as resuming a session may."""
        await self.gateway.dispatch("INTERACTION_CREATE", asked.event)

    async def say(self, content: str, *, user: str = "42", **more: Any) -> Json:
        """Writes in the channel as somebody else; `more` as in a request that posts."""
        author = objects.user(user, f"user-{user}")
        return self._add(self.channel_id, author, {"content": content, **more})

    async def answer_to(self, asked: Interaction, *, seconds: float = 5.0) -> Json:
        """The answer, once it is there: ephemeral ones have flag 64."""
        await self.until(lambda: asked.original is not None and not asked.deferred, seconds=seconds)
        assert asked.original is not None
        return asked.original

    def messages(self, channel_id: str | None = None) -> list[Json]:
        """The channel's messages, oldest first."""
        return list(self._channels[channel_id or self.channel_id].values())

    def delete(self, message_id: str) -> None:
        """Removes a message as a person with the right to do so."""
        del self._channels[self.channel_id][message_id]

    # For those who steer and watch.

    async def connected(self, *, seconds: float = 5.0) -> None:
        """Waits for a bot to be ready."""
        await self.until(lambda: self.gateway.live, seconds=seconds)

    async def until(self, condition: Callable[[], object], *, seconds: float = 5.0) -> None:
        """Waits until a condition holds that a request or the gateway changes. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not condition():
                await self._change.wait()

    def fail(self, method: str, path: str, fault: Fault, *, times: int = 1) -> None:
        """The next requests to this path template meet the fault; faults are met in order."""
        self._faults += [(method, path, fault)] * times

    def clear_faults(self) -> None:
        """Removes the faults that have not happened yet."""
        self._faults.clear()

    def requests(self, method: str, path: str) -> list[Any]:
        """The bodies of the requests to this path template that were answered, oldest first."""
        return [seen.sent for seen in self.exchanges if (seen.method, seen.path) == (method, path)]

    # Inside.

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _new_id(self) -> str:
        self._last_id = max(self._last_id + 1, objects.snowflake(self.clock.now()))
        return str(self._last_id)

    def _older_than(self, at: datetime, window: timedelta) -> bool:
        # On a fast clock, people and networks are as slow as ever.
        return self.clock.now() - at > window * max(self.clock.speed, 1.0)

    def _routes(self) -> list[web.RouteDef]:
        messages = "/channels/{channel_id}/messages"
        webhook = "/webhooks/{webhook_id}/{webhook_token}"
        own_commands = "/applications/{application_id}/commands"
        guild_commands = "/applications/{application_id}/guilds/{guild_id}/commands"
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/users/@me", self._get_me),
            ("POST", "/users/@me/channels", self._open_direct),
            ("GET", "/oauth2/applications/@me", self._get_application),
            ("GET", "/gateway", self._get_gateway),
            ("GET", "/gateway/bot", self._get_gateway),
            ("GET", own_commands, self._get_commands),
            ("PUT", own_commands, self._put_commands),
            ("GET", guild_commands, self._get_commands),
            ("PUT", guild_commands, self._put_commands),
            ("GET", "/guilds/{guild_id}", self._get_guild),
            ("GET", "/guilds/{guild_id}/members/{user_id}", self._get_member),
            ("GET", "/channels/{channel_id}", self._get_channel),
            ("GET", messages, self._list_messages),
            ("POST", messages, self._post_message),
            ("GET", messages + "/{message_id}", self._get_message),
            ("PATCH", messages + "/{message_id}", self._edit_message),
            ("DELETE", messages + "/{message_id}", self._delete_message),
            ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self._callback),
            ("POST", webhook, self._followup),
            ("GET", webhook + "/messages/@original", self._get_original),
            ("PATCH", webhook + "/messages/@original", self._edit_original),
            ("DELETE", webhook + "/messages/@original", self._delete_original),
        ]
        return [
            web.get("/", self.gateway.serve),
            *(web.route(method, _PREFIX + path, handler) for method, path, handler in routes),
        ]

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is None:
            self.unexpected.append(f"{request.method} {request.path}")
            return error(404, 0, "404: Not Found")
        if resource.canonical == "/":
            return await handler(request)
        path = resource.canonical.removeprefix(_PREFIX)
        try:
            response = await self._served(request, path, handler)
        except Exception as broken:
            self.unexpected.append(f"{request.method} {path} broke the simulator: {broken!r}")
            raise
        dropped = request.transport is None or request.transport.is_closing()
        if not dropped and NOT_DISCORDS not in response:
            self._seen(Exchange(request.method, path, await _body(request), response.status, _json(response)))
        self._changed()
        return response

    async def _served(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        by_token = path.startswith(("/interactions/", "/webhooks/"))
        if not by_token and request.headers.get("Authorization") != f"Bot {self.token}":
            return error(401, 0, "401: Unauthorized")
        for number, (method, failing, fault) in enumerate(self._faults):
            if (method, failing) == (request.method, path):
                del self._faults[number]
                return await fault(request, handler)
        return await handler(request)

    def _seen(self, exchange: Exchange) -> None:
        self.exchanges.append(exchange)
        if self.watch is not None:
            self.watch(exchange)

    async def _get_me(self, _: web.Request) -> web.Response:
        return answer(objects.myself(self.bot))

    async def _get_application(self, _: web.Request) -> web.Response:
        return answer(objects.application(self.application_id, objects.user("7", "owner")))

    async def _get_gateway(self, request: web.Request) -> web.Response:
        if not request.path.endswith("/bot"):
            return answer({"url": self._gateway_url})
        limit = {
            "total": 1000,
            "remaining": self.sessions_left,
            "reset_after": 3_600_000,
            "max_concurrency": 1,
        }
        return answer({"url": self._gateway_url, "shards": 1, "session_start_limit": limit})

    @property
    def _gateway_url(self) -> str:
        return self.gateway_base or f"ws://127.0.0.1:{self._port}/"

    def _ready(self) -> Json:
        return {
            "v": 10,
            "user": objects.myself(self.bot),
            "guilds": [{"id": self.guild_id, "unavailable": True}],
            "resume_gateway_url": self._gateway_url,
            "application": {"id": self.application_id, "flags": 0},
        }

    def _guilds(self) -> list[Json]:
        return [objects.guild(self.guild_id, "7", [self._channel(self.channel_id)])]

    def _channel(self, channel_id: str) -> Json:
        newest = next(reversed(self._channels[channel_id]), None)
        person = next((who for who, where in self._directs.items() if where == channel_id), None)
        if person is not None:
            return objects.direct_channel(channel_id, person, newest)
        made = objects.channel(channel_id, self.guild_id, newest)
        if channel_id == self.channel_id and self.channel_type:
            made |= {"type": self.channel_type, "parent_id": self.parent_id}
            if self.channel_type in objects.THREADS:
                made |= objects.thread(self.application_id)
        return made

    # Commands and questions.

    async def _get_commands(self, request: web.Request) -> web.Response:
        if not self.offers_commands:
            return error(403, 50001, "Missing Access")
        return answer(self.commands.get(request.match_info.get("guild_id", "global"), []))

    async def _put_commands(self, request: web.Request) -> web.Response:
        guild_id = request.match_info.get("guild_id")
        if guild_id not in {None, self.guild_id}:
            return error(403, 50001, "Missing Access")
        self.registrations += 1
        made = [
            objects.command(
                sent, command_id=self._new_id(), application_id=self.application_id, guild_id=guild_id
            )
            for sent in await _body(request)
        ]
        self.commands[guild_id or "global"] = made
        return answer(made)

    def _typed(self, words: str, *, focused: bool) -> Json:
        command = self._registered(1)
        typed = _named(command)
        if words or focused:
            option = {"name": command["options"][0]["name"], "type": 3, "value": words}
            typed["options"] = [option | ({"focused": True} if focused else {})]
        return typed

    def _chosen(self, kind: int, target: str, shown: Json) -> Json:
        return {**_named(self._registered(kind)), "target_id": target, "resolved": shown}

    def _registered(self, kind: int) -> Json:
        known = self.commands.get(self.guild_id) or self.commands.get("global") or []
        found = next((command for command in known if command["type"] == kind), None)
        if found is None:
            raise LookupError(f"the bot has registered no command of type {kind}")
        return found

    async def _ask(self, kind: int, user: str, data: Json, message: Json | None = None) -> Interaction:
        now = self.clock.now()
        event: Json = {
            "id": self._new_id(),
            "application_id": self.application_id,
            "type": kind,
            "data": data,
            "token": secrets.token_urlsafe(60),
            "version": 1,
            "guild_id": self.guild_id,
            "guild": {"id": self.guild_id, "locale": "en-US", "features": []},
            "guild_locale": "en-US",
            "channel_id": self.channel_id,
            "channel": self._channel(self.channel_id),
            "member": objects.member(objects.user(user, f"user-{user}"), now, self.roles.get(user, ())),
            "locale": "en-US",
            "app_permissions": "2147483647",
            "entitlements": [],
            "authorizing_integration_owners": {"0": self.guild_id},
            "context": 0,
            "attachment_size_limit": 10_485_760,
        }
        if message is not None:
            event["message"] = message
        asked = Interaction(event["id"], event["token"], kind, self.channel_id, now, event)
        self._interactions[asked.token] = asked
        await self.gateway.dispatch("INTERACTION_CREATE", event)
        return asked

    async def _callback(self, request: web.Request) -> web.Response:
        asked = self._interactions.get(request.match_info["interaction_token"])
        if asked is None or self._older_than(asked.at, ANSWER_WITHIN):
            return error(404, 10062, "Unknown interaction")
        if asked.acknowledged:
            return error(400, 40060, "Interaction has already been acknowledged.")
        sent = await _body(request)
        kind, data = sent["type"], sent.get("data") or {}
        if kind == _CHOICES:
            asked.choices = [choice["value"] for choice in data["choices"]]
        elif kind == _DEFER:
            flags = data.get("flags") or 0
            asked.deferred = True
            asked.original = objects.loading(
                self._new_id(), asked.channel_id, self.bot, self.clock.now(), flags
            )
        elif kind == _ANSWER:
            asked.original = self._add(asked.channel_id, self.bot, data)
        elif kind == _MODAL and asked.type in {_COMMAND, _COMPONENT}:
            asked.form = data
        else:
            self.unexpected.append(f"interaction callback of type {kind}")
            return error(400, 50035, "Invalid Form Body")
        asked.acknowledged = True
        if request.query.get("with_response") not in {"1", "true"}:
            return web.Response(status=204)
        interaction = {"id": asked.id, "type": asked.type}
        if kind != _ANSWER:
            return answer({"interaction": interaction})
        return answer({"interaction": interaction, "resource": {"type": kind, "message": asked.original}})

    def _answerable(self, request: web.Request) -> Interaction | web.Response:
        asked = self._interactions.get(request.match_info["webhook_token"])
        if asked is None or asked.original is None:
            return error(404, 10015, "Unknown Webhook")
        if self._older_than(asked.at, TOKEN_LIVES):
            return error(401, 50027, "Invalid Webhook Token")
        return asked

    async def _followup(self, request: web.Request) -> web.Response:
        asked = self._answerable(request)
        if isinstance(asked, web.Response):
            return asked
        sent = await _body(request)
        if wrong := _wrong(sent):
            return wrong
        if asked.deferred:
            return answer(self._complete(asked, sent))
        asked.followups.append(self._add(asked.channel_id, self.bot, sent))
        return answer(asked.followups[-1])

    async def _get_original(self, request: web.Request) -> web.Response:
        asked = self._answerable(request)
        return asked if isinstance(asked, web.Response) else answer(asked.original or {})

    async def _edit_original(self, request: web.Request) -> web.Response:
        asked = self._answerable(request)
        if isinstance(asked, web.Response):
            return asked
        sent = await _body(request)
        return _wrong(sent) or answer(self._complete(asked, sent))

    async def _delete_original(self, request: web.Request) -> web.Response:
        asked = self._answerable(request)
        if isinstance(asked, web.Response):
            return asked
        if asked.original is not None:
            self._channels[asked.channel_id].pop(asked.original["id"], None)
        asked.original, asked.deferred = None, False
        return web.Response(status=204)

    def _complete(self, asked: Interaction, sent: Json) -> Json:
        """Gives the answer, or replaces it. Whether the channel sees it was decided when it was deferred."""
        assert asked.original is not None
        asked.original = objects.edited(asked.original, sent, self.clock.now())
        asked.deferred = False
        if not asked.original["flags"] & EPHEMERAL:
            self._channels[asked.channel_id][asked.original["id"]] = asked.original
        return asked.original

    # Messages.

    def _add(self, channel_id: str, author: Json, sent: Json) -> Json:
        made = objects.message(self._new_id(), channel_id, author, self.clock.now(), sent)
        if not made["flags"] & EPHEMERAL:
            self._channels[channel_id][made["id"]] = made
        self._changed()
        return made

    async def _get_channel(self, request: web.Request) -> web.Response:
        channel_id = request.match_info["channel_id"]
        if channel_id == self.parent_id:
            return answer(objects.channel(channel_id, self.guild_id, None))
        if channel_id not in self._channels:
            return error(404, 10003, "Unknown Channel")
        if not self.invited or not self.permissions & VIEW_CHANNEL:
            return error(403, 50001, "Missing Access")
        return answer(self._channel(channel_id))

    async def _get_guild(self, request: web.Request) -> web.Response:
        if not self.invited or request.match_info["guild_id"] != self.guild_id:
            return error(404, 10004, "Unknown Guild")
        held = self.permissions | (READ_MESSAGE_HISTORY if self.history_readable else 0)
        return answer(objects.full_guild(self.guild_id, "7", held))

    async def _get_member(self, request: web.Request) -> web.Response:
        if request.match_info["user_id"] != self.bot["id"]:
            return error(404, 10007, "Unknown Member")
        return answer(objects.full_member(self.bot, self.clock.now()))

    async def _open_direct(self, request: web.Request) -> web.Response:
        """The direct message with one person; the same every time."""
        person = str((await _body(request))["recipient_id"])
        channel_id = self._directs.setdefault(person, self._new_id())
        self._channels.setdefault(channel_id, {})
        return answer(self._channel(channel_id))

    async def _list_messages(self, request: web.Request) -> web.Response:
        channel_id = request.match_info["channel_id"]
        if channel_id not in self._channels:
            return error(404, 10003, "Unknown Channel")
        if unknown := request.query.keys() - {"after", "limit"}:
            self.unexpected.append(f"messages by {', '.join(sorted(unknown))}")
        after, limit = request.query.get("after"), int(request.query.get("limit", 50))
        messages = self.messages(channel_id) if self.history_readable else []
        if after is None:
            messages = messages[-limit:]
        else:
            messages = [message for message in messages if int(message["id"]) > int(after)][:limit]
        # Only the sender sees nonces.
        shown = [
            {key: value for key, value in message.items() if key != "nonce"} for message in reversed(messages)
        ]
        return answer(shown)

    async def _post_message(self, request: web.Request) -> web.Response:
        channel_id = request.match_info["channel_id"]
        if channel_id not in self._channels:
            return error(404, 10003, "Unknown Channel")
        sent = await _body(request)
        if wrong := _wrong(sent):
            return wrong
        reference = sent.get("message_reference")
        if reference and str(reference["message_id"]) not in self._channels[channel_id]:
            if reference.get("fail_if_not_exists", True):
                return error(400, 50035, "Unknown message")
            sent = {**sent, "message_reference": None}
        nonce = str(sent.get("nonce"))
        at, earlier = self._nonces.get(nonce, (self.clock.now(), None))
        if earlier and sent.get("enforce_nonce") and not self._older_than(at, NONCE_WINDOW):
            return answer(earlier)
        made = self._add(channel_id, self.bot, sent)
        self._nonces[nonce] = (self.clock.now(), made)
        return answer(made)

    def _message(self, request: web.Request) -> Json | web.Response:
        ids = request.match_info
        if ids["channel_id"] not in self._channels:
            return error(404, 10003, "Unknown Channel")
        message = self._channels[ids["channel_id"]].get(ids["message_id"])
        return message or error(404, 10008, "Unknown Message")

    async def _get_message(self, request: web.Request) -> web.Response:
        message = self._message(request)
        return message if isinstance(message, web.Response) else answer(message)

    async def _edit_message(self, request: web.Request) -> web.Response:
        message = self._message(request)
        if isinstance(message, web.Response):
            return message
        if message["author"]["id"] != self.bot["id"]:
            return error(403, 50005, "Cannot edit a message authored by another user")
        sent = await _body(request)
        if wrong := _wrong({"content": message["content"], "embeds": message["embeds"]} | sent):
            return wrong
        changed = objects.edited(message, sent, self.clock.now())
        self._channels[message["channel_id"]][message["id"]] = changed
        return answer(changed)

    async def _delete_message(self, request: web.Request) -> web.Response:
        message = self._message(request)
        if isinstance(message, web.Response):
            return message
        del self._channels[message["channel_id"]][message["id"]]
        return web.Response(status=204)


async def _body(request: web.Request) -> Any:
    """JSON, or the JSON part of a form with files; of those the size is kept."""
    if request.content_type != "multipart/form-data":
        return json.loads(await request.text()) if request.body_exists else None
    form = await request.post()
    sent = json.loads(str(form["payload_json"]))
    for attachment in sent["attachments"]:
        file = form[f"files[{attachment['id']}]"]
        if isinstance(file, web.FileField):
            file.file.seek(0)
            attachment["size"] = len(file.file.read())
    return sent


def _json(response: web.StreamResponse) -> Any:
    has_json = (
        isinstance(response, web.Response) and response.headers.get("Content-Type") == "application/json"
    )
    return json.loads(response.text or "null") if has_json and isinstance(response, web.Response) else None


def _wrong(sent: Json) -> web.Response | None:
    """Checks the two limits that Discord's OpenAPI description does not contain, and the empty message."""
    embeds = sent.get("embeds") or []
    texts = [embed.get(key) or "" for embed in embeds for key in ("title", "description")]
    texts += [(embed.get("footer") or {}).get("text", "") for embed in embeds]
    texts += [
        field[key] for embed in embeds for field in embed.get("fields") or [] for key in ("name", "value")
    ]
    if len(sent.get("content") or "") > 2000 or sum(map(len, texts)) > 6000:
        return error(400, 50035, "Invalid Form Body")
    if not (sent.get("content") or "").strip() and not embeds:
        return error(400, 50006, "Cannot send an empty message")
    return None


def _named(command: Json) -> Json:
    """A command as the interactions name it."""
    return {key: command[key] for key in ("id", "name", "type", "guild_id") if key in command}


def _without(made: Json, *keys: str) -> Json:
    return {key: value for key, value in made.items() if key not in keys}
