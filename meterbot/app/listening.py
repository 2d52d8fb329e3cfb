"""Whether meterbot can listen at an address, and what is said if it cannot."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterable

from meterbot.core.errors import StartError, UnavailableError


async def try_to_listen(host: str, port: int) -> None:
    """Takes the address, and releases it at once. Raises `OSError`."""
    server = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, host or None, port, start_serving=False
    )
    server.close()


def why_not(error: OSError) -> str:
    """In the system's words: asyncio replaces them by its own, unless a name was not found, and from Python 3.13 on
    says nothing of an address that is not this machine's."""
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    return os.strerror(error.errno or errno.EADDRNOTAVAIL)


def cannot_listen(addresses: Iterable[object], error: OSError) -> StartError:
    where = " and ".join(map(str, addresses))
    said = f"cannot listen on {where}: {why_not(error)}. Next: "
    if error.errno == errno.EADDRINUSE:
        return UnavailableError(f"{said}stop the program that uses it, or change bind in [http] (or PORT)")
    return StartError(f"{said}change bind or port in [http], or PORT")
