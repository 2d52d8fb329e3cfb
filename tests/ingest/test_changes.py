"""What the checks leaves out."""

from datetime import UTC, datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Health, Seat, SourceState
from meterbot.ingest.changes import Changes, may_change
from meterbot.rules.memory import SourceMemory, dump, source_memory_name
from meterbot.rules.settings import RuleSettings
from meterbot.store import Store, source_states

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
ANA = Seat("ana", "claude_ai")
_instants = st.none() | st.integers(-600, 600).map(lambda seconds: NOW + timedelta(seconds=seconds))


@given(st.sampled_from(Health), _instants, _instants)
def test_what_waiting_cannot_change_would_not_have_been_changed(
    health: Health, since: datetime | None, last_ok_at: datetime | None
) -> None:
    state = SourceState("ana", health, since, last_ok_at=last_ok_at)
    remembered = {source_memory_name("ana"): dump(SourceMemory(identities=("one",), identity_at=NOW))}
    fold = Changes(RuleSettings(source_grace=timedelta(0)), sources={"ana": state}, memories=remembered)
    fold.check_age(ANA, NOW)
    left = fold.batch(())
    if not may_change(state, ANA, NOW):
        assert (left.sources, left.memories, left.events) == ([], {}, [])


def test_a_seat_that_was_never_read_is_not_waited_for() -> None:
    assert not may_change(None, ANA, NOW)


def test_silence_and_outage_are_looked_at() -> None:
    silent = SourceState("ana", Health.OK, NOW, last_ok_at=NOW - ANA.stale_after - timedelta(seconds=1))
    assert may_change(silent, ANA, NOW)
    assert may_change(SourceState("ana", Health.REFUSED, NOW), ANA, NOW)


async def test_every_source_that_time_may_change_is_read(store: Store) -> None:
    seconds = [None, -600, -ANA.stale_after.total_seconds() - 1, -60, 600]
    instants = [None if one is None else NOW + timedelta(seconds=one) for one in seconds]
    states = [
        SourceState(f"seat{number}", health, since, last_ok_at=last_ok_at)
        for number, (health, since, last_ok_at) in enumerate(product(Health, instants, instants))
        if last_ok_at is None or health is not Health.NEVER_SEEN
    ]
    await store.run(lambda c: source_states.write_sources(c, states))
    read = await store.read(lambda c: source_states.read_failing_or_silent(c, NOW - ANA.stale_after, NOW))
    assert read == {state.seat: state for state in states if may_change(state, ANA, NOW)}
    healthy = await store.read(source_states.read_healthy)
    assert healthy == {state.seat for state in states if state.health is Health.OK}
