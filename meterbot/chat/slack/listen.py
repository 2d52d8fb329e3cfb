"""What people ask on Slack: slash commands, shortcuts and buttons, acknowledged at once and answered through
`response_url`; mentions, answered beside them; and forms, answered where they were filled in."""

import asyncio
import html
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging import Logger, getLogger
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from meterbot.chat import Answer, Answerer, Forms, Question
from meterbot.chat.slack.home import NoteStore, SlackHome
from meterbot.chat.slack.home_view import HOME
from meterbot.chat.slack.limits import checked
from meterbot.chat.slack.modals import errors, form_view, message_view, submitted
from meterbot.chat.slack.render import render
from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import SendError
from meterbot.core.messages import Message, Picture, Posted
from meterbot.core.models import Severity

COMMAND = "/claude-spend"

_log = getLogger(__name__)
_EVERYTHING = re.compile("")
_REMEMBERED = 1000
_SUBMISSION_SECONDS = 2.0  # of the three in which Slack wants to hear what becomes of a form
_WAITING = Message(
    "One moment", "One moment", text="This takes longer than usual. What became of it will stand here."
)
_NO_FORM = Answer(
    Message(
        "Not from here",
        "Type that as a command",
        text=f"Slack opens forms for commands only: type {COMMAND} report outside of a thread.",
    )
)


class SlackListener:
    """Hands questions to `answer` and its answers back, or opens the form of `forms`. With a `signing_secret` requests
    may come over HTTP. `groups_of` knows from memory which of the configured user groups a person is in."""

    def __init__(
        self,
        answer: Answerer,
        forms: Forms,
        web_api: SlackWeb,
        signing_secret: str | None,
        logger: Logger,
        *,
        groups_of: Callable[[str], tuple[str, ...]],
        notes: NoteStore,
    ) -> None:
        self._answer = answer
        self._forms = forms
        self._web = web_api
        self._groups_of = groups_of
        self._answering: set[asyncio.Task[Any]] = set()
        self._handled: OrderedDict[str, None] = OrderedDict()
        self._home = SlackHome(web_api, self._ask, groups_of, notes)
        self._app = AsyncApp(
            name="slack_bolt.app",  # the name of a logger that Bolt sets up as it likes: not one of ours
            logger=logger,
            # Bolt gets no token: it would ask Slack about it before the first command is acknowledged.
            client=AsyncWebClient(logger=logger),
            authorize=_authorize,
            signing_secret=signing_secret or "",
        )
        # A command or action without a listener is never acknowledged, and its user sees a time-out.
        self._app.command(_EVERYTHING)(self._on_command)
        self._app.action(_EVERYTHING)(self._on_action)
        self._app.view(_EVERYTHING)(self._on_submission)
        # What reaches into threads, where Slack takes no slash command.
        self._app.event("app_mention")(self._on_mention)
        self._app.event("app_home_opened")(self._on_home)
        self._app.shortcut(_EVERYTHING)(self._on_shortcut)

    async def on_envelope(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """An envelope of Socket Mode."""
        response = await run_async_bolt_app(self._app, request)
        await send_async_response(client, request, response, 0)

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        """A request of HTTP mode. Bolt checks its signature; this keeps from Bolt what would trip it up."""
        if not request.headers.get("X-Slack-Request-Timestamp", "0").isdecimal():
            return web.Response(status=401, text="bad timestamp")
        try:
            bolt_request = await to_bolt_request(request)
        except (ValueError, AttributeError, TypeError):
            # Bolt parses before it verifies, and trusts the shape.
            return web.Response(status=400, text="not a request of Slack's")
        return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))

    async def finish(self, seconds: float) -> None:
        """Waits for the answers that are under way, at most so long, and gives up the rest."""
        if self._answering:
            _, late = await asyncio.wait(self._answering, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        words = html.unescape(body.get("text") or "").split() if body["command"] == COMMAND else ["help"]
        name = str(body.get("user_name") or "")
        user, channel = body["user_id"], body.get("channel_id") or ""
        groups = self._groups_of(user)
        question = Question(tuple(words), "slack", user, channel, name=name, groups=groups)
        await self._handle(body, question)

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        if value := action.get("value"):
            channel, ts = (body.get("channel") or {}).get("id") or "", (body.get("message") or {}).get("ts")
            user = body["user"]
            question = Question(
                tuple(value.split(":")),
                "slack",
                user["id"],
                channel,
                name=str(user.get("name") or user.get("username") or ""),
                groups=self._groups_of(user["id"]),
                pressed=Posted(channel, str(ts)) if channel and ts else None,
            )
            at_home = (body.get("view") or {}).get("type") == "home"
            await (self._on_home_action if at_home else self._handle)(body, question)

    async def _on_mention(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        """`@meterbot spend`: answered where it was written, for the person's eyes only, or with `share` in the thread."""
        user = event.get("user")
        if not user or event.get("bot_id") or not self._first_time(body.get("event_id")):
            return
        _, _, wanted = (event.get("text") or "").partition(">")  # what stands behind the mention
        words = html.unescape(wanted).split()
        thread, channel = event.get("thread_ts"), event["channel"]
        question = Question(tuple(words), "slack", user, channel, groups=self._groups_of(user))
        with self._under_way():
            answer = await self._ask(question) if self._forms(question) is None else _NO_FORM
            await self._say(answer, question, thread or (event.get("ts") if answer.public else None))
            if answer.picture is not None:
                await self._show(answer.picture, question, None, public=answer.public)

    async def _say(self, answer: Answer, question: Question, thread: str | None) -> None:
        """Without a `response_url`: to everybody or, as long as they look, to one person."""
        try:
            payload = {**checked(render(answer.message)), "channel": question.channel}
            payload |= (
                {"unfurl_links": False, "unfurl_media": False} if answer.public else {"user": question.user}
            )
            if thread is not None:
                payload["thread_ts"] = thread
            await self._web.call("chat.postMessage" if answer.public else "chat.postEphemeral", json=payload)
        except SendError as failure:
            _log.warning("a mention was not answered: %s", failure.reason)

    async def _on_home(self, event: dict[str, Any]) -> None:
        """Somebody opened the bot's Home tab: from the store, so that it is there at once."""
        if event.get("tab", "home") == "home" and event.get("user"):
            with self._under_way():
                await self._home.opened(event["user"])

    async def _on_home_action(self, body: Mapping[str, Any], question: Question) -> None:
        """A button on the Home tab has no address to answer to: it turns to a tab, or the answer is a window and the tab is
        drawn anew."""
        if not self._first_time(body.get("trigger_id")):
            return
        with self._under_way():
            if question.words[0] == HOME:
                await self._home.look(question.user, "".join(question.words[1:]))
                return
            answer = await self._reaction(body.get("trigger_id"), question)
            if answer is not None:
                await self._open(body.get("trigger_id"), message_view(answer.message))
                if answer.picture is not None:
                    await self._show(answer.picture, question, None, public=False)
            await self._home.look(question.user, self._home.tab_of(question.user))

    async def _open(self, trigger: str | None, view: Mapping[str, Any]) -> None:
        try:
            await self._web.call("views.open", json={"trigger_id": trigger, "view": view})
        except SendError as failure:
            _log.warning("a window was not opened: %s", failure.reason)

    async def _on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The entry in a message's menu: the team, beside that message."""
        await ack()
        user, channel = body["user"], (body.get("channel") or {}).get("id") or ""
        name = str(user.get("name") or user.get("username") or "")
        groups = self._groups_of(user["id"])
        await self._handle(body, Question((), "slack", user["id"], channel, name=name, groups=groups))

    async def _handle(self, body: Mapping[str, Any], question: Question) -> None:
        if not self._first_time(body.get("trigger_id")):
            return
        with self._under_way():
            answer = await self._reaction(body.get("trigger_id"), question)
            if answer is not None:
                await self._respond(body.get("response_url"), answer, _thread(body))
                if answer.picture is not None:
                    await self._show(answer.picture, question, body.get("response_url"), public=answer.public)

    async def _show(self, picture: Picture, question: Question, url: str | None, *, public: bool) -> None:
        """A file cannot be for one person's eyes in a channel: it goes into their direct messages, unless it is
        shared."""
        try:
            channel = question.channel
            if not public:
                opened = await self._web.call("conversations.open", params={"users": question.user})
                channel = opened["channel"]["id"]
            await self._web.upload(picture, channel)
        except SendError as failure:
            _log.warning("a picture did not reach Slack: %s", failure.reason)
            said = f"The picture could not be sent: {failure.reason}."
        else:
            said = "" if public else "The picture is in your direct messages with me."
        if said and url is None and question.channel:
            await self._say(Answer(Message("Picture", said, text=said)), question, None)
        elif said and url is not None:
            await self._respond(url, Answer(Message("Picture", said, text=said)))

    async def _reaction(self, trigger: str | None, question: Question) -> Answer | None:
        """The answer, or None when a form was opened instead."""
        form = self._forms(question)
        if form is None:
            return await self._ask(question)
        try:
            await self._web.call("views.open", json={"trigger_id": trigger, "view": form_view(form)})
        except SendError as failure:
            _log.warning("a form was not opened: %s", failure.reason)
            text = "Slack did not open the form. Please ask again."
            return Answer(Message("No form", text, Severity.WARNING, text))
        return None

    async def _on_submission(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        """A filled-in form. It is not remembered: a form that comes twice changes nothing the second time."""
        words, text = submitted(view)
        user = body["user"]["id"]
        question = Question(words, "slack", user, text=text, groups=self._groups_of(user))
        asking = asyncio.create_task(self._ask(question))
        self._answering.add(asking)
        asking.add_done_callback(self._answering.discard)
        with self._under_way():
            await asyncio.wait({asking}, timeout=_SUBMISSION_SECONDS)
            if not asking.done():
                await ack(response_action="update", view=message_view(_WAITING))
                await self._update(view["id"], (await asking).message)
            elif asking.result().invalid:
                await ack(response_action="errors", errors=errors(asking.result().message))
            else:
                await ack(response_action="update", view=message_view(asking.result().message))
            await self._home.changed(user)

    async def _update(self, view_id: str, message: Message) -> None:
        try:
            await self._web.call("views.update", json={"view_id": view_id, "view": message_view(message)})
        except SendError as failure:
            _log.warning("what became of a form was not shown: %s", failure.reason)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """The current task is waited for at the end."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._answering.add(task)
        try:
            yield
        finally:
            self._answering.discard(task)

    def _first_time(self, trigger: str | None) -> bool:
        """Slack delivers an interaction again when our acknowledgement was lost."""
        if trigger is None:
            return True
        if trigger in self._handled:
            return False
        self._handled[trigger] = None
        if len(self._handled) > _REMEMBERED:
            self._handled.popitem(last=False)
        return True

    async def _ask(self, question: Question) -> Answer:
        try:
            return await self._answer(question)
        except Exception as error:  # noqa: BLE001 - a person is waiting, and silence is the worst answer
            # Without its text and traceback: both may quote what must not be logged.
            _log.error("answering %s failed (%s)", COMMAND, type(error).__name__)
            text = "That went wrong, and the log of meterbot says where."
            return Answer(Message("That went wrong", text, Severity.WARNING, text))

    async def _respond(self, url: str | None, answer: Answer, thread: str | None = None) -> None:
        if url is None:
            _log.warning("Slack gave no response_url: an answer was not shown")
            return
        try:
            payload = {
                **checked(render(answer.message)),
                "response_type": "in_channel" if answer.public else "ephemeral",
                "replace_original": False,
                "unfurl_links": False,
                "unfurl_media": False,
                **({"thread_ts": thread} if thread else {}),
            }
            status = await self._web.respond(url, payload)
        except (SendError, aiohttp.ClientError, TimeoutError, OSError) as error:
            _log.warning("an answer did not reach Slack (%s)", type(error).__name__)
        else:
            if status != 200:
                _log.warning("Slack refused an answer (HTTP %d)", status)


def _thread(body: Mapping[str, Any]) -> str | None:
    """The thread in which a button was pressed or a shortcut used; None outside threads, and at what began one."""
    message, container = body.get("message") or {}, body.get("container") or {}
    thread = message.get("thread_ts") or container.get("thread_ts")
    return None if thread == (message.get("ts") or container.get("message_ts")) else thread


async def _authorize() -> AuthorizeResult:
    return AuthorizeResult(enterprise_id=None, team_id=None)
