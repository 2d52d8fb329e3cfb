"""Old history becomes coarse, and what was spent stays what it was."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from meterbot.core.models import Sample
from meterbot.core.money import Money
from meterbot.rules.increases import spend_between
from meterbot.store import Batch, Store, history, thinning
from meterbot.store.thinning import ThinningSpan, superfluous
from tests.properties import examples
from tests.store.examples import (
    ANA,
    BO,
    dollars,
    emptied,
    sample,
    write,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 1, 30, 20, tzinfo=UTC)
END = START + timedelta(days=400)


def point(at: datetime, used: str, *, cap: str = "50", blocked: bool = False) -> Sample:
    return Sample(at, ANA, dollars(used), dollars(cap), blocked)


def at(hour: float, used: str, *, cap: str = "50", blocked: bool = False) -> Sample:
    return point(datetime(2026, 2, 3, tzinfo=UTC) + hour * HOUR, used, cap=cap, blocked=blocked)


def left(samples: list[Sample], step: timedelta = HOUR) -> list[Sample]:
    gone = superfluous(None, samples, step)
    return [one for one in samples if one not in gone]


@given(st.dictionaries(st.integers(1, 500), st.integers(1, 3000)))
def test_a_day_is_worked_on_in_pieces_of_few_samples(samples: dict[int, int]) -> None:
    parts = list(ThinningSpan(START, samples).parts)
    assert [counter for part in parts for counter in part] == list(samples)
    assert all(sum(samples[counter] for counter in part) <= 2000 or len(part) == 1 for part in parts)
    assert all(len(part) <= 10 for part in parts)
    for part, after in pairwise(parts):
        held = sum(samples[counter] for counter in [*part, after[0]])
        assert held > 2000 or len(part) == 10, "no more pieces than it takes"


def test_of_a_rise_the_last_sample_of_every_hour_stays() -> None:
    samples = [at(9, "1"), at(9.2, "2"), at(9.4, "3"), at(9.9, "4"), at(10.1, "5"), at(10.9, "6")]
    assert left(samples) == [samples[0], samples[3], samples[5]]


def test_of_a_rise_the_last_sample_of_every_day_stays() -> None:
    samples = [at(9, "1"), at(15, "2"), at(23.9, "3"), at(25, "4"), at(30, "5")]
    assert left(samples, DAY) == [samples[0], samples[2], samples[4]]


def test_both_ends_of_a_fall_stay() -> None:
    samples = [at(8, "0"), at(9.1, "7"), at(9.2, "8"), at(9.3, "2"), at(9.4, "3"), at(9.5, "4")]
    assert left(samples) == [samples[0], samples[2], samples[3], samples[5]]


def test_both_ends_of_a_block_and_of_a_cap_stay() -> None:
    samples = [
        at(8, "0"),
        at(9.1, "1"),
        at(9.2, "2", blocked=True),
        at(9.3, "3", blocked=True),
        at(9.4, "4"),
        at(9.5, "5", cap="60"),
        at(9.6, "6", cap="60"),
        at(9.7, "7", cap="60"),
    ]
    assert left(samples) == [one for one in samples if one is not samples[6]]


def test_both_ends_of_a_month_stay() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    samples = [
        point(midnight + minutes * timedelta(minutes=1), str(10 + minutes)) for minutes in (-90, -1, 1, 9, 50)
    ]
    assert left(samples) == [samples[0], samples[1], samples[2], samples[4]]


_pauses = st.sampled_from([timedelta(minutes=1), timedelta(minutes=20), 5 * HOUR, 20 * HOUR, 12 * DAY])
_steps = st.tuples(
    _pauses, st.sampled_from(["+1", "+1", "+7", "+0.001", "=", "0", "3", "EUR"]), st.booleans()
)


def life(steps: list[tuple[timedelta, str, bool]]) -> list[Sample]:
    """Readings of one counter: rises, rests, falls, other currencies, over months."""
    now, used, samples = START, dollars("5"), []
    for pause, what, blocked in steps:
        now += pause
        if what == "EUR":
            used = Money(used.minor, "EUR" if used.currency == "USD" else "USD", 2)
        elif what.startswith("+"):
            used = Money(used.minor + Decimal(what) * 100, used.currency, 2)
        elif what != "=":
            used = Money(Decimal(what) * 100, used.currency, 2)
        samples.append(Sample(now, ANA, used, dollars("50"), blocked))
    return samples


async def thinned_once(store: Store, before: datetime, step: timedelta) -> bool:
    span = await store.read(lambda c: thinning.next_span(c, before, step))
    if span is None:
        return False
    for counters in span.parts:
        await store.run(partial(thinning.thin, span=span, counters=counters, step=step))
    await store.run(lambda c: thinning.remember(c, span, step))
    return True


async def thinned(store: Store, before: datetime) -> None:
    for step in (HOUR, DAY):
        while await thinned_once(store, before, step):
            pass


@given(steps=st.lists(_steps, min_size=2, max_size=25))
def test_the_spend_between_two_samples_that_stay_is_what_it_was(
    steps: list[tuple[timedelta, str, bool]],
) -> None:
    full = life(steps)
    kept = left(left(full), DAY)
    assert kept[-1] == full[-1]
    for one, other in combinations(kept, 2):
        assert spend_between(kept, one.at, other.at) == spend_between(full, one.at, other.at)


@given(steps=st.lists(_steps, min_size=2, max_size=25))
def test_no_final_amount_of_a_period_goes(steps: list[tuple[timedelta, str, bool]]) -> None:
    full = life(steps)
    kept = left(left(full), DAY)
    for one, after in pairwise(full):
        if after.used.minor < one.used.minor or after.at.month != one.at.month:
            assert one in kept


@examples(5)
@given(steps=st.lists(_steps, min_size=10, max_size=25), days=st.integers(0, 200))
async def test_a_database_keeps_the_spend_between_two_samples_that_stay(
    store: Store, steps: list[tuple[timedelta, str, bool]], days: int
) -> None:
    await emptied(store)
    await write(store, Batch(samples=life(steps)))
    full = await store.read(lambda c: history.read(c, [ANA], START))
    await thinned(store, START + days * DAY)
    kept = await store.read(lambda c: history.read(c, [ANA], START))
    assert set(kept) <= set(full)
    assert kept[-1] == full[-1]
    for one, other in combinations(kept, 2):
        assert spend_between(kept, one.at, other.at) == spend_between(full, one.at, other.at)


async def test_a_day_that_is_not_over_yet_is_left_alone(store: Store) -> None:
    samples = [at(9.1, "1"), at(9.2, "2"), at(9.3, "3"), at(9.4, "4")]
    await write(store, Batch(samples=samples))
    await thinned(store, at(23.9, "5").at)
    assert await store.read(lambda c: history.read(c, [ANA], START)) == samples


async def test_thinning_goes_on_where_it_stopped(store: Store) -> None:
    samples = [
        at(hour + minute / 60, str(hour + minute / 100)) for hour in (9, 33, 90) for minute in range(9)
    ]
    await write(store, Batch(samples=samples))
    for left_of_it in (len(samples) - 7, len(samples) - 15, 4):  # the first of all stays, too
        assert await thinned_once(store, END, HOUR)
        assert len(await store.read(lambda c: history.read(c, [ANA], START))) == left_of_it
    assert not await thinned_once(store, END, HOUR)


async def test_every_counter_is_thinned_by_itself(store: Store) -> None:
    both = [sample(minute, str(minute), counter) for minute in range(50) for counter in (ANA, BO)]
    await write(store, Batch(samples=both))
    await thinned(store, END)
    for counter in (ANA, BO):
        assert [one.used for one in await store.read(lambda c: history.read(c, [counter], START))] == [
            dollars("0"),
            dollars("49"),
        ]


async def test_a_reading_after_the_thinning_joins_the_history(store: Store) -> None:
    await write(store, Batch(samples=[sample(minute, str(minute)) for minute in range(50)]))
    await thinned(store, END)
    await write(store, Batch(samples=[sample(minute, str(minute)) for minute in (60, 61)]))
    used = [one.used for one in await store.read(lambda c: history.read(c, [ANA], START))]
    assert used == [dollars(amount) for amount in ("0", "49", "60", "61")]


@pytest.mark.databases("sqlite")  # PostgreSQL has its autovacuum
async def test_the_file_levels_off(store: Store) -> None:
    """New samples use the pages of deleted ones, so no vacuum is needed."""
    sizes = []
    for week in range(8):
        samples = [sample(week * 10_080 + minute, str(minute)) for minute in range(0, 10_080, 30)]
        await write(store, Batch(samples=samples))
        await thinned(store, samples[0].at - 2 * 7 * DAY)
        with store.engine.connect() as connection:
            sizes.append(connection.scalar(text("SELECT page_count FROM pragma_page_count")))
    assert sizes[-1] <= sizes[3] * 1.25, sizes
