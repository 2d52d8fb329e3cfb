"""The contract of a chat: it posts messages and receives `/claude-spend`.

A chat renders a `Message` in its platform's markup (it escapes every text, cuts to the platform's limits with "and N
more", and mentions only `Message.owner`), and turns every failure into a `SendError` that says what is known. It never
retries what may have arrived: the delivery worker decides that.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from meterbot.core.errors import Outcome, SendError
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Posted

Payload = TypeVar("Payload")
Sent = TypeVar("Sent")

LOOK_BACK = timedelta(hours=25)
"""How far back a lost message is searched: before our first attempt, because our clock may have been a day ahead
then, and before the channel's newest message, because then only the platform's clock counts."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """The words after `/claude-spend`, or a pressed button (`words` = its action's id, split at colons)."""

    words: tuple[str, ...]
    platform: str
    """`slack`, `discord` or `console`."""
    user: str
    """The person's id on the platform."""
    channel: str = ""
    text: str | None = None
    """The text of a form; `words` are then the form's."""
    name: str = ""
    """The person's name on the platform."""
    groups: tuple[str, ...] = ()
    """The person's user groups or roles, if the platform sends them."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """One tab of a person's own page, on a chat that has such a page: answers, one below the other."""

    messages: tuple[Message, ...]
    tab: str = ""
    tabs: tuple[str, ...] = ()
    """Every tab that this person may open."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question; `public` posts it to the channel instead of showing it only to the person who asked.

    `invalid`: the text of a form was not accepted. If the platform can do that, the form stays open for correction,
    with the message's text beside it.
    """

    message: Message
    public: bool = False
    invalid: bool = False
    page: HomePage | None = None
    """The person's own page; its first message is `message`."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form with one box. Its text comes back as a `Question` with `words` and the `text`. Joined with colons the
    words have at most 80 characters, the title at most 24, the label 45, the hint 100."""

    words: tuple[str, ...]
    title: str
    label: str
    hint: str


Answerer = Callable[[Question], Awaitable[Answer]]
"""Answers from the store. Never raises: a failure is an answer, too."""

Forms = Callable[[Question], Form | None]
"""The form that a question opens, or None if it is answered instead. It must not wait for anything: Discord accepts a
form only as the first reaction."""


def no_forms(_: Question) -> Form | None:
    """For chats without forms."""
    return None


@dataclass(frozen=True, slots=True)
class Connection:
    """The state of a chat: `since` is when `up` last changed, `detail` one sentence if it is down."""

    up: bool
    since: datetime | None = None
    detail: str | None = None


class Chat(Protocol):
    """One platform. `destination` is its configured channel, as the platform names it."""

    @property
    def name(self) -> str: ...

    @property
    def destination(self) -> str: ...

    @property
    def pause(self) -> float:
        """Seconds that the platform wants between two messages in one channel."""
        ...

    def connection(self) -> Connection: ...

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:
        """Checks the credentials, connects, and reconnects until `close`. Raises `StartError` if waiting will not
        help (a wrong token), but not for an outage."""
        ...

    async def close(self) -> None: ...

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        """Posts one message that carries `delivery` (16-24 characters [a-z0-9]) for `find`. A channel that is `@` and
        a person's id is a direct message to them. Raises `SendError`."""
        ...

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        """Replaces a posted message; may be repeated. Raises `SendError`."""
        ...

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        """One line in the message's thread, without mentions; if `loud`, also in the channel. Raises `SendError`."""
        ...

    async def find(
        self, delivery: str, channel: str, since: datetime, thread: Posted | None = None
    ) -> list[Posted]:
        """The messages that carry `delivery`, the first one first; this settles whether a message arrived.

        It searches messages posted after `since` and within `LOOK_BACK` before the channel's newest. Empty if
        there certainly is none. Raises `SendError` if that cannot be known.
        """
        ...

    async def delete(self, where: Posted) -> None:
        """Deletes a message of ours; harmless if it is gone. Raises `SendError`."""
        ...


async def send_best(
    platform: str,
    forms: Sequence[Callable[[], Payload]],
    send: Callable[[Payload], Awaitable[Sent]],
) -> Sent:
    """Tries the forms in order, the richest first; `send` raises `SendError`. Only a form that cannot be rendered, or
    that the platform calls invalid, leads to the next one: then nothing was posted. Raises the last form's
    `SendError`."""
    *richer, last = forms
    for form in richer:
        try:
            payload = form()
        except Exception:
            # A bug in our rendering must not lose the content.
            log.exception("a message could not be rendered", chat=platform)
            continue
        try:
            return await send(payload)
        except SendError as failure:
            if failure.outcome is not Outcome.INVALID:
                raise
            log.warning("a form of a message was refused", chat=platform, reason=failure.reason)
    return await send(last())
