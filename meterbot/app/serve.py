"""Runs the bot until a signal ends it, and starts it again when a signal asks for that."""

import asyncio
import errno
import gc
import signal
from collections.abc import Callable

from meterbot.app.build import assembled
from meterbot.app.config import Config, ConfigError
from meterbot.app.listening import cannot_listen, try_to_listen
from meterbot.app.run import TICK_SECONDS
from meterbot.core.clock import Clock, SystemClock
from meterbot.core.errors import StartError
from meterbot.core.log import get_logger
from meterbot.store.database import database_explained, try_another

log = get_logger(__name__)


async def serve(
    config: Config,
    clock: Clock | None = None,
    tick_seconds: float = TICK_SECONDS,
    *,
    reload: Callable[[], Config] | None = None,
) -> None:
    """Runs the bot until SIGTERM or SIGINT. After SIGHUP it runs with the configuration that `reload` returns, if
    its database and its addresses can be used.

    Raises `StartError`.
    """
    following: Config | None = config
    while following is not None:
        turn = _Turn(following, reload)
        await turn.serve(clock or SystemClock(), tick_seconds)
        following = turn.following


class _Turn:
    """One run of the bot with one configuration; `following` is that of the next run."""

    def __init__(self, config: Config, reload: Callable[[], Config] | None) -> None:
        self._config = config
        self._reload = reload
        self._stop = asyncio.Event()
        self.following: Config | None = None
        self._trial: asyncio.Task[None] | None = None

    async def serve(self, clock: Clock, tick_seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs is in a task
        # Connecting to a platform that hangs may take long, so a signal cancels that.
        _handle((signal.SIGTERM, signal.SIGINT), task.cancel)
        _handle(_HANGUP, self._hang_up)
        try:
            with database_explained(self._config.database_url.get_secret_value()):
                async with assembled(self._config, clock, on_quit=self._end) as bot:
                    _handle((signal.SIGTERM, signal.SIGINT), self._end)
                    spare_garbage()
                    await bot.run(self._stop, tick_seconds)
        except asyncio.CancelledError:
            log.info("stopped while starting")
            self.following = None
        finally:
            self._end_trial()

    def _end(self) -> None:
        self._end_trial()
        self.following = None
        self._stop.set()

    def _hang_up(self) -> None:
        if self._reload is None:
            log.warning("SIGHUP is ignored: the configuration is only read at the start")
            return
        try:
            config = self._reload()
        except ConfigError as error:
            problems = [str(problem) for problem in error.problems]
            log.warning(
                "the new configuration has mistakes; meterbot keeps running with the old one. Fix them and send SIGHUP again",
                problems=problems,
            )
            return
        self._end_trial()  # the newest configuration counts
        self._trial = asyncio.create_task(self._change_to(config))

    async def _change_to(self, config: Config) -> None:
        try:
            await _try_changes(self._config, config)
        except StartError as error:
            log.warning(
                "the new configuration cannot be used; meterbot keeps running with the old one. Fix it and send SIGHUP again",
                why=str(error),
            )
            return
        log.info("reloading the configuration")
        self.following = config
        self._stop.set()

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()


async def _try_changes(old: Config, new: Config) -> None:
    """Opens the new database, and listens at the new addresses for a moment, while the bot still runs with the old
    ones. Raises `StartError`."""
    await try_another(new.database_url.get_secret_value(), old.database_url.get_secret_value())
    own_ports = {address.port for address in old.http.addresses} if old.http else set()
    for address in new.http.addresses if new.http else ():
        try:
            await try_to_listen(*address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or address.port not in own_ports:
                raise cannot_listen([address], error) from None


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
