"""Thins out the history, and deletes old events with their messages. In many short transactions, so that a reading or
a command waits for one of them at most."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from meterbot.core.log import get_logger
from meterbot.core.models import Counter, Event
from meterbot.rules.endings import can_be_forgotten
from meterbot.rules.memory import (
    TEAM_MEMORY,
    CounterMemory,
    SourceMemory,
    TeamMemory,
    load,
    source_memory_name,
)
from meterbot.store import (
    Connection,
    Store,
    counter_states,
    event_log,
    forgetting,
    history,
    rollup,
    rule_memories,
    thinning,
)

PAUSE = timedelta(hours=6)
"""How often it checks for old data."""
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_EVENTS_AT_ONCE = 200

log = get_logger(__name__)


@dataclass(eq=False)
class Retention:
    """Every change, event and message is kept for `changes`, an hourly history for `hours`, a daily one for ever."""

    store: Store
    changes: timedelta
    hours: timedelta
    _last: datetime | None = field(init=False, default=None)

    async def run(self, now: datetime) -> None:
        """Runs once in a `PAUSE`, however often it is called. If interrupted, it continues there."""
        if self._last is not None and timedelta(0) <= now - self._last < PAUSE:
            return
        newest = await self.store.read(history.newest)
        if newest is not None and newest - now > _DAY:
            return  # the clock is behind, so no age is certain
        while await self.store.run(lambda tx: rollup.roll_up(tx, now)):
            pass
        days = 0
        for before, step in ((now - self.changes, _HOUR), (now - self.hours, _DAY)):
            days += await self._thin(before, step)
        events = await self._forget_events(now)
        self._last = now
        if days or events:
            log.debug("old history was condensed", days=days, events=events)

    async def _thin(self, before: datetime, step: timedelta) -> int:
        """How many days of the history were thinned."""
        days = 0
        while (span := await self.store.read(lambda c: thinning.next_span(c, before, step))) is not None:
            for counters in span.parts:
                await self.store.run(partial(thinning.thin, span=span, counters=counters, step=step))
            await self.store.run(partial(thinning.remember, span=span, step=step))
            days += 1
        return days

    async def _forget_events(self, now: datetime) -> int:
        forgotten, after = 0, None
        while True:
            find = partial(
                event_log.old_events, before=now - self.changes, after=after, limit=_EVENTS_AT_ONCE
            )
            events = await self.store.read(find)
            if not events:
                return forgotten
            forgotten += await self.store.run(partial(_forget, events=events, now=now))
            after = events[-1]


def _forget(connection: Connection, events: list[Event], now: datetime) -> int:
    """Forgets those that no rule needs again; returns how many."""
    states = counter_states.read_states(connection, {event.counter for event in events if event.counter})
    seats = {event.seat for event in events if event.seat is not None}
    memories = rule_memories.read_memories(connection, [*map(source_memory_name, seats), TEAM_MEMORY])
    team = load(TeamMemory, memories.get(TEAM_MEMORY))
    counters: dict[Counter | None, CounterMemory] = {None: CounterMemory()}
    counters |= {counter: load(CounterMemory, state.memory) for counter, state in states.items()}
    sources: dict[str | None, SourceMemory] = {None: SourceMemory()}
    sources |= {seat: load(SourceMemory, memories.get(source_memory_name(seat))) for seat in seats}
    past = []
    for event in events:
        counter, source = counters.get(event.counter, counters[None]), sources[event.seat]
        if can_be_forgotten(event, counter, source, team, now):
            past.append(event.key)
    return forgetting.forget_events(connection, past)
