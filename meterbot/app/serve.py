"""Runs the bot until a signal ends it, and starts it again when a signal asks for that."""

import asyncio
import gc
import signal
from collections.abc import Callable

from meterbot.app.build import assembled
from meterbot.app.config import Config, ConfigError
from meterbot.app.run import TICK_SECONDS
from meterbot.core.clock import Clock, SystemClock
from meterbot.core.log import get_logger

log = get_logger(__name__)


async def serve(
    config: Config,
    clock: Clock | None = None,
    tick_seconds: float = TICK_SECONDS,
    *,
    reload: Callable[[], Config] | None = None,
) -> None:
    """Runs the bot until SIGTERM or SIGINT. After SIGHUP it runs with the configuration that `reload` returns.

    Raises `StartError`.
    """
    following: Config | None = config
    while following is not None:
        turn = _Turn(reload)
        await turn.serve(following, clock or SystemClock(), tick_seconds)
        following = turn.following


class _Turn:
    """One run of the bot with one configuration; `following` is that of the next run."""

    def __init__(self, reload: Callable[[], Config] | None) -> None:
        self._reload = reload
        self._stop = asyncio.Event()
        self.following: Config | None = None

    async def serve(self, config: Config, clock: Clock, tick_seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in a task
        # Connecting to a platform that hangs may take long, so a signal cancels that.
        _handle((signal.SIGTERM, signal.SIGINT), task.cancel)
        _handle(_HANGUP, self._hang_up)
        try:
            async with assembled(config, clock, on_quit=self._end) as bot:
                _handle((signal.SIGTERM, signal.SIGINT), self._end)
                spare_garbage()
                await bot.run(self._stop, tick_seconds)
        except asyncio.CancelledError:
            log.info("stopped while starting")
            self.following = None

    def _end(self) -> None:
        self.following = None
        self._stop.set()

    def _hang_up(self) -> None:
        if self._reload is None:
            log.warning("SIGHUP is ignored: the configuration is only read at the start")
            return
        try:
            self.following = self._reload()
        except ConfigError as error:
            problems = [str(problem) for problem in error.problems]
            log.warning("the new configuration has mistakes, meterbot keeps the old one", problems=problems)
            return
        log.info("reloading the configuration")
        self._stop.set()


_HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()  # Windows has none


def _handle(numbers: tuple[signal.Signals, ...], handler: Callable[[], object]) -> None:
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, handler)


def spare_garbage() -> None:
    """Excludes everything that exists now from garbage collection, and makes later collections rare: most new
    objects are stored knowledge about the seats. A collection stops all threads, so the middle one is of few
    objects."""
    gc.freeze()
    gc.set_threshold(10_000, 4, 500)
    gc.enable()
