"""Reports to systemd, or another service manager, by the protocol of sd_notify(3)."""

import socket
from collections.abc import Mapping

from meterbot.core import secret
from meterbot.core.log import get_logger

log = get_logger(__name__)


class Systemd:
    """Sends one datagram per word, and never waits. Without a socket in the environment it sends nothing."""

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
