from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.rate_limit import RateLimiter

NOW = datetime(2026, 4, 30, 10, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_so_many_at_once_and_then_one_at_a_time() -> None:
    limiter = RateLimiter(burst=3, seconds=10)
    assert [limiter.wait("bo", NOW) for _ in range(4)] == [0.0, 0.0, 0.0, 10.0]
    assert limiter.wait("bo", after(9)) == 1.0
    assert limiter.wait("bo", after(10)) == 0.0
    assert limiter.wait("bo", after(10)) == 10.0


def test_everybody_has_a_limit_of_their_own() -> None:
    limiter = RateLimiter(burst=1, seconds=10)
    assert limiter.wait("bo", NOW) == 0.0
    assert limiter.wait("ana", NOW) == 0.0


def test_to_look_is_not_counted() -> None:
    limiter = RateLimiter(burst=1, seconds=10)
    assert [limiter.blocked("bo", NOW) for _ in range(5)] == [0.0] * 5
    limiter.wait("bo", NOW)
    assert limiter.blocked("bo", NOW) == 10.0


def test_quiet_times_save_up_no_more_than_the_burst() -> None:
    limiter = RateLimiter(burst=2, seconds=10)
    limiter.wait("bo", NOW)
    assert [limiter.wait("bo", after(1000)) > 0 for _ in range(3)] == [False, False, True]


def test_of_too_many_keys_the_quietest_is_forgiven() -> None:
    limiter = RateLimiter(burst=1, seconds=10, keys=2)
    for key in ("a", "b", "c"):
        assert limiter.wait(key, NOW) == 0.0
    assert limiter.wait("c", NOW) > 0
    assert limiter.wait("b", NOW) > 0
    assert limiter.wait("a", NOW) == 0.0
    assert len(limiter._free_at) == 2


@given(
    st.integers(1, 5),
    st.integers(1, 20),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=60),
)
def test_no_stretch_of_time_sees_more_than_its_share(
    burst: int, seconds: int, asked: list[tuple[str, int]]
) -> None:
    limiter, clock, done = RateLimiter(burst, seconds), 0, list[tuple[str, int]]()
    for key, pause in asked:
        clock += pause
        wait = limiter.wait(key, after(clock))
        if wait == 0.0:
            done.append((key, clock))
        else:
            assert limiter.blocked(key, after(clock + wait)) == 0.0
    for place, (key, start) in enumerate(done):
        for reach, (_, end) in enumerate(done[place:], place):
            number = sum(other == key for other, _ in done[place : reach + 1])
            assert number <= burst + (end - start) // seconds


def test_a_clock_that_is_set_back_locks_nobody_out() -> None:
    limiter = RateLimiter(burst=2, seconds=10)
    assert [limiter.wait("bo", after(86_400)) for _ in range(3)] == [0.0, 0.0, 10.0]
    assert limiter.blocked("bo", NOW) == 0.0
    assert [limiter.wait("bo", NOW) for _ in range(3)] == [0.0, 0.0, 10.0]
