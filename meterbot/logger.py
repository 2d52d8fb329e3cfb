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

__all__ = ["EventDict", "Processor", "get_logger", "structlog"]
