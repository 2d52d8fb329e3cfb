"""What is old becomes less: hours of minutes, a coarser history, and what was told long ago forgotten.

In many short transactions, so that a reading and a command wait for one of them at most.
"""

from datetime import datetime, timedelta

from meterbot import rules
from meterbot.core.log import get_logger
from meterbot.core.models import Event
from meterbot.rules import CounterMemory, SourceMemory, TeamMemory
from meterbot.rules.memory import TEAM_MEMORY, source_memory_name
from meterbot.store import Store, Transaction

PAUSE = timedelta(hours=6)
"""How often is looked whether something has become old."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_EVENTS_AT_ONCE = 200

log = get_logger(__name__)


class Retention:
    """Every change, event and message is kept for `changes`, an hourly history for `hours`, a daily one for ever."""

    def __init__(self, store: Store, changes: timedelta, hours: timedelta) -> None:
        self._store = store
        self._changes = changes
        self._hours = hours
        self._last: datetime | None = None

    async def run(self, now: datetime) -> None:
        """Once in a `PAUSE`, however often it is called. It goes on from where it was when it is cut off."""
        if self._last is not None and timedelta(0) <= now - self._last < PAUSE:
            return
        self._last = now
        while await self._store.roll_up(now):
            pass
        stretches = 0
        for before, step in ((now - self._changes, _HOUR), (now - self._hours, _DAY)):
            while await self._store.thin(before, step):
                stretches += 1
        events = await self._forget_events(now)
        if stretches or events:
            log.debug("what is old became less", stretches=stretches, events=events)

    async def _forget_events(self, now: datetime) -> int:
        forgotten, after = 0, None
        while True:
            async with self._store.transaction() as transaction:
                events = await transaction.old_events(now - self._changes, after, _EVENTS_AT_ONCE)
                if not events:
                    return forgotten
                past = await _past(transaction, events, now)
                forgotten += await transaction.forget_events([event.key for event in past])
            after = events[-1]


async def _past(transaction: Transaction, events: list[Event], now: datetime) -> list[Event]:
    """Those that nothing will ask for again."""
    states = await transaction.states({event.counter for event in events if event.counter is not None})
    seats = {source_memory_name(event.seat) for event in events if event.seat is not None}
    memories = await transaction.memories([*seats, TEAM_MEMORY])
    team = rules.load(TeamMemory, memories.get(TEAM_MEMORY))
    counters = {counter: rules.load(CounterMemory, state.memory) for counter, state in states.items()}
    sources = {name: rules.load(SourceMemory, text) for name, text in memories.items() if name in seats}

    def can_be_forgotten(event: Event) -> bool:
        counter = (None if event.counter is None else counters.get(event.counter)) or CounterMemory()
        source = (
            None if event.seat is None else sources.get(source_memory_name(event.seat))
        ) or SourceMemory()
        return rules.can_be_forgotten(event, counter, source, team, now)

    return [event for event in events if can_be_forgotten(event)]
