"""A chat in memory that keeps the contract, with faults on demand."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from meterbot.chat import Answerer, Connection, Forms, no_forms
from meterbot.core.errors import Outcome, SendError
from meterbot.core.messages import Message, Posted


class KilledError(BaseException):
    """Simulates the end of the process: no handler may clean up."""


class Trouble(Enum):
    """A fault of a call."""

    NONE = auto()
    NOT_SENT = auto()
    REFUSED = auto()
    LOST_ON_THE_WAY = auto()
    ANSWER_LOST = auto()
    KILLED_BEFORE = auto()
    KILLED_AFTER = auto()
    HANGS_BEFORE = auto()
    HANGS_AFTER = auto()
    BROKEN = auto()


_AFTER = {Trouble.ANSWER_LOST, Trouble.KILLED_AFTER, Trouble.HANGS_AFTER}
"""The faults after which the message has arrived."""


@dataclass(slots=True)
class Standing:
    """A message. `thread` is the message that it answers."""

    delivery: str
    channel: str
    message: Message
    thread: str | None = None
    edits: list[Message] = field(default_factory=list)


_OUTCOMES = {
    Trouble.NOT_SENT: Outcome.NOT_SENT,
    Trouble.REFUSED: Outcome.REFUSED,
    Trouble.LOST_ON_THE_WAY: Outcome.IN_DOUBT,
    Trouble.ANSWER_LOST: Outcome.IN_DOUBT,
}

Act = Callable[[], None]
Troubles = deque[Trouble | SendError]


class Wall:
    """Its channels are one list in the order of arrival. `troubles` are met by the next calls, one each."""

    destination = "C1"
    pause = 0.0

    def __init__(self, name: str = "wall") -> None:
        self.name = name
        self.standing: list[Standing] = []
        self.troubles: Troubles = deque()
        self.finding: Troubles = deque()
        self.refused_word: str | None = None
        """Every message that contains this word is refused."""
        self.takes_no_direct = False
        """Direct messages are refused."""
        self.calls: list[tuple[str, str]] = []
        self.hanging = asyncio.Event()
        """Set once a call hangs."""
        self.arrived = asyncio.Event()
        """Set whenever a message arrives."""
        self.go_on = asyncio.Event()
        """Lets the calls that hang end."""

    def connection(self) -> Connection:
        return Connection(up=True)

    async def start(self, answer: Answerer, forms: Forms = no_forms) -> None:
        """Does nothing."""

    async def close(self) -> None:
        """Does nothing."""

    def titles(self, channel: str = "C1", thread: str | None = None) -> list[str]:
        return [
            each.message.title for each in self.standing if (each.channel, each.thread) == (channel, thread)
        ]

    async def until(self, number: int) -> None:
        """Waits for this many messages."""
        async with asyncio.timeout(5):
            while len(self.standing) < number:
                self.arrived.clear()
                await self.arrived.wait()

    async def post(self, delivery: str, channel: str, message: Message) -> Posted:
        self._admit(channel)
        return await self._add("post", Standing(delivery, channel, message))

    async def reply(self, delivery: str, where: Posted, message: Message) -> Posted:
        self._admit(where.channel)
        return await self._add("reply", Standing(delivery, where.channel, message, where.message))

    async def edit(self, delivery: str, where: Posted, message: Message) -> None:
        self._admit(where.channel)
        edited = next(each for each in self.standing if each.delivery == where.message)

        def change() -> None:
            edited.edits.append(message)

        await self._met("edit", delivery, self.troubles, change)

    async def find(
        self, delivery: str, channel: str, since: datetime, thread: Posted | None = None
    ) -> list[Posted]:
        del since, thread
        await self._met("find", delivery, self.finding, lambda: None)
        return [
            Posted(channel, delivery)
            for each in self.standing
            if (each.delivery, each.channel) == (delivery, channel)
        ]

    async def delete(self, where: Posted) -> None:
        """Deletes the newest of these messages."""
        self.calls.append(("delete", where.message))
        same = [each for each in self.standing if each.delivery == where.message]
        self.standing.remove(same[-1])

    def _admit(self, channel: str) -> None:
        if self.takes_no_direct and channel.startswith("@"):
            raise SendError(Outcome.NO_DIRECT, "the person does not accept direct messages from the bot")

    async def _add(self, what: str, new: Standing) -> Posted:
        if self.refused_word is not None and self.refused_word in new.message.title:
            raise SendError(Outcome.INVALID, f"{self.refused_word} is not taken")

        def stand() -> None:
            self.standing.append(new)
            self.arrived.set()

        await self._met(what, new.delivery, self.troubles, stand)
        return Posted(new.channel, new.delivery)

    async def _met(self, what: str, delivery: str, troubles: Troubles, do: Act) -> None:
        self.calls.append((what, delivery))
        trouble = troubles.popleft() if troubles else Trouble.NONE
        if trouble is Trouble.NONE or trouble in _AFTER:
            do()
        if isinstance(trouble, SendError):
            raise trouble
        if trouble in {Trouble.HANGS_BEFORE, Trouble.HANGS_AFTER}:
            self.hanging.set()
            await self.go_on.wait()
        elif trouble in {Trouble.KILLED_BEFORE, Trouble.KILLED_AFTER}:
            raise KilledError
        elif trouble is Trouble.BROKEN:
            raise LookupError("a bug in the chat")
        elif trouble in _OUTCOMES:
            raise SendError(_OUTCOMES[trouble], trouble.name.lower())
