"""A shell with one background job, for a test that gives it a terminal.

The job is a console in a process group of its own; it prints what it is asked, and `alive` when it is pinged. The
shell takes one-byte orders from a pipe: `p` pings the job, `f` gives it the terminal.
"""

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import termios

from meterbot.chat import Answer, Question
from meterbot.chat.console import Console
from meterbot.core.messages import Message


async def job() -> None:
    done = asyncio.Event()

    async def answer(question: Question) -> Answer:
        return Answer(Message(f"asked {' '.join(question.words)}", ""))

    def say(word: str) -> None:
        os.write(sys.stdout.fileno(), f"{word}\n".encode())

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, say, "alive")
    console = Console(sys.stdin, sys.stdout, on_quit=done.set)
    await console.start(answer)
    say("ready")
    await done.wait()
    await console.close()


def shell(orders: int) -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    # A process that gives the terminal away is in the background; this signal would stop it for trying.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    background = subprocess.Popen([sys.executable, __file__, "job"], process_group=0)  # noqa: S603 - ourselves
    while order := os.read(orders, 1):
        if order == b"p":
            background.send_signal(signal.SIGUSR1)
        else:
            os.tcsetpgrp(0, background.pid)
    sys.exit(background.wait())


if __name__ == "__main__":
    if sys.argv[1] == "job":
        asyncio.run(job())
    else:
        shell(int(sys.argv[1]))
