"""Imported first: Ctrl-C ends a command without a traceback, also while its parts are imported."""

import sys
from types import TracebackType

_before = sys.excepthook


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        _before(kind, error, traceback)


sys.excepthook = _uncaught
