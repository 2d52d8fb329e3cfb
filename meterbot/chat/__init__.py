"""The contract of a chat: a place where messages are posted and `/claude-spend` is asked.

A member renders a `Message` in its platform's markup (escaping every text, cutting to the platform's limits with
"and N more", mentioning only `Message.owner`), validates the payload before it leaves, and turns every failure into
a `SendError` that says what is known. It retries nothing that could have arrived: that is `notify`'s decision.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from meterbot.core.messages import Message, Posted

LOOK_BACK = timedelta(hours=25)
"""How far a lost message is looked for before our first attempt, for our clock may have been a day ahead when that was
noted; and before the newest message of the channel, for it may be ahead by more, and then only the platform's tells."""


@dataclass(frozen=True, slots=True)
class Question:
    """Words a person typed after `/claude-spend`, or a button they pressed (`words` = the action's id, split at
    colons)."""

    words: tuple[str, ...]
    platform: str
    """`slack`, `discord` or `console`."""
    user: str
    """The person's id on the platform."""
    channel: str = ""
    text: str | None = None
    """What they wrote into a form; then `words` are the form's."""
    name: str = ""
    """What the platform calls them, for people to read."""
    groups: tuple[str, ...] = ()
    """The user groups or roles they have there, as far as the platform says."""
    pressed: Posted | None = None
    """The message whose button it was."""


@dataclass(frozen=True, slots=True)
class HomePage:
    """One tab of a person's own page, on a chat that has such a page: answers, one below the other."""

    messages: tuple[Message, ...]
    tab: str = ""
    tabs: tuple[str, ...] = ()
    """Every tab that this person may open."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question; `public` posts it to the channel instead of showing it to the asker alone.

    `invalid`: the text of a form was not accepted. Where the platform can, the form stays open for correction, with the
    message's text beside it.
    """

    message: Message
    public: bool = False
    invalid: bool = False
    page: HomePage | None = None
    """The asker's own page; its first message is `message`."""


@dataclass(frozen=True, slots=True)
class Form:
    """One box to write in. What is written comes back as a `Question` with `words` and the `text`.

    Joined with colons the words have at most 80 characters, the title at most 24, the label 45, the hint 100.
    """

    words: tuple[str, ...]
    title: str
    label: str
    hint: str


Answerer = Callable[[Question], Awaitable[Answer]]
"""Answers from the store. Raises nothing: a failure is an answer, too."""

Forms = Callable[[Question], Form | None]
"""The form that a question opens, or None: then it is answered. From memory, at once: on Discord a form is the first
reaction, or none."""


def no_forms(_: Question) -> Form | None:
    """For an answerer that lets nobody write more than a command."""
    return None


@dataclass(frozen=True, slots=True)
class Connection:
    """How a chat is doing: `since` is when `up` last changed, `detail` one sentence when it is down."""

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
        """Checks the credentials, connects, and keeps reconnecting until `close`.

        Raises `StartError` for what waiting will not cure (a wrong token); an outage is not one of them.
        """
        ...

    async def close(self) -> None: ...

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        """Posts one message carrying `delivery` (16-24 characters [a-z0-9]) so that `find` can see it. A channel that is
        `@` and a person's id is a direct message to them. Raises `SendError`."""
        ...

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        """Replaces a posted message; repeating it is harmless. Raises `SendError`."""
        ...

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        """One line in the message's thread, pinging nobody; one that is `loud` is seen in the channel, too. Raises
        `SendError`."""
        ...

    async def find(
        self, delivery: str, channel: str, since: datetime, thread: Posted | None = None
    ) -> list[Posted]:
        """The messages that carry `delivery`, the first one first: how a doubt is settled. Looked through are those that
        were posted after `since`, and those of the `LOOK_BACK` before the channel's newest. None when it is certain that
        there is none. Raises `SendError` when it cannot be told."""
        ...

    async def delete(self, where: Posted) -> None:
        """Takes back a message of ours; harmless when it is gone. Raises `SendError`."""
        ...
