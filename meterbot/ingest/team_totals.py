"""What every counter adds to the team's sum, kept up from batch to batch; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from meterbot import rules
from meterbot.core.models import Counter, Health, Seat, SourceState
from meterbot.ingest.changes import counts_in_team
from meterbot.rules import CounterMemory, TeamShare
from meterbot.store import Batch, CounterReader


@dataclass(slots=True)
class TeamTotals:
    """`readers` are the seats that read each counter of the sum, `readings` what it adds if one of them is well, `well`
    the seats whose source is. `mark` is the store's, from when it was read."""

    readers: dict[Counter, set[str]]
    readings: dict[Counter, TeamShare]
    well: set[str]
    mark: str | None = None

    @classmethod
    def of(
        cls,
        stored: Iterable[CounterReader],
        sources: Mapping[str, SourceState],
        seats: Mapping[str, Seat],
    ) -> "TeamTotals":
        """As the store has it."""
        well = {name for name, state in sources.items() if state.health is Health.OK}
        standing = cls({}, {}, well)
        for one in stored:
            standing.read(one, seats)
        return standing

    def read(self, one: CounterReader, seats: Mapping[str, Seat]) -> None:
        """One more that the store has."""
        self._add(one.seat, one.counter, seats)
        if one.counter in self.readers:
            self.readings[one.counter] = _reading(one.counter, one.memory)

    def take(self, batch: Batch, seats: Mapping[str, Seat]) -> bool:
        """What a batch changes; whether that may change the sum."""
        changed = bool(batch.gone)
        for one in batch.latest:
            changed |= self._add(one.seat, one.counter, seats)
        for seat, counter in batch.gone:
            self._drop(seat, counter)
        for counter, state in batch.states.items():
            reading = _reading(counter, state.memory)
            changed |= counter in self.readers and reading != self.readings.get(counter)
            self.readings[counter] = reading
        for source in batch.sources:
            well = source.health is Health.OK
            changed |= well != (source.seat in self.well)
            (self.well.add if well else self.well.discard)(source.seat)
        return changed

    def summands(self) -> list[TeamShare]:
        """What to sum: where none of the readers is well, there may be more than the reading says."""
        return [self._seen(counter, names) for counter, names in self.readers.items()]

    def _seen(self, counter: Counter, names: set[str]) -> TeamShare:
        reading = self.readings.get(counter) or _reading(counter, None)
        return reading if names & self.well else replace(reading, complete=False)

    def _add(self, seat: str, counter: Counter, seats: Mapping[str, Seat]) -> bool:
        """Whether it was not there."""
        configured = seats.get(seat)
        if configured is None or not counts_in_team(configured, counter):
            return False
        names = self.readers.setdefault(counter, set())
        new = seat not in names
        names.add(seat)
        return new

    def _drop(self, seat: str, counter: Counter) -> None:
        names = self.readers.get(counter, set())
        names.discard(seat)
        if not names:
            self.readers.pop(counter, None)
            self.readings.pop(counter, None)


def _reading(counter: Counter, memory: str | None) -> TeamShare:
    return rules.team_share(counter, rules.load(CounterMemory, memory), fresh=True)
