"""A process that has imported everything once and forks one real process for each start of a bot.

It has no thread and no event loop. A forked bot is the same as `meterbot run`, except for the time, which is the
schedule's, and for the points at which it may be killed.
"""

import asyncio
import ctypes
import gc
import io
import json
import os
import random
import signal
import socket
import ssl
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import apscheduler.schedulers.base
import httpx  # noqa: F401 - imported once, for all
from discord.state import ConnectionState
from pydantic import BaseModel

from meterbot.app import build, heartbeat, jobs, log_setup, serve
from meterbot.app.config import load
from meterbot.chat.discord import chat as _discord  # noqa: F401 - imported once, for all
from meterbot.chat.slack.chat import SlackChat
from meterbot.core import secret
from meterbot.core.cipher import new_key
from meterbot.core.clock import ManualClock
from meterbot.core.errors import StartError
from meterbot.core.models import ExtraUsage, Health, Snapshot
from meterbot.core.money import Money
from meterbot.store import engine
from qa.faults import naive
from qa.faults.virtual import EPOCH, Loop, Page, WallClock, count_points

STARTED_BADLY, FAILED = 3, 4
_PING_SECONDS = 120.0
"""Slack's sockets are pinged less often than in production (every ten seconds), because pings are most of what idling
costs."""
_BUSY_MS = 1_000
"""How long SQLite waits for a lock, in real time, which the schedule cannot shorten."""
_CALM = 10
"""Heartbeats of bots on one database are slower by this factor, because they are most of what idling costs."""
_DIE_WITH_PARENT = 1


@dataclass(frozen=True, slots=True)
class Birth:
    page: str
    slot: int
    environ: Mapping[str, str]
    log: str
    tick_seconds: float = 20.0
    naive: bool = False


class Zygote:
    """The other end, for the process that starts bots. `url`: an empty database to rehearse on; without it, a file."""

    def __init__(self, url: str = "") -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid == 0:
            self._socket.close()
            _serve(theirs, url)
        theirs.close()
        if not self._socket.recv(1):
            raise RuntimeError("no bot can be started: the rehearsal failed, see above")

    def start(self, birth: Birth) -> tuple[int, socket.socket]:
        """(process id, the socket by which bot and director wake each other)."""
        self._socket.send(json.dumps({"start": asdict(birth)}).encode())
        said, fds, _, _ = socket.recv_fds(self._socket, 65536, 1)
        return json.loads(said)["pid"], socket.socket(fileno=fds[0])

    def reap(self, pid: int) -> int:
        """Waits for a bot that ends; its exit status, negative for a signal."""
        self._socket.send(json.dumps({"reap": pid}).encode())
        return int(json.loads(self._socket.recv(65536))["status"])

    def close(self) -> None:
        """Ends it, and all that it started."""
        self._socket.close()
        os.waitpid(self.pid, 0)


def _serve(orders: socket.socket, url: str) -> None:
    die_with_parent()
    _warm_up(url)
    gc.collect()
    gc.freeze()
    orders.send(b".")
    children: set[int] = set()
    while said := orders.recv(65536):
        order = json.loads(said)
        if "start" in order:
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                ours.close()
                orders.close()
                _live(Birth(**order["start"]), theirs)
            theirs.close()
            children.add(pid)
            socket.send_fds(orders, [json.dumps({"pid": pid}).encode()], [ours.fileno()])
            ours.close()
        else:
            _, status = os.waitpid(order["reap"], 0)
            children.discard(order["reap"])
            orders.send(json.dumps({"status": os.waitstatus_to_exitcode(status)}).encode())
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    os._exit(0)


def _warm_up(url: str) -> None:
    """Does in advance what every bot would do in its life: loads what is loaded at first use, and compiles its database
    statements."""
    # Nobody speaks TLS here, and the certificates of the world take longer to read than all the rest.
    setattr(ssl.SSLContext, "load_verify_locations", lambda *_args, **_more: None)  # noqa: B010
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_rehearse(url or f"sqlite:///{folder}/rehearsal.db", Path(folder)))
    for model in _kinds(BaseModel):
        model.model_rebuild()
    secret.forget_all()


def _kinds(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


async def _rehearse(url: str, folder: Path) -> None:
    toml = f'''
        database_url = "{url}"
        [console]
        [http]
        bind = "127.0.0.1:0"
        [[seats]]
        name = "ana"
        source = "push"'''
    clock = ManualClock(EPOCH)
    config = load(None, {"METERBOT_CONFIG_TOML": toml, "METERBOT_SECRET_KEY": new_key()}, folder)
    async with build.assembled(config, clock, terminal=(None, io.StringIO())) as bot:
        for cents in ("0", "2000", "4500", "5000", "100"):
            await bot.ingest.store_snapshots([_spent(cents, clock.now())], clock.now())
            for _ in range(2):
                await bot.run_once()
                clock.advance(timedelta(minutes=20))


def _spent(cents: str, now: datetime) -> Snapshot:
    used, cap = Money(Decimal(cents), "USD", 2), Money(Decimal(5000), "USD", 2)
    extra = ExtraUsage(enabled=True, used=used, cap=cap)
    organization = "bbbbbbbb-0000-4000-8000-000000000000"
    return Snapshot(
        "ana", "push", now, Health.OK, org_uuid=organization, extra_usage=extra, extra_usage_read=True
    )


def die_with_parent() -> None:
    """Makes this process die with its parent, so that nothing is left behind, whichever process is killed."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


def _beat_seldom() -> None:
    for name in ("BEAT_SECONDS", "ALIVE_SECONDS"):
        setattr(heartbeat, name, _CALM * getattr(heartbeat, name))


def _ping_seldom() -> None:
    defaults = SlackChat.__init__.__kwdefaults__
    assert defaults is not None
    defaults["ping_interval"] = _PING_SECONDS


def _schedule_by(page: Page) -> None:
    """Makes apscheduler use the schedule's clock, with its jumps, instead of the machine's."""

    class WallTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return page.wall.astimezone(tz)

    for module in (apscheduler.schedulers.base, jobs):
        setattr(module, "datetime", WallTime)  # noqa: B010


def _let_gateways_be_silent() -> None:
    """Turns off discord.py's heartbeat timeout: its thread runs in real time, so on the schedule's clock the heartbeat
    would seem to have stopped."""
    begin = ConnectionState.__init__

    def patient(state: Any, **options: Any) -> None:
        begin(state, **{"heartbeat_timeout": 1e9, **options})

    setattr(ConnectionState, "__init__", patient)  # noqa: B010


def _live(birth: Birth, director: socket.socket) -> None:
    """Runs one bot in a process of its own, as `meterbot run` does."""
    status = FAILED
    try:
        die_with_parent()
        output = os.open(birth.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        random.seed()
        page = Page(Path(birth.page))
        slot = page.slot(birth.slot)
        count_points(slot)
        engine._BUSY_MS = engine._PATIENT_MS = _BUSY_MS
        _schedule_by(page)
        _beat_seldom()
        _ping_seldom()
        _let_gateways_be_silent()
        if birth.naive:
            naive.take_over()
        config = load(None, birth.environ, Path("/nowhere"))
        log_setup.set_up()
        with asyncio.Runner(loop_factory=lambda: Loop(page, slot, director)) as runner:
            runner.run(serve.serve(config, WallClock(page), birth.tick_seconds))
        status = 0
    except StartError as error:
        print(error, file=sys.stderr)
        status = STARTED_BADLY
    except BaseException:  # noqa: BLE001 - nothing may come back into the zygote
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)
