"""Nothing in the test run reaches another machine: in the tests' own process, and in every Python that they start.

Python imports a module of this name at its start from wherever PYTHONPATH says; `fixtures.py` puts this folder there.
It uses only the standard library, because it runs before anything else. What is asked for is refused, and written
down in the file that TRIPWIRE names: the code under test may forgive the refusal, the test does not.
"""

import os
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Any

LOG = "METERBOT_TRIPWIRE"
"""The environment variable that names the file: one line for each attempt, a name or an address."""

_BY_NAME = {"socket.getaddrinfo", "socket.gethostbyname"}
_BY_ADDRESS = {"socket.connect", "socket.sendto", "socket.sendmsg"}


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _BY_NAME:
        host = arguments[0]
    elif event in _BY_ADDRESS and isinstance(arguments[1], tuple):  # the path of a local socket is a text
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if not name or is_here(name) or not (log := os.environ.get(LOG)):
        return
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    refusal = f"tests stay on this machine, and {name} is not on it"
    if event in _BY_NAME:
        raise socket.gaierror(socket.EAI_NONAME, refusal)
    raise ConnectionRefusedError(refusal)


def is_here(name: str) -> bool:
    """Whether it means this machine."""
    try:
        return (address := ip_address(name)).is_loopback or address.is_unspecified
    except ValueError:
        return name == "localhost"


def surroundings(*paths: Path) -> dict[str, str]:
    """What the environment of another Python must hold to be watched, too. `paths`: where it finds its modules."""
    watched = {LOG: os.environ[LOG]} if LOG in os.environ else {}
    return {**watched, "PYTHONPATH": os.pathsep.join(map(str, (Path(__file__).parent, *paths)))}


sys.addaudithook(_watch)
