"""A short version of what `make bench` measures: counts, and the ratio that does not jitter, with 15 per cent to spare.

`tests/test_costs.py` counts requests, statements, transactions and TLS contexts. What is left out takes minutes or jitters
on a machine that does other things besides: ten thousand seats, several workers, the start, PostgreSQL beside COPY, the
store beside `executemany`, an answer with a year behind it, and a reading beside the floor.
"""

from pathlib import Path

from benchmarks import measure, poll, store, upstream
from tests.docs.pages import README, ROOT

_MARGIN = 1.15


async def test_a_reading_costs_at_most_two_fifths_of_the_bare_requests_of_a_stock_httpx() -> None:
    with upstream.running() as served:
        costs = await poll.costs(served, 8, 2, share=0.15)
    assert measure.ratio(costs["ours"], costs["httpx"]) <= 0.4 * _MARGIN


async def test_the_log_of_a_sample_takes_at_most_a_hundred_bytes(tmp_path: Path) -> None:
    line = await store.logged(tmp_path, store.counters(store.SEATS), ticks=12)
    assert line.value <= 100


def test_the_readme_quotes_what_was_printed() -> None:
    page = (ROOT / "docs/performance.md").read_text("utf-8")
    printed = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:1] == "|"
    ]
    measured = {cells[0]: cells[5] for cells in printed if len(cells) == 7}
    for what in ("the same beside stock httpx", "the whole tick with rules and store, beside stock httpx"):
        assert measured[what] in README


def test_a_goal_that_is_missed_says_so() -> None:
    missed = measure.Line("what", "≤ 1 ×", "", "", "", 1.2, 1.0)
    assert "| NO" in measure.table([missed])
