"""The periodic jobs, on a clock that is set while they run."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import nullcontext as does_not_raise
from datetime import UTC, datetime, timedelta, tzinfo

import apscheduler.schedulers.base
import pytest
from structlog.testing import capture_logs

from meterbot.app import jobs, log_setup
from meterbot.app.jobs import PeriodicJobs

DAY = timedelta(days=1)


class Machine(datetime):
    """The machine's clock, with what it was set by."""

    moved = timedelta(0)

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "datetime":  # type: ignore[override]
        return datetime.now(tz) + cls.moved


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Machine]]:
    monkeypatch.setattr(apscheduler.schedulers.base, "datetime", Machine)
    monkeypatch.setattr(jobs, "datetime", Machine)
    yield Machine
    Machine.moved = timedelta(0)


class Work:
    """A job that says when it ran, and lasts until it may end."""

    def __init__(self) -> None:
        self.runs = 0
        self.at_once = self.most_at_once = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self._ran = asyncio.Condition()

    async def job(self) -> None:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self._ran:
            self._ran.notify_all()
        try:
            await self.may_end.wait()
        finally:
            self.at_once -= 1

    async def until(self, runs: int) -> None:
        async with asyncio.timeout(5), self._ran:
            await self._ran.wait_for(lambda: self.runs >= runs)


@pytest.fixture
def logged() -> io.StringIO:
    """What the bot's log says, of libraries, too."""
    stream = io.StringIO()
    log_setup.set_up(stream)
    return stream


@pytest.mark.parametrize("moved", [-DAY, -10_000 * DAY, DAY, 10_000 * DAY])
async def test_a_job_goes_on_when_the_clock_is_set(machine: type[Machine], moved: timedelta) -> None:
    work, periodic = Work(), PeriodicJobs()
    periodic.add(work.job, 0.02)
    periodic.start(0.05)
    await work.until(2)
    machine.moved = moved
    await work.until(work.runs + 5)
    await periodic.stop()
    assert (work.at_once, work.most_at_once) == (0, 1)


async def test_a_clock_that_is_set_forward_makes_a_job_run_once_for_all_that_it_missed(
    machine: type[Machine],
) -> None:
    work, often, periodic = Work(), Work(), PeriodicJobs()
    periodic.add(work.job, 3600)
    periodic.add(often.job, 0.02)
    periodic.start(0.05)
    machine.moved = DAY
    await work.until(1)
    await often.until(often.runs + 5)
    await periodic.stop()
    assert work.runs == 1


async def test_two_runs_of_a_job_never_overlap_and_nothing_is_logged(logged: io.StringIO) -> None:
    slow, other, periodic = Work(), Work(), PeriodicJobs()
    slow.may_end.clear()
    periodic.add(slow.job, 0.02)
    periodic.add(other.job, 0.02)
    periodic.start(0.05)
    await slow.until(1)
    await other.until(10)
    assert slow.runs == 1
    slow.may_end.set()
    await slow.until(3)
    await periodic.stop()
    assert (slow.most_at_once, logged.getvalue()) == (1, "")


async def test_a_failing_job_is_logged_once_and_runs_again() -> None:
    work, periodic = Work(), PeriodicJobs()

    async def job() -> None:
        await work.job()
        if work.runs in {1, 2, 4}:
            raise OSError("away")

    periodic.add(job, 0.02)
    with capture_logs() as logs:
        periodic.start(1)
        await work.until(6)
        await periodic.stop()
    begin_and_end = ["a job fails, it will be tried again", "a job works again"]
    assert [one["event"] for one in logs] == begin_and_end * 2


async def test_the_end_waits_for_the_run_that_it_cancels(logged: io.StringIO) -> None:
    begun, ended, periodic = asyncio.Event(), [], PeriodicJobs()

    async def job() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(datetime.now(UTC))

    periodic.add(job, 0.01)
    periodic.start(1)
    await begun.wait()
    await periodic.stop()
    assert (len(ended), logged.getvalue()) == (1, "")


async def test_jobs_that_never_started_can_be_stopped() -> None:
    with does_not_raise():
        await PeriodicJobs().stop()
