"""Runs the bot until a signal ends it, and starts it again when a signal asks for that."""

import asyncio
import errno
import gc
import signal
from collections.abc import Callable, Collection

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
    await _Server(config, reload).serve(clock or SystemClock(), tick_seconds)


class _Server:
    """Runs the bot with one configuration after another.

    After SIGHUP, a trial finds out whether the new configuration can be used, while the bot goes on. If it can, the run
    ends, even one that is still starting, and the next begins. Only the newest trial counts; it outlives the end of a
    run, so nothing is lost that comes while the bot stops. SIGTERM ends the trial and the run, whatever they wait for.
    """

    def __init__(self, config: Config, reload: Callable[[], Config] | None) -> None:
        self._current = config
        self._next: Config | None = config
        """The configuration of the next run."""
        self._reload = reload
        self._run: asyncio.Task[None] | None = None
        self._starting = False
        self._stop = asyncio.Event()
        self._trial: asyncio.Task[None] | None = None
        self._ended = False

    async def serve(self, clock: Clock, tick_seconds: float) -> None:
        _handle((signal.SIGTERM, signal.SIGINT), self._end)
        _handle(_HANGUP, self._hang_up)
        try:
            while (config := self._next) is not None:
                try:
                    await self._begin(config, clock, tick_seconds)
                except asyncio.CancelledError:
                    if self._next is None:
                        log.info("stopped while starting")
                except StartError as error:
                    await self._trial_ended()
                    if self._next is None:
                        raise
                    log.warning("the bot ended, and begins again with the new configuration", why=str(error))
        finally:
            self._end()

    def _begin(self, config: Config, clock: Clock, tick_seconds: float) -> asyncio.Task[None]:
        self._current, self._next = config, None
        self._stop, self._starting = asyncio.Event(), True
        self._run = asyncio.create_task(self._run_once(clock, tick_seconds))
        return self._run

    async def _run_once(self, clock: Clock, tick_seconds: float) -> None:
        with database_explained(self._current.database_url.get_secret_value()):
            async with assembled(self._current, clock, on_quit=self._end) as bot:
                self._starting = False
                spare_garbage()
                await bot.run(self._stop, tick_seconds)

    def _end(self) -> None:
        self._ended, self._next = True, None
        self._end_trial()
        self._end_run()

    def _end_run(self) -> None:
        self._stop.set()
        if self._starting and self._run is not None:
            self._run.cancel()  # connecting to a platform that hangs may take long

    def _hang_up(self) -> None:
        if self._reload is None:
            log.warning("SIGHUP is ignored: the configuration is only read at the start")
        elif self._ended:
            log.info("SIGHUP is ignored: the bot is stopping")
        else:
            self._end_trial()  # the newest configuration counts
            self._trial = asyncio.create_task(self._try(self._reload))

    def _end_trial(self) -> None:
        if self._trial is not None:
            self._trial.cancel()

    async def _trial_ended(self) -> None:
        while self._trial is not None and not self._trial.done():
            await asyncio.wait([self._trial])

    async def _try(self, reload: Callable[[], Config]) -> None:
        try:
            config = reload()
            await _try_changes([self._current, *([self._next] if self._next else [])], config)
        except ConfigError as error:
            problems = [str(problem) for problem in error.problems]
            log.warning(
                "the new configuration has mistakes; meterbot keeps running with the old one. Fix them and send SIGHUP again",
                problems=problems,
            )
        except StartError as error:
            log.warning(_UNUSABLE, why=str(error))
        except Exception:
            log.exception(_UNUSABLE)
        else:
            log.info("reloading the configuration")
            self._next = config
            self._end_run()


async def _try_changes(old: Collection[Config], new: Config) -> None:
    """Listens at the new addresses for a moment, and then opens the new database, which may create or upgrade it, while
    the bot runs with the old ones. Raises `StartError`."""
    own_ports = {address.port for each in old if each.http for address in each.http.addresses}
    for address in new.http.addresses if new.http else ():
        try:
            await try_to_listen(*address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or address.port not in own_ports:
                raise cannot_listen([address], error) from None
    own_databases = [each.database_url.get_secret_value() for each in old]
    await try_another(new.database_url.get_secret_value(), own_databases)


_UNUSABLE = "the new configuration cannot be used; meterbot keeps running with the old one. Fix it and send SIGHUP again"
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
