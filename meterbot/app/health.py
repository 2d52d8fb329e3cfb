"""How the bot is doing at one moment: what the health routes, systemd, the log and the dead man's switch are told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meterbot.chat import Connection
from meterbot.core import secret
from meterbot.core.models import Health, SourceState
from meterbot.core.text import count, listed, one_line
from meterbot.store import Worker

TICK_LATE = timedelta(seconds=60)
"""A tick older than this means that nobody is polling."""
ALERT_LATE = timedelta(minutes=15)
"""An alert that waits longer than this is a failure of ours or of the platform."""


def on_time(last_tick: datetime | None, now: datetime) -> bool:
    """Whether the seats that are due were looked for a moment ago."""
    return last_tick is not None and now - last_tick <= TICK_LATE


@dataclass(frozen=True, slots=True)
class BotHealth:
    """How the bot is doing at `now`."""

    now: datetime
    version: str
    database: bool
    last_tick: datetime | None
    chats: Mapping[str, Connection] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    """Chat → how many messages are not delivered yet."""
    oldest: Mapping[str, datetime] = field(default_factory=dict)
    """Chat → when the oldest of them was queued, where there is one."""
    seats: Mapping[str, SourceState] = field(default_factory=dict)
    troubles: Mapping[str, str] = field(default_factory=dict)
    """Chat → why its waiting messages do not move, as told by the platform."""
    lag: timedelta = timedelta(0)
    """By how much the seat that waits longest to be read is late."""
    workers: Sequence[Worker] = ()
    """The processes on this database that are alive."""

    def problems(self) -> list[str]:
        """Why the bot is not ready; empty when it is."""
        found = []
        if not self.database:
            found.append("the database does not answer")
        if not on_time(self.last_tick, self.now):
            found.append("the last tick is late")
        if self.chats and not any(chat.up for chat in self.chats.values()):
            found.append("no chat is connected")
        if any(self.now - queued > ALERT_LATE for queued in self.oldest.values()):
            found.append("an alert is waiting to be delivered")
        return found

    def notes(self) -> list[str]:
        """What ails it besides, or in more detail, whether or not it keeps the bot from being ready."""
        found = [
            f"{name} is not connected" + (f": {one_line(chat.detail)}" if chat.detail else "")
            for name, chat in self.chats.items()
            if not chat.up
        ]
        found += [
            f"{count(self.waiting.get(name, 0), 'message')} for {name} cannot be delivered: "
            f"{one_line(trouble)}"
            for name, trouble in self.troubles.items()
        ]
        if unwell := sum(state.health != Health.OK for state in self.seats.values()):
            found.append(f"{unwell} of {count(len(self.seats), 'seat')} cannot be read, or not for certain")
        return [secret.hide(note) for note in found]

    def summary(self) -> str:
        """All of it in one line."""
        well = sum(state.health == Health.OK for state in self.seats.values())
        up = [name for name, chat in self.chats.items() if chat.up]
        said = [
            f"{well} of {count(len(self.seats), 'seat')} ok",
            f"connected to {listed(up)}" if up else "no chat is connected",
            f"{count(sum(self.waiting.values()), 'message')} waiting",
        ]
        problems = self.problems()
        return ("not ready: " + "; ".join(problems) + "; " if problems else "") + ", ".join(said)


TakeVitals = Callable[[], Awaitable[BotHealth]]
