"""Reports the bot's health to systemd, the log and a dead man's switch."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import aiohttp

from meterbot.app.health import BotHealth
from meterbot.app.systemd import Systemd
from meterbot.core.log import get_logger
from meterbot.core.models import Health, SourceState

PING_EVERY = timedelta(minutes=1)
_PING_SECONDS = 10.0
_WELL = {Health.OK, Health.NEVER_SEEN}  # that nothing has come yet is no failure

log = get_logger(__name__)


class DeadMansSwitch:
    """An address that is asked while all is well: whoever is there raises the alarm when the asking stops.

    The address is a secret: who knows it can keep the alarm silent.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._asked_at: datetime | None = None
        self._failing = False

    async def tell(self, now: datetime) -> None:
        """Asks, unless it was asked a moment ago. A failure is logged when it begins and when it ends."""
        if self._asked_at is not None and timedelta(0) <= now - self._asked_at < PING_EVERY:
            return
        self._asked_at = now
        trouble = await self._ask()
        if trouble and not self._failing:
            log.warning("the dead man's switch cannot be told that all is well", why=trouble)
        elif self._failing and not trouble:
            log.info("the dead man's switch is told again that all is well")
        self._failing = bool(trouble)

    async def _ask(self) -> str | None:
        """What went wrong; None when nothing did."""
        timeout = aiohttp.ClientTimeout(total=_PING_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._url, allow_redirects=False) as response,
            ):
                return None if response.ok and response.status < 300 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return type(error).__name__  # its text may have the address in it


class Watchdog:
    """Reports each health that it is given."""

    def __init__(self, systemd: Systemd, dead_man: DeadMansSwitch | None = None) -> None:
        self._systemd = systemd
        self._dead_man = dead_man
        self._problems: list[str] = []
        self._unwell: dict[str, SourceState] = {}

    def started(self) -> None:
        self._systemd.ready()

    def stopping(self) -> None:
        self._systemd.stopping()

    async def report(self, health: BotHealth) -> None:
        """systemd restarts the bot when its watchdog gets no word; the dead man's switch raises the alarm."""
        problems = health.problems()
        if not health.stuck:
            self._systemd.alive()
        self._systemd.status(health.summary())
        self._log_readiness(problems)
        if health.database:
            self._log_seats(health.seats, health.now)
        if self._dead_man is not None and not problems:
            await self._dead_man.tell(health.now)

    def _log_readiness(self, problems: list[str]) -> None:
        if problems and not self._problems:
            log.warning("not ready", problems=problems)
        elif self._problems and not problems:
            log.info("ready again")
        self._problems = problems

    def _log_seats(self, seats: Mapping[str, SourceState], now: datetime) -> None:
        unwell = {name: state for name, state in seats.items() if state.health not in _WELL}
        for name, state in unwell.items():
            if name not in self._unwell:
                log.warning(
                    "a seat cannot be read", seat=name, health=state.health.value, detail=state.detail
                )
        for name in self._unwell.keys() - unwell.keys():
            if name in seats:
                since = self._unwell[name].since
                seconds = None if since is None else round((now - since).total_seconds())
                log.info("a seat can be read again", seat=name, after_seconds=seconds)
        self._unwell = unwell
