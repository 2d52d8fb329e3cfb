"""Questions from people on Slack: slash commands, shortcuts and buttons, acknowledged at once and answered through
`response_url`; mentions, answered in their thread; and forms."""

import asyncio
import html
import re
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from logging import Logger
from typing import Any

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from meterbot.chat import Answer, Answerer, Forms, Question, send_best
from meterbot.chat.slack.render import Payload, forms_of
from meterbot.chat.slack.views import HOME, SlackHome, errors, form_view, message_view, submitted
from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import SendError
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, notice
from meterbot.core.models import Severity

COMMAND = "/claude-spend"

log = get_logger(__name__)

_EVERYTHING = re.compile("")
_REMEMBERED = 1000
_SUBMISSION_SECONDS = 2.0  # Slack waits three seconds for the result of a form
_WAITING = Message(
    "One moment", "One moment", text="This is taking longer than usual. The result will appear here."
)
_NO_FORM = Answer(
    notice(
        "Not available here", f"Slack opens forms for commands only: type {COMMAND} report outside a thread."
    )
)
_FAILED = Answer(notice("Something went wrong", "The details are in meterbot's log.", Severity.WARNING))


@dataclass(eq=False, repr=False)
class SlackListener:
    """Passes questions to `answer` and sends its answers, or opens the form of `forms`.

    With a `signing_secret` requests may come over HTTP. `groups_of` knows from memory which of the configured user
    groups a person is in. `teams` are the workspaces whose people may use the bot (empty until its own is known).
    """

    answer: Answerer
    forms: Forms
    web_api: SlackWeb
    signing_secret: str | None
    logger: Logger
    _: KW_ONLY
    groups_of: Callable[[str], tuple[str, ...]]
    teams: Callable[[], Collection[str]]

    def __post_init__(self) -> None:
        self._answering: set[asyncio.Task[Any]] = set()
        self._handled: deque[str] = deque(maxlen=_REMEMBERED)
        self._home = SlackHome(self.web_api, self._ask, self.groups_of)
        self._app = AsyncApp(
            name="slack_bolt.app",  # the name of a logger that Bolt configures: none of ours
            logger=self.logger,
            # Bolt gets no token: it would ask Slack about it before the first command is acknowledged.
            client=AsyncWebClient(logger=self.logger),
            authorize=_authorize,
            signing_secret=self.signing_secret or "",
        )
        # Slack shows a time-out for a command or action that has no listener.
        self._app.command(_EVERYTHING)(self._on_command)
        self._app.action(_EVERYTHING)(self._on_action)
        self._app.view(_EVERYTHING)(self._on_submission)
        # Mentions and shortcuts work in threads, where slash commands do not.
        self._app.event("app_mention")(self._on_mention)
        self._app.event("app_home_opened")(self._on_home)
        self._app.shortcut(_EVERYTHING)(self._on_shortcut)

    async def on_envelope(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        """An envelope of Socket Mode."""
        response = await run_async_bolt_app(self._app, request)
        await send_async_response(client, request, response, 0)

    async def on_request(self, request: web.Request) -> web.StreamResponse:
        """A request of HTTP mode. Bolt checks its signature; requests that Bolt cannot parse are refused here."""
        if not request.headers.get("X-Slack-Request-Timestamp", "0").isdecimal():
            return web.Response(status=401, text="bad timestamp")
        try:
            bolt_request = await to_bolt_request(request)
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            # Bolt parses the body before it verifies the signature, and trusts its shape.
            log.warning("a request is not from Slack", chat="slack", error=type(error).__name__)
            return web.Response(status=400, text="not a request from Slack")
        return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))

    async def finish(self, seconds: float) -> None:
        """Waits for the current answers for at most so long, and cancels the rest."""
        if self._answering:
            _, late = await asyncio.wait(self._answering, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _on_command(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        words = html.unescape(body.get("text") or "").split() if body["command"] == COMMAND else ["help"]
        await self._handle(body, self._question(body, words))

    async def _on_action(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        if value := action.get("value"):
            at_home = (body.get("view") or {}).get("type") == "home"
            handle = self._on_home_action if at_home else self._handle
            await handle(body, self._question(body, value.split(":")))

    def _question(self, body: Mapping[str, Any], words: Sequence[str], text: str | None = None) -> Question:
        """What the person asks. Only a command names its person and channel in fields of its own."""
        user = body.get("user") or {"id": body["user_id"], "name": body.get("user_name")}
        channel = (body.get("channel") or {}).get("id") or body.get("channel_id") or ""
        return Question(
            tuple(words),
            "slack",
            user["id"],
            channel,
            text,
            name=str(user.get("name") or user.get("username") or ""),
            groups=self.groups_of(user["id"]),
        )

    async def _on_mention(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        """`@meterbot spend`: answered in the same place, visible only to that person, or with `share` to everybody."""
        user = event.get("user")
        if not user or event.get("bot_id") or not self._first_time(body.get("event_id")):
            return
        _, _, text = (event.get("text") or "").partition(">")  # behind the mention
        words = html.unescape(text).split()
        thread, channel = event.get("thread_ts"), event["channel"]
        question = Question(tuple(words), "slack", user, channel, groups=self.groups_of(user))
        with self._under_way():
            if self._is_foreign(body):
                answer = _refused(body)
            else:
                answer = await self._ask(question) if self.forms(question) is None else _NO_FORM
            await self._post_answer(answer, question, thread or (event.get("ts") if answer.public else None))

    async def _post_answer(self, answer: Answer, question: Question, thread: str | None) -> None:
        """Without a `response_url`: posted for everybody, or as an ephemeral message for one person."""
        method = "chat.postMessage" if answer.public else "chat.postEphemeral"
        target: Payload = {"channel": question.channel}
        target |= {"unfurl_links": False, "unfurl_media": False} if answer.public else {"user": question.user}
        if thread is not None:
            target["thread_ts"] = thread
        await self._show(answer, lambda payload: self.web_api.call(method, json={**payload, **target}))

    async def _on_home(self, body: dict[str, Any], event: dict[str, Any]) -> None:
        """Somebody opened the bot's Home tab."""
        user = event.get("user")
        if event.get("tab", "home") == "home" and user and not self._is_foreign(body):
            with self._under_way():
                await self._home.draw(user, self._home.tab_of(user))

    async def _on_home_action(self, body: Mapping[str, Any], question: Question) -> None:
        """A button on the Home tab has no `response_url`: it opens a tab, or its answer is a modal and the tab is
        drawn again."""
        if not self._first_time(body.get("trigger_id")):
            return
        with self._under_way():
            if question.words[0] == HOME:
                await self._home.draw(question.user, "".join(question.words[1:]))
                return
            answer = await self._reaction(body, question)
            if answer is not None:
                await self._open(body.get("trigger_id"), message_view(answer.message))
            await self._home.refresh(question.user)

    async def _open(self, trigger: str | None, view: Mapping[str, Any]) -> bool:
        try:
            await self.web_api.call("views.open", json={"trigger_id": trigger, "view": view})
        except SendError as failure:
            log.warning("a modal was not opened", chat="slack", reason=failure.reason)
            return False
        return True

    async def _on_shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """The entry in a message's menu: the team, beside that message."""
        await ack()
        await self._handle(body, self._question(body, ()))

    async def _handle(self, body: Mapping[str, Any], question: Question) -> None:
        if not self._first_time(body.get("trigger_id")):
            return
        with self._under_way():
            answer = await self._reaction(body, question)
            if answer is not None:
                await self._respond(body.get("response_url"), answer, _thread(body))

    async def _reaction(self, body: Mapping[str, Any], question: Question) -> Answer | None:
        """The answer, or None if a form was opened instead."""
        if self._is_foreign(body):
            return _refused(body)
        form = self.forms(question)
        if form is None:
            return await self._ask(question)
        if await self._open(body.get("trigger_id"), form_view(form)):
            return None
        return Answer(notice("No form", "Slack did not open the form. Please ask again.", Severity.WARNING))

    def _is_foreign(self, body: Mapping[str, Any]) -> bool:
        """Whether the person belongs to a workspace that may not use the bot, as in a Slack Connect channel."""
        team, allowed = _team_of(body), self.teams()
        return team is not None and bool(allowed) and team not in allowed

    async def _on_submission(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        """A filled-in form. No check for duplicates: a form that arrives twice changes nothing the second time."""
        if self._is_foreign(body):
            await ack(response_action="update", view=message_view(_refused(body).message))
            return
        question = self._question(body, *submitted(view))
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
            await self._home.refresh(question.user)

    async def _update(self, view_id: str, message: Message) -> None:
        try:
            await self.web_api.call("views.update", json={"view_id": view_id, "view": message_view(message)})
        except SendError as failure:
            log.warning("the result of a form was not shown", chat="slack", reason=failure.reason)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        """Makes `finish` wait for the current task."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._answering.add(task)
        try:
            yield
        finally:
            self._answering.discard(task)

    def _first_time(self, trigger: str | None) -> bool:
        """Slack sends an interaction again if our acknowledgement was lost."""
        if trigger is None:
            return True
        if trigger in self._handled:
            return False
        self._handled.append(trigger)
        return True

    async def _ask(self, question: Question) -> Answer:
        try:
            return await self.answer(question)
        except Exception:
            # A person is waiting, so there must be an answer.
            log.exception("answering a question failed", chat="slack")
            return _FAILED

    async def _respond(self, url: str | None, answer: Answer, thread: str | None = None) -> None:
        if url is None:
            log.warning("an answer was not shown", chat="slack", reason="Slack gave no response_url")
            return
        target: Payload = {
            "response_type": "in_channel" if answer.public else "ephemeral",
            "replace_original": False,
            "unfurl_links": False,
            "unfurl_media": False,
            **({"thread_ts": thread} if thread else {}),
        }
        await self._show(answer, lambda payload: self.web_api.respond(url, {**payload, **target}))

    async def _show(self, answer: Answer, send: Callable[[Payload], Awaitable[object]]) -> None:
        try:
            await send_best("slack", forms_of(answer.message), send)
        except SendError as failure:
            log.warning("an answer was not shown", chat="slack", reason=failure.reason)


def _team_of(body: Mapping[str, Any]) -> str | None:
    """The workspace of the person; in a shared channel it may not be the bot's."""
    event, user = body.get("event") or {}, body.get("user")
    if isinstance(user, Mapping):
        return user.get("team_id") or None
    found = event.get("user_team") or event.get("source_team") or event.get("team") or body.get("team_id")
    return found or None


def _refused(body: Mapping[str, Any]) -> Answer:
    text = (
        "This bot answers people of its own workspace only. Its operator can allow yours: "
        f'[slack] allow_teams = ["{_team_of(body)}"].'
    )
    return Answer(notice("Not available for your workspace", text))


def _thread(body: Mapping[str, Any]) -> str | None:
    """The thread of a pressed button or a used shortcut; None outside threads, and for a thread's first message."""
    message, container = body.get("message") or {}, body.get("container") or {}
    thread = message.get("thread_ts") or container.get("thread_ts")
    return None if thread == (message.get("ts") or container.get("message_ts")) else thread


async def _authorize() -> AuthorizeResult:
    return AuthorizeResult(enterprise_id=None, team_id=None)
