"""Logs failed requests."""

from typing import Any

from meterbot.core.log import LoggedState
from meterbot.store.errors import is_outage


class RequestFailures:
    """Logs an outage of the database when it begins and when it ends, and every other failure each time, so that an
    outage hides no bug."""

    def __init__(self, logger: Any, what: str) -> None:
        """`what` is requested, in the plural: `pushes`."""
        self._logger, self._what = logger, what
        self._outage = LoggedState(logger, f"{what} cannot be stored", f"{what} are stored again")

    def failed(self, error: Exception) -> None:
        if is_outage(error):
            self._outage.begins(error)
        else:
            self._logger.error("a request failed", what=self._what, exc_info=error)

    def stored(self) -> None:
        self._outage.ends()
