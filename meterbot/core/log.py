"""Loggers without the tracebacks that structlog draws with rich: they would show local variables, and loading rich
takes a tenth of the start."""

import sys
from typing import Any

_hidden = "structlog" not in sys.modules and "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment] # marks rich as not installed while structlog is imported
import structlog  # noqa: E402 - not before it
from structlog.typing import EventDict, Processor  # noqa: E402

if _hidden:
    del sys.modules["rich"]

get_logger = structlog.get_logger

__all__ = ["EventDict", "LoggedState", "Processor", "error_of", "get_logger", "structlog"]


class LoggedState:
    """A state that is logged when it begins, when the type of its error changes, and when it ends."""

    def __init__(self, logger: Any, began: str, ended: str, **facts: object) -> None:
        self._logger, self._facts = logger, facts
        self._began, self._ended = began, ended
        self._kind: type[Exception] | None = None

    def begins(self, error: Exception) -> None:
        if type(error) is not self._kind:
            self._logger.error(self._began, **self._facts, exc_info=error)
        self._kind = type(error)

    def ends(self) -> None:
        if self._kind is not None:
            self._logger.info(self._ended, **self._facts)
        self._kind = None


def error_of(exc_info: object) -> BaseException | None:
    """The error of a log line, however the call named it."""
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None
