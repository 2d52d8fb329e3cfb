"""Ports for servers that a test starts later."""

import os
import socket
from contextlib import suppress
from itertools import count

_LOWEST, _EACH = 12_000, 40
_numbers = count()


def free_port() -> int:
    """A port of 127.0.0.1 that the system gives to nobody meanwhile: it hands out only higher ones."""
    mine = _LOWEST + os.getpid() % 150 * _EACH
    for _ in range(_EACH):
        port = mine + next(_numbers) % _EACH
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no port from {mine} on is free")
