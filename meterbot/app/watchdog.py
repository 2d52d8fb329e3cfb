"""Reports the bot's health to systemd, the log and a dead man's switch."""

import asyncio
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta

from meterbot.app.health import BotHealth
from meterbot.core import secret
from meterbot.core.log import get_logger
from meterbot.core.models import Health, SourceState
from meterbot.sources.http_client import HttpClient
from meterbot.sources.responses import SourceError

PING_EVERY = timedelta(minutes=1)
_PING_SECONDS = 10.0
_WELL = {Health.OK, Health.NEVER_SEEN}  # no push yet is no failure

log = get_logger(__name__)


class Systemd:
    """Tells systemd, or another service manager, how the bot is, by the protocol of sd_notify(3). Sends one datagram
    per word, and never waits. Without a socket in the environment it sends nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._status = ""
        self._failing = False

    def ready(self) -> None:
        """The bot works from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """Resets the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; the same line is not sent twice."""
        line = secret.hide(" ".join(text.split()))
        if line != self._status:
            self._send(f"STATUS={line}")
            self._status = line

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, word: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(word.encode(), self._address)
        except OSError as error:
            if not self._failing:
                log.warning("the bot's state cannot be reported to systemd", why=error.strerror or str(error))
            self._failing = True
        else:
            self._failing = False


def _address(written: str) -> str | None:
    """The address of a socket in the file system, or of an abstract one, which is written with an @. Other kinds
    cannot be reached."""
    if written.startswith("@"):
        return "\0" + written[1:]
    if written and not written.startswith("/"):
        log.warning("NOTIFY_SOCKET is not understood: the bot's state is not reported to systemd")
    return written if written.startswith("/") else None


class DeadMansSwitch:
    """An address that meterbot requests while all is well: the service there raises the alarm when the requests stop.
    The address is a secret, because anybody who knows it can keep the alarm silent."""

    def __init__(self, url: str, http: HttpClient) -> None:
        self._url = url
        self._http = http
        self._pinged_at: datetime | None = None
        self._failing = False

    async def ping(self, now: datetime) -> None:
        """Requests it, at most once a minute. A failure is logged when it begins and when it ends."""
        if self._pinged_at is not None and timedelta(0) <= now - self._pinged_at < PING_EVERY:
            return
        self._pinged_at = now
        trouble = await self._failure()
        if trouble and not self._failing:
            log.warning("dead man's switch cannot be reached", why=trouble)
        elif self._failing and not trouble:
            log.info("dead man's switch is reached again")
        self._failing = bool(trouble)

    async def _failure(self) -> str | None:
        """What went wrong, without the address; None if nothing did."""
        try:
            async with asyncio.timeout(_PING_SECONDS):
                status = await self._http.ping(self._url)
        except SourceError as error:
            return error.sentence
        except TimeoutError:
            return "no response in time"
        return None if 200 <= status < 300 else f"HTTP {status}"


class Watchdog:
    """Reports each health that it is given."""

    def __init__(self, systemd: Systemd, dead_man: DeadMansSwitch | None = None) -> None:
        self.systemd = systemd
        self._dead_man = dead_man
        self._problems: list[str] = []
        self._unwell: dict[str, SourceState] = {}

    async def report(self, health: BotHealth) -> None:
        """systemd restarts the bot when its watchdog gets no word; the dead man's switch raises the alarm."""
        problems = health.problems()
        if not health.stuck:
            self.systemd.alive()
        self.systemd.status(health.summary())
        self._log_readiness(problems)
        if health.database:
            self._log_seats(health.seats, health.now)
        if self._dead_man is not None and not problems:
            await self._dead_man.ping(health.now)

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
