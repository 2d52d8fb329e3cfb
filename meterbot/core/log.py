"""Loggers, without the tracebacks that structlog draws where it finds rich: they would show local variables, and rich is
a tenth of what a bot would load to start."""

import sys

_hidden = "structlog" not in sys.modules and "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]  # to an import, this says that there is none
import structlog  # noqa: E402 - not before it
from structlog.typing import EventDict, Processor  # noqa: E402

if _hidden:
    del sys.modules["rich"]

get_logger = structlog.get_logger

__all__ = ["EventDict", "Processor", "error_of", "get_logger", "structlog"]


def error_of(exc_info: object) -> BaseException | None:
    """The error of a log line, as the many ways of telling it name it."""
    if exc_info is True:
        return sys.exc_info()[1]
    if isinstance(exc_info, tuple):
        exc_info = exc_info[1]
    return exc_info if isinstance(exc_info, BaseException) else None
