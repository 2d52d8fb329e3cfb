"""A short version of what `make bench` measures: counts, and the ratio that does not jitter, with 15 per cent to spare.

`tests/test_costs.py` counts requests, statements, transactions and TLS contexts. What is left out takes minutes or jitters
on a machine that does other things besides: ten thousand seats, several workers, the start, PostgreSQL beside COPY, the
store beside `executemany`, an answer with a year behind it, and a reading beside the floor.
"""

from pathlib import Path

from qa.benchmarks import measure, poll, store, upstream

_MARGIN = 1.15


async def test_a_reading_costs_at_most_two_fifths_of_the_bare_requests_of_a_stock_httpx() -> None:
    with upstream.running() as served:
        costs = await poll.costs(served, 8, 2, share=0.15)
    assert measure.ratio(costs["ours"], costs["httpx"]) <= 0.4 * _MARGIN


async def test_the_log_of_a_sample_takes_at_most_a_hundred_bytes(tmp_path: Path) -> None:
    line = await store.logged(tmp_path, store.counters(store.SEATS), ticks=12)
    assert line.value <= 100


def test_a_goal_that_is_missed_says_so() -> None:
    missed = measure.Line("what", "≤ 1 ×", "", "", "", 1.2, 1.0)
    assert "| NO" in measure.table([missed])
