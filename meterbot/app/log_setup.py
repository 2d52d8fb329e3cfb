"""Logs to standard error: text on a terminal, JSON lines elsewhere, and never a secret."""

import logging
import os
import re
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, TextIO

from meterbot.core import secret
from meterbot.core.log import EventDict, Processor, structlog

_PLAIN = (bool, int, float, type(None))
_TELLING = re.compile("authorization|cookie|token|password|secret|session[_-]?key|api[_-]?key", re.IGNORECASE)


def set_up(stream: TextIO | None = None, level: int = logging.INFO, also: Iterable[Processor] = ()) -> None:
    """Routes structlog, the standard library's loggers, warnings and uncaught exceptions to `stream`, and past each
    of `also`. Our own loggers log from `level` up, all others from WARNING, because libraries log bodies below that."""
    stream = stream or sys.stderr
    before: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        *also,
        structlog.processors.format_exc_info,  # as text, without the locals, so that it can be cleared
        _hide,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(stream)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("meterbot").setLevel(level)
    # At WARNING it logs every run that is skipped because the one before has not ended.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _renderer(stream: TextIO) -> Processor:
    if not stream.isatty():
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    colors = "NO_COLOR" not in os.environ
    return structlog.dev.ConsoleRenderer(
        colors=colors, exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )


class _Handler(logging.StreamHandler[TextIO]):
    """Logs nothing about a record that cannot be written: the standard library would print its arguments. On a full
    disk or a closed stream the bot goes on without its log, because alerts are worth more, and later counts what is
    missing.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._failed = 0

    def emit(self, record: logging.LogRecord) -> None:
        failed = self._failed
        super().emit(record)
        if failed and self._failed == failed:
            self._failed = 0
            super().emit(_missing(failed))
            self._failed = failed if self._failed else 0

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        try:
            self.stream.write(
                f"a log record of {record.name} could not be written ({record.pathname}:{record.lineno})\n"
            )
            self.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._failed += 1


def _missing(failed: int) -> logging.LogRecord:
    """At most, because a stream may write later what it has kept."""
    text = "at most %d log records are missing: writing them failed"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (failed,), None)


def _hide(_logger: object, _method: str, event: EventDict) -> EventDict:
    # The standard library's record and structlog's marks are in the event under these names, and are not written.
    return {name: value if name.startswith("_") else _hidden(value, name) for name, value in event.items()}


def cleared(document: dict[str, Any]) -> dict[str, Any]:
    """The same without secrets and e-mail addresses, at any depth."""
    return {secret.hide(name): _hidden(value, name) for name, value in document.items()}


def _hidden(value: object, name: str = "") -> object:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, dict):
        return {secret.hide(str(name)): _hidden(inner, str(name)) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hidden(inner, name) for inner in value]
    return secret.HIDDEN if _TELLING.search(name) else secret.hide(str(value))


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger(__name__).critical("crashed", exc_info=(kind, error, traceback))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
