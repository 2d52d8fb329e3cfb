"""What counters add to the team's sum: kept up from batch to batch, it is what the store would have said."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from meterbot import rules
from meterbot.core.models import Counter, Health, Seat, SourceState
from meterbot.ingest.team_totals import TeamTotals
from meterbot.rules import CounterMemory
from meterbot.store import Batch, CounterReader, CounterState, Latest
from tests.teams import money, reading

SEATS = {name: Seat(name, "claude_ai") for name in ("ana", "bo", "cleo")} | {"api": Seat("api", "admin_api")}
COUNTERS = [Counter(f"account-{one}", "org") for one in range(3)]


@dataclass
class Stored:
    """What a store holds after some batches."""

    rows: set[tuple[str, Counter]] = field(default_factory=set)
    memories: dict[Counter, str] = field(default_factory=dict)
    sources: dict[str, SourceState] = field(default_factory=dict)

    def write(self, batch: Batch) -> None:
        self.rows = (self.rows | {(one.seat, one.counter) for one in batch.latest}) - set(batch.gone)
        self.memories |= {counter: state.memory for counter, state in batch.states.items()}
        self.sources |= {source.seat: source for source in batch.sources}

    def standing(self) -> TeamTotals:
        readers = [CounterReader(seat, counter, self.memories.get(counter)) for seat, counter in self.rows]
        return TeamTotals.of(readers, self.sources, SEATS)


def memory(amount: int) -> str:
    return rules.dump(CounterMemory(period="2026-04", used=money(f"{amount}.00"), metering="on"))


batches = st.builds(
    lambda rows, gone, amounts, healths: Batch(
        latest=[Latest(seat, counter, reading().known) for seat, counter in rows],
        gone=sorted(gone - rows, key=str),
        states={
            counter: CounterState(reading().known, memory(amount))
            for (_, counter), amount in zip(sorted(rows, key=str), amounts, strict=False)
        },
        sources=[SourceState(seat, health) for seat, health in healths.items()],
    ),
    rows=st.sets(st.tuples(st.sampled_from(sorted(SEATS)), st.sampled_from(COUNTERS)), max_size=4),
    gone=st.sets(st.tuples(st.sampled_from(sorted(SEATS)), st.sampled_from(COUNTERS)), max_size=2),
    amounts=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    healths=st.dictionaries(st.sampled_from(sorted(SEATS)), st.sampled_from([Health.OK, Health.CHALLENGED])),
)


def summed(standing: TeamTotals) -> list[str]:
    return sorted(map(str, standing.summands()))


@given(st.lists(batches, max_size=6))
def test_what_is_kept_up_is_what_would_be_read_anew(played: list[Batch]) -> None:
    stored, kept = Stored(), Stored().standing()
    for batch in played:
        before = summed(kept)
        changed = kept.take(batch, SEATS)
        stored.write(batch)
        assert summed(kept) == summed(stored.standing())
        assert changed or summed(kept) == before


def test_an_organizations_own_spend_is_not_in_the_sum() -> None:
    standing = TeamTotals.of([CounterReader("api", COUNTERS[0], memory(3))], {}, SEATS)
    assert standing.summands() == []
