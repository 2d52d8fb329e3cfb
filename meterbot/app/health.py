"""The bot's health at one moment, for /readyz, /metrics, systemd, the log and the dead man's switch."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterbot.chat import Connection
from meterbot.core import secret
from meterbot.core.deliveries import ChannelQueue
from meterbot.core.models import Health, SourceState
from meterbot.core.text import count, listed, one_line
from meterbot.store import Worker

TICK_LATE = timedelta(seconds=60)
"""After this long without a tick, the seats are not polled."""
WRITE_LATE = timedelta(seconds=30)
"""After this long without a successful write, the database cannot be written to."""
ALERT_LATE = timedelta(minutes=15)
"""An alert that waits longer is a failure of meterbot or of the platform."""
CHAT_LATE = timedelta(minutes=15)
"""After this long without any connected chat, a restart may help."""


def on_time(last_tick: datetime | None, now: datetime) -> bool:
    """Whether the poller looked for due seats recently."""
    return last_tick is not None and now - last_tick <= TICK_LATE


@dataclass(frozen=True, slots=True)
class ChatHealth:
    connection: Connection
    waiting: int = 0
    """How many messages are to be delivered now."""
    held: int = 0
    """How many messages a snooze, a silence or quiet hours hold back."""
    oldest: datetime | None = None
    """When the oldest message that is to be delivered now was queued."""
    failed: int = 0
    """How many messages were given up by a fault of their own."""
    trouble: str | None = None
    """Why messages cannot be delivered, in the platform's words."""
    wrong_channel: str | None = None
    """Why nothing can be posted to the configured channel, and what to do."""


def chat_health(
    connection: Connection, queues: Sequence[ChannelQueue], failed: int, wrong_channel: str | None
) -> ChatHealth:
    """`queues`: those of the chat's channels."""
    return ChatHealth(
        connection,
        waiting=sum(queue.waiting - queue.held for queue in queues),
        held=sum(queue.held for queue in queues),
        oldest=min((queue.oldest for queue in queues if queue.oldest is not None), default=None),
        failed=failed,
        trouble=next((queue.trouble for queue in queues if queue.trouble is not None), None),
        wrong_channel=wrong_channel,
    )


@dataclass(frozen=True, slots=True)
class BotHealth:
    """The state of everything that has to work, at `now`."""

    now: datetime
    version: str
    database: bool
    """Whether it answers."""
    last_tick: datetime | None
    written_at: datetime | None = None
    """When this process last wrote to the database; None: it has not tried yet."""
    connected_at: datetime | None = None
    """When a chat was last connected; None: not since the start."""
    chats: Mapping[str, ChatHealth] = field(default_factory=dict)
    failed_pulls: int = 0
    """How many merged pull requests were given up, because their cost could not be calculated."""
    seats: Mapping[str, SourceState] = field(default_factory=dict)
    lag: timedelta = timedelta(0)
    """How late the most overdue seat is."""
    clock_behind: timedelta | None = None
    """By how much the clock is behind the newest stored reading, while that is more than a day."""
    workers: Sequence[Worker] = ()
    """The processes that are alive on this database."""

    @property
    def writable(self) -> bool:
        """Whether the last successful write is recent."""
        return self.written_at is None or self.now - self.written_at <= WRITE_LATE

    @property
    def stuck(self) -> bool:
        """Whether the service manager should restart the bot."""
        alone = self.connected_at is not None and self.now - self.connected_at > CHAT_LATE
        return not on_time(self.last_tick, self.now) or not self.writable or alone

    def problems(self) -> list[str]:
        """Why the bot is not ready; empty when it is."""
        found = []
        if not self.database:
            found.append("the database does not answer")
        elif not self.writable:
            found.append("the database cannot be written to")
        if not on_time(self.last_tick, self.now):
            found.append("the last tick is late")
        if self.clock_behind is not None:
            found.append(
                f"the clock is {count(self.clock_behind.days, 'day')} behind the newest stored reading, and nothing is "
                "stored until it is right (`meterbot db clock-is-right`, if it was ahead before)"
            )
        chats = self.chats.values()
        if chats and not any(chat.connection.up for chat in chats):
            found.append("no chat is connected")
        elif chats and all(chat.wrong_channel is not None for chat in chats):
            found.append("no alert can be posted: the configured channel is wrong")
        if any(chat.oldest is not None and self.now - chat.oldest > ALERT_LATE for chat in chats):
            found.append("an alert is waiting to be delivered")
        return found

    def notes(self) -> list[str]:
        """Further details, whether or not they keep the bot from being ready."""
        found = [note for name, chat in self.chats.items() for note in _chat_notes(name, chat)]
        if self.failed_pulls:
            found.append(
                f"the cost of {count(self.failed_pulls, 'pull request')} could not be calculated: meterbot failed "
                "lists and retries them"
            )
        if unwell := sum(state.health != Health.OK for state in self.seats.values()):
            found.append(f"{unwell} of {count(len(self.seats), 'seat')} cannot be read reliably")
        return [secret.hide(note) for note in found]

    def summary(self) -> str:
        well = sum(state.health == Health.OK for state in self.seats.values())
        up = [name for name, chat in self.chats.items() if chat.connection.up]
        said = [
            f"{well} of {count(len(self.seats), 'seat')} ok",
            f"connected to {listed(up)}" if up else "no chat is connected",
            f"{count(sum(chat.waiting for chat in self.chats.values()), 'message')} waiting",
        ]
        problems = self.problems()
        return ("not ready: " + "; ".join(problems) + "; " if problems else "") + ", ".join(said)


def _chat_notes(name: str, chat: ChatHealth) -> Iterator[str]:
    if not chat.connection.up:
        detail = chat.connection.detail
        yield f"{name} is not connected" + (f": {one_line(detail)}" if detail else "")
    if chat.wrong_channel is not None:
        yield f"{name}: {one_line(chat.wrong_channel)}"
    if chat.held:
        yield f"{count(chat.held, 'message')} for {name} held back on purpose"
    if chat.failed:
        yield f"{count(chat.failed, 'message')} for {name} failed: meterbot failed lists and retries them"
    if chat.trouble is not None:
        yield f"{count(chat.waiting, 'message')} for {name} cannot be delivered: {one_line(chat.trouble)}"


CheckHealth = Callable[[], Awaitable[BotHealth]]
