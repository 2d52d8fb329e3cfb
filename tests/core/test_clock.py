from datetime import UTC, datetime, timedelta

from meterbot.core.clock import Clock, FastClock, ManualClock, SystemClock

START = datetime(2026, 4, 1, tzinfo=UTC)


def test_the_system_clock_tells_the_machines_time_in_utc() -> None:
    clock: Clock = SystemClock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.speed == 1


def test_a_fast_clock_starts_where_it_is_told_and_runs_so_many_times_as_fast() -> None:
    clock, real = FastClock(START, 10_000), SystemClock()
    began, first = real.now(), clock.now()
    while (passed := clock.now() - first) < timedelta(minutes=10):
        pass
    took = real.now() - began
    assert first >= START
    assert passed <= took * clock.speed * 1.5 + timedelta(minutes=1)
    assert first.utcoffset() == timedelta(0)


def test_a_fast_clock_never_goes_back() -> None:
    clock = FastClock(START, 1_000_000)
    seen = [clock.now() for _ in range(1000)]
    assert seen == sorted(seen)


def test_a_fast_clock_that_is_held_does_not_run_until_it_begins() -> None:
    clock = FastClock(START, 1_000_000, held=True)
    assert clock.now() == clock.now() == START
    clock.begin()
    while clock.now() == START:
        pass


def test_a_manual_clock_does_not_run_until_told() -> None:
    clock = ManualClock(START)
    assert clock.now() == clock.now() == START
    assert clock.advance(timedelta(hours=1)) == clock.now() == START + timedelta(hours=1)
    clock.set(START)
    assert (clock.now(), clock.speed) == (START, 0)
