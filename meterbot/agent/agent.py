"""When to read and when to send: once, or again and again until told to stop."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NoReturn

from meterbot.agent import document, politeness
from meterbot.agent.destination import Destination
from meterbot.agent.memory import Identity, Memory, MemoryFile
from meterbot.agent.trouble import PushError, RefusedError
from meterbot.core.clock import Clock

_NAP = 60.0  # seconds: after a sleep of the machine, a deadline may long have passed


Read = Callable[[datetime, Identity | None], tuple[list[dict[str, object]], Identity | None]]
"""Makes a reading, given the time and who was last known to be signed in. Raises `PushError`."""


@dataclass(frozen=True, slots=True)
class Agent:
    """`every`: the time between two readings. `polite`: readings cost a budget, so even a single run waits for its
    turn. `extras` gives what is added to a snapshot as it is sent. `chance` is 0 to 1."""

    read: Read
    extras: Callable[[datetime], dict[str, object]]
    destination: Destination | None
    file: MemoryFile
    clock: Clock
    chance: Callable[[], float]
    say: Callable[[str], None]
    every: timedelta = politeness.EVERY
    polite: bool = True

    def show(self) -> bytes:
        """The bytes that would be sent now. Reads, if it is time; sends nothing."""
        with self.file.alone():
            memory = self._read_if_due(self.file.load(), 0.0)
            return self._body(memory)

    def once(self) -> None:
        """Reads and sends, as far as it is time for either. Raises `PushError`."""
        with self.file.alone():
            memory = self._read_if_due(self.file.load(), 0.0)
            self._send_if_due(memory)

    def keep_going(self, pause: Callable[[float], None]) -> NoReturn:
        """The same for ever. What goes wrong is said when it begins and when it ends. `pause` waits for seconds."""
        with self.file.alone():
            told = ""
            while True:
                trouble = self._round()
                if trouble != told:
                    self.say(trouble or "all is well again")
                told = trouble
                self._wait(pause)

    def _round(self) -> str:
        try:
            memory = self._read_if_due(self.file.load(), self.chance())
            self._send_if_due(memory)
        except PushError as trouble:
            self._not_before(self.file.load())
            return str(trouble)
        return ""

    def _not_before(self, memory: Memory) -> None:
        """After trouble that set no deadline, as nobody was asked: look again at the usual time."""
        now = self.clock.now()
        if politeness.is_due(memory.read_after, now):
            self.file.save(
                replace(memory, read_after=politeness.after_reading(now, self.every, self.chance()))
            )

    def _wait(self, pause: Callable[[float], None]) -> None:
        memory = self.file.load()
        deadlines = [memory.read_after, None if memory.sent else memory.send_after]
        waits = [deadline for deadline in deadlines if deadline is not None]
        while not any(politeness.is_due(deadline, self.clock.now()) for deadline in waits):
            pause(min(_NAP, *((deadline - self.clock.now()).total_seconds() for deadline in waits)))

    def _read_if_due(self, memory: Memory, chance: float) -> Memory:
        now = self.clock.now()
        if self.polite and not politeness.is_due(memory.read_after, now):
            return memory
        try:
            snapshots, identity = self.read(now, memory.identity)
        except RefusedError as refusal:
            failures = memory.read_failures + 1
            until = politeness.after_refused_reading(now, failures, refusal.retry_after, self.chance())
            self.file.save(replace(memory, read_failures=failures, read_after=until))
            raise RefusedError(f"{refusal} (not before {_time(until)})", refusal.retry_after) from None
        memory = replace(
            memory,
            read_after=politeness.after_reading(now, self.every, chance),
            read_failures=0,
            snapshot=document.render(snapshots).decode(),
            sent=False,
            identity=identity or memory.identity,
        )
        self.file.save(memory)
        return memory

    def _send_if_due(self, memory: Memory) -> None:
        now = self.clock.now()
        if memory.sent or self.destination is None:
            why = "the last reading failed" if memory.read_failures else "meterbot has the last reading"
            self.say(f"nothing to send: {why}, the next is due at {_time(memory.read_after)}")
            return
        if not politeness.is_due(memory.send_after, now):
            self.say(
                f"meterbot could not take the last reading and is asked again at {_time(memory.send_after)}"
            )
            return
        try:
            outcome = self.destination.send(self._body(memory), now)
        except RefusedError as refusal:
            failures = memory.send_failures + 1
            until = politeness.after_refused_sending(now, failures, refusal.retry_after, self.chance())
            # Where a person has to act, only their next run or the next reading is worth a try.
            until_then = None if refusal.final else until
            self.file.save(replace(memory, send_failures=failures, send_after=until_then))
            raise
        self.file.save(replace(memory, sent=True, send_failures=0, send_after=None))
        self.say(outcome)

    def _body(self, memory: Memory) -> bytes:
        if memory.snapshot is None:
            raise PushError(f"there is no reading yet, the next is due at {_time(memory.read_after)}")
        return document.compose(memory.snapshot, self.extras(self.clock.now()))


def _time(moment: datetime | None) -> str:
    return "any time" if moment is None else moment.astimezone().strftime("%H:%M")
