"""The contents of the simulated Slack, and what each method of the Web API does to them, without a network."""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulator.slack_judge import verdict, view_verdict
from tests.simulator.slack_objects import (
    Call,
    Channel,
    Interaction,
    Modal,
    SlackMessage,
)

_SCOPES = {
    "chat.postMessage": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "conversations.open": ("im:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history"),
    "conversations.replies": ("channels:history", "groups:history", "im:history"),
    "usergroups.users.list": ("usergroups:read",),
}
_TRIGGER_SECONDS = 3.0


class SlackWorkspace:
    """One workspace with one app."""

    def __init__(
        self,
        *,
        bot_token: str = "xoxb-simulated-bot",
        app_token: str = "xapp-simulated-app",
        signing_secret: str = "simulated-signing-secret",
        scopes: tuple[str, ...] = (
            "chat:write",
            "commands",
            "app_mentions:read",
            "channels:history",
            "groups:history",
            "im:write",
            "im:history",
            "usergroups:read",
        ),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.bot_token, self.app_token, self.signing_secret = bot_token, app_token, signing_secret
        self.scopes = scopes
        self.channel = "C0123456789"
        self.user = "U0123"
        self.bot = {"user": "U0BOT", "bot_id": "B0BOT"}
        self.channels = {self.channel: Channel(self.channel)}
        self.groups: dict[str, list[str]] = {}
        """User group → its members."""
        self.calls: list[Call] = []
        self.whispered: list[tuple[str, SlackMessage]] = []
        """What only one person sees: who, and what."""
        self.interactions: list[Interaction] = []
        self.homes: dict[str, dict[str, Any]] = {}
        """Person → the view on their Home tab."""
        self.modals: dict[str, Modal] = {}
        self.unexpected: list[str] = []
        self._clock = clock
        self._last_ts = 0
        self._tickets: set[str] = set()
        self._pulse = asyncio.Event()
        self._port = 0
        self.socket_base: str | None = None
        """Where the WebSocket is from outside, such as `wss://slack.test`; None is loopback."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def messages(self, channel: str | None = None) -> list[SlackMessage]:
        """The channel's messages outside threads, oldest first."""
        return [message for message in self._in(channel) if message.thread_ts is None]

    def replies(self, root: SlackMessage) -> list[SlackMessage]:
        """The messages in a message's thread, oldest first."""
        return [message for message in self._in(root.channel) if message.thread_ts == root.ts]

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
        base = self.socket_base or f"ws://127.0.0.1:{self._port}"
        return _yes(url=f"{base}/link?ticket={ticket}")

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
        """A message that one person sees, in the channel or in a thread of it."""
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
        self.homes[arguments["user_id"]] = arguments["view"]
        return _yes(view={**arguments["view"], "id": f"V{arguments['user_id']}"})

    def _follow(self, modal: Modal, reply: dict[str, Any]) -> None:
        """Applies an acknowledgement to the modal that was sent: closes it, unless told otherwise."""
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


def _yes(**answer: Any) -> dict[str, Any]:
    return {"ok": True, **answer}


def _no(code: str, **more: str) -> dict[str, Any]:
    return {"ok": False, "error": code, **more}
