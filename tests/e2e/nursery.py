"""A process that has imported everything once and forks one meterbot for each start.

A fork is what `python -m meterbot` would have become: a process with its own number, memory, descriptors, directory,
environment, signals and exit status. It saves the second that Python takes to import a bot, some hundreds of times. A
process that needs what a fork cannot give, such as another hash seed, is started separately.
"""

import asyncio
import atexit
import functools
import gc
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from asyncio.streams import FlowControlMixin
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

_ORDER_BYTES = 2**20
_IMPORTED = (
    "meterbot.app.build",
    "meterbot.chat.discord.chat",
    "meterbot.chat.slack.chat",
    "meterbot.cli.check",
    "meterbot.cli",
    "meterbot.demo.demo",
    "meterbot.cli.operations",
    "meterbot.cli.setup",
    "meterbot.store.migrations",
    "sqlalchemy.dialects.postgresql.psycopg",
)


class Process:
    """What the tests use of `asyncio.subprocess.Process`."""

    def __init__(self, pid: int, status: socket.socket) -> None:
        self.pid = pid
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self.returncode: int | None = None
        self._status = status
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(status, self._note_end)

    def _note_end(self) -> None:
        said = self._status.recv(64)
        asyncio.get_running_loop().remove_reader(self._status)
        self._status.close()
        self.returncode = int(said)
        self._ended.set()

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        if self.stdin is not None:
            self.stdin.close()
        said = await asyncio.gather(*(_rest(stream) for stream in (self.stdout, self.stderr)))
        await self.wait()
        return said[0], said[1]


async def _rest(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


class Nursery:
    """The tests' end."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            # In a session of its own: a Ctrl-C at the tests ends what they started one by one.
            self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=environ, pass_fds=[theirs.fileno()], start_new_session=True, cwd="/",
            )  # fmt: skip

    def start(
        self, words: tuple[str, ...], *, environ: Mapping[str, str], cwd: Path, files: tuple[int, int, int],
        terminal: bool = False, module: str = "meterbot",
    ) -> Process:  # fmt: skip
        """`python -m <module> <words>` with these as standard input, output and error."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        order = {
            "module": module, "words": words, "environ": dict(environ), "cwd": str(cwd), "terminal": terminal
        }  # fmt: skip
        with theirs:
            socket.send_fds(self._orders, [json.dumps(order).encode()], [*files, theirs.fileno()])
        return Process(int(ours.recv(64)), ours)

    def close(self) -> None:
        self._orders.close()
        self._popen.wait()


@functools.cache
def nursery() -> Nursery:
    """The one of this test process."""
    from tests.e2e.process import surroundings  # noqa: PLC0415 - which starts its processes here

    made = Nursery(surroundings())
    atexit.register(made.close)
    return made


async def piped(
    words: tuple[str, ...], *, environ: Mapping[str, str], cwd: Path, stdin: bool, module: str = "meterbot"
) -> Process:
    """One whose output is read, and that is written to where it has a `stdin`."""
    loop = asyncio.get_running_loop()
    out, err = os.pipe(), os.pipe()
    into = os.pipe() if stdin else (os.open(os.devnull, os.O_RDONLY), None)
    process = nursery().start(words, environ=environ, cwd=cwd, files=(into[0], out[1], err[1]), module=module)
    for theirs in (into[0], out[1], err[1]):
        os.close(theirs)
    process.stdout, process.stderr = [await _reader(loop, ours) for ours in (out[0], err[0])]
    if into[1] is not None:
        transport, protocol = await loop.connect_write_pipe(FlowControlMixin, os.fdopen(into[1], "wb"))
        process.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
    return process


async def _reader(loop: asyncio.AbstractEventLoop, file: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(file, "rb"))
    return reader


# --- the other end ----------------------------------------------------------------------------------------------------


def _serve(orders: socket.socket) -> None:
    for name in _IMPORTED:
        import_module(name)
    gc.collect()
    gc.freeze()
    living: dict[int, socket.socket] = {}
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([orders.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _bury(living)
        if orders.fileno() in ready:
            said, files, _, _ = socket.recv_fds(orders, _ORDER_BYTES, 4)
            if not said:
                return
            connection = socket.socket(fileno=files.pop())
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _live(json.loads(said), files)
            for file in files:
                os.close(file)
            living[pid] = connection
            connection.send(str(pid).encode())


def _bury(living: dict[int, socket.socket]) -> None:
    """Sends the exit status of the processes that have ended."""
    for pid in list(living):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with living.pop(pid) as connection:
                connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _live(order: dict[str, Any], files: list[int]) -> NoReturn:
    status = 1
    try:
        _become(order, files)
        status = _run(order["module"])
    finally:
        os._exit(status)


def _become(order: dict[str, Any], files: list[int]) -> None:
    if order["terminal"]:
        os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, 256)  # what is the nursery's own
    if order["terminal"]:
        import fcntl  # noqa: PLC0415
        import termios  # noqa: PLC0415

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for the process's life
    sys.stdout = _output(1, "strict")
    sys.stderr = _output(2, "backslashreplace")
    sys.argv = ["meterbot", *order["words"]]


def _output(file: int, errors: str) -> io.TextIOWrapper:
    lines = file == 2 or os.isatty(file)
    binary = open(file, "wb", closefd=False)  # noqa: SIM115 - for the process's life
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    return io.TextIOWrapper(binary, encoding=encoding, errors=errors, line_buffering=lines)


def _run(module: str) -> int:
    """As Python runs a module as its main program, to its exit status."""
    status = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = _status(end.code)
    except BaseException as error:  # noqa: BLE001 - nothing may come back into the nursery
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


def _status(code: object) -> int:
    if code is None or isinstance(code, int):
        return code or 0
    sys.stderr.write(f"{code}\n")
    return 1


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
