"""The hours contain what the samples did, rolled up or not."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from meterbot.rules.hours import Hour, block_spans, hours_of, spent_in
from meterbot.rules.increases import spend_between
from meterbot.store import Batch, Store, history, rollup
from tests.properties import examples
from tests.store.examples import (
    ANA,
    BO,
    dollars,
    emptied,
    later,
    sample,
    write,
)
from tests.store.test_thinning import _steps, life

HOUR = timedelta(hours=1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def rolled_up(store: Store, now: datetime) -> None:
    while await store.run(lambda c: rollup.roll_up(c, now)):
        pass


def news(hours: Sequence[Hour]) -> list[Hour]:
    """The hours that differ from the one before: the newest reading of a quiet stretch moves on with every reading, so
    that its hour may be among them or not."""
    found: list[Hour] = []
    for hour in hours:
        before = found[-1] if found else None
        same = before is not None and (hour.used, hour.cap, hour.blocked) == (
            before.used,
            before.cap,
            before.blocked,
        )
        if not same or hour.spent.minor:
            found.append(replace(hour, blocks=()))
    return found


@examples(10)
@given(steps=st.lists(_steps, min_size=5, max_size=12), cut=st.integers(0, 11))
async def test_the_hours_are_those_of_the_samples(
    store: Store, steps: list[tuple[timedelta, str, bool]], cut: int
) -> None:
    await emptied(store)
    samples = life(steps)
    for part in (samples[:cut], samples[cut:]):
        await write(store, Batch(samples=part))
        if part:
            await rolled_up(store, part[-1].at + HOUR)
    kept = await store.read(lambda c: history.read(c, [ANA], LONG_AGO))
    stored, whole = await store.read(lambda c: rollup.read(c, [ANA], LONG_AGO)), hours_of(kept, LONG_AGO)
    assert news(stored) == news(whole)
    end = samples[-1].at
    assert block_spans(stored, LONG_AGO, end) == block_spans(whole, LONG_AGO, end)


@given(steps=st.lists(_steps, min_size=2, max_size=25))
def test_the_hours_add_up_to_the_spend(steps: list[tuple[timedelta, str, bool]]) -> None:
    samples = life(steps)
    hours = hours_of(samples, LONG_AGO)
    first, end = samples[0].at, samples[-1].at
    assert spent_in(hours, LONG_AGO, end + HOUR) == spend_between(samples, first, end)


async def test_the_hour_that_is_not_over_is_reported_from_the_samples(store: Store) -> None:
    await write(store, Batch(samples=[sample(minute, str(minute)) for minute in (0, 20, 70, 80)]))
    await rolled_up(store, later(minutes=85))
    hours = await store.read(lambda c: rollup.read(c, [ANA], LONG_AGO))
    assert [(hour.at, hour.spent) for hour in hours] == [
        (later(), dollars("20")),
        (later(hours=1), dollars("60")),
    ]


async def test_a_rise_from_the_last_reading_before_is_reported(store: Store) -> None:
    await write(store, Batch(samples=[sample(0, "1"), sample(70, "4"), sample(200, "4")]))
    for now in (later(hours=1), later(hours=9)):
        await rolled_up(store, now)
        hours = await store.read(lambda c: rollup.read(c, [ANA], LONG_AGO))
        assert sum(hour.spent.minor for hour in hours) == 300


async def test_what_a_machine_sends_late_is_in_its_hour(store: Store) -> None:
    await write(store, Batch(samples=[sample(0, "1"), sample(0, "1", BO), sample(400, "9", BO)]))
    await rolled_up(store, later(hours=9))
    await write(store, Batch(samples=[sample(70, "4"), sample(75, "5")]))
    for _ in range(2):
        hours = await store.read(lambda c: rollup.read(c, [ANA], LONG_AGO))
        assert [(hour.at, hour.spent) for hour in hours] == [
            (later(), dollars("0")),
            (later(hours=1), dollars("4")),
        ]
        await rolled_up(store, later(hours=9))


async def test_hours_from_a_clock_that_was_ahead_go_with_their_samples(store: Store) -> None:
    await write(store, Batch(samples=[sample(0, "1"), sample(70, "4"), sample(200, "9")]))
    await rolled_up(store, later(hours=9))
    await write(store, Batch(samples=[sample(90, "5")], set_back={ANA: later(minutes=80)}))
    await rolled_up(store, later(hours=9))
    hours = await store.read(lambda c: rollup.read(c, [ANA], LONG_AGO))
    assert [(hour.at, hour.spent) for hour in hours] == [
        (later(), dollars("0")),
        (later(hours=1), dollars("4")),
    ]


async def test_since_is_rounded_down_to_its_hour(store: Store) -> None:
    await write(store, Batch(samples=[sample(minute, str(minute)) for minute in (0, 20, 70, 130, 140)]))
    for _ in range(2):
        hours = await store.read(lambda c: rollup.read(c, [ANA], later(minutes=130)))
        assert [(hour.at, hour.spent) for hour in hours if hour.at >= later(hours=1)][-1:] == [
            (later(hours=2), dollars("70"))
        ]
        assert len(hours) <= 2
        await rolled_up(store, later(hours=9))


async def test_what_is_forgotten_leaves_no_hours(store: Store) -> None:
    await write(store, Batch(samples=[sample(0, "1"), sample(70, "4")]))
    await rolled_up(store, later(hours=9))
    with store._writer.begin() as connection:
        connection.exec_driver_sql("DELETE FROM counters")
    assert await store.read(lambda c: rollup.read(c, [ANA], LONG_AGO)) == []
