"""A short version of what `make bench` measures: counts, and a ratio with a margin of 15 percent.

`tests/app/test_costs.py` counts requests, statements, transactions and TLS contexts. Measurements that take minutes, or
vary on a busy machine, are only in `make bench`: thousands of seats, several workers, the start, a year of history.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from qa.benchmarks import measure, store, upstream, whole

_MARGIN = 1.15


def test_a_reading_costs_at_most_half_of_the_bare_requests_of_a_stock_httpx() -> None:
    # A process of its own, because CPU time is counted for a process: what pytest does meanwhile is not in it.
    command = [sys.executable, "-m", "qa.benchmarks.poll", "--short"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=50)  # noqa: S603 - our own
    assert float(done.stdout) <= 0.5 * _MARGIN


def test_the_figures_of_a_whole_bot_arrive_although_its_process_buffers_what_it_prints(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    with upstream.running(0.0) as served:
        found = whole.run(2, 1.0, served.url, interval=1.0)
    assert found["seats"] == 2
    assert found["readings"] > 0


async def test_the_log_of_a_sample_takes_at_most_a_hundred_bytes(tmp_path: Path) -> None:
    line = await store.logged(tmp_path, store.counters(store.SEATS), ticks=12)
    assert line.value <= 100


def test_a_goal_that_is_missed_says_so() -> None:
    missed = measure.Line("what", "≤ 1 ×", "", "", "", 1.2, 1.0)
    assert "| NO" in measure.table([missed])
