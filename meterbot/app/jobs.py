"""Periodic jobs: apscheduler starts each at its interval, one run at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from meterbot.core.log import LoggedState, get_logger

Job = Callable[[], Awaitable[None]]

log = get_logger(__name__)


class PeriodicJobs:
    """Jobs that run until `stop`. The machine's clock may be set in either direction meanwhile.

    apscheduler waits for an instant of that clock. Where the clock was set back by a day, that instant is a day away,
    so a check by the event loop's time moves it.
    """

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._check: asyncio.Task[None] | None = None
        self._runs: set[asyncio.Task[Any]] = set()
        self._failing: dict[str, LoggedState] = {}

    def add(self, job: Job, seconds: float) -> None:
        """Runs `job` every so many seconds. It is named after its function in the log."""
        every = _Every(timedelta(seconds=seconds))
        # Without this, apscheduler skips a run that starts more than a second late.
        self._scheduler.add_job(self._run, every, [job], name=_name(job), misfire_grace_time=None)

    def start(self, check_seconds: float) -> None:
        """`check_seconds`: the longest time for which no job runs after the clock was set back."""
        self._scheduler.start()
        self._check = asyncio.create_task(self._check_clock(check_seconds), name="check of the clock")

    async def stop(self) -> None:
        """Cancels the runs under way and waits until they have ended."""
        if self._check is None:
            return
        self._check.cancel()
        self._scheduler.pause()
        await asyncio.gather(self._check, return_exceptions=True)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        self._scheduler.shutdown(wait=False)

    async def attempt(self, job: Job) -> None:
        """Runs a job once. A failure is logged when it begins and when it ends; the job runs again at its next turn."""
        name = _name(job)
        if name not in self._failing:
            began, ended = "a job fails, it will be tried again", "a job works again"
            self._failing[name] = LoggedState(log, began, ended, job=name)
        try:
            await job()
        except Exception as error:  # noqa: BLE001 - logged
            self._failing[name].begins(error)
        else:
            self._failing[name].ends()

    async def _run(self, job: Job) -> None:
        run = asyncio.current_task()
        assert run is not None  # noqa: S101 - a coroutine that runs is in a task
        self._runs.add(run)
        try:
            await self.attempt(job)
        except asyncio.CancelledError:
            return  # by `stop`; apscheduler would log it as an error
        finally:
            self._runs.discard(run)

    async def _check_clock(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            for job in self._scheduler.get_jobs():
                soonest = datetime.now(UTC) + job.trigger.interval
                if job.next_run_time > soonest:
                    job.modify(next_run_time=soonest)


class _Every(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """The time from each start of a job to the next. After the clock was set forward, one run replaces all
    missed ones."""

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime:
        return now + self.interval


def _name(job: Job) -> str:
    return getattr(job, "__name__", "job")
