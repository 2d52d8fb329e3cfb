"""Looks for a planted secret wherever a failing call may have left it."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog


class Watch:
    """Listens to every logger from DEBUG up, and to both output streams."""

    def __init__(self, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
        self._caplog = caplog
        self._capsys = capsys

    def assert_hidden(self, secret: str, *things: object) -> None:
        """Asserts that the secret is in no log, in no output, and in no text or repr of `things`."""
        streams = self._capsys.readouterr()
        heard = [self._caplog.text, streams.out, streams.err]
        heard += [str(vars(record)) for record in self._caplog.records]
        shown = [text for thing in things for text in _everything_shown_of(thing)]
        leaking = [text for text in heard + shown if secret in text]
        assert leaking == []


@contextmanager
def watching(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[Watch]:
    """Tracebacks are logged as the application logs them: as text, without local variables."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    )
    try:
        with caplog.at_level(logging.DEBUG):
            yield Watch(caplog, capsys)
    finally:
        structlog.reset_defaults()


def _everything_shown_of(thing: object) -> list[str]:
    shown = [str(thing), repr(thing)]
    if isinstance(thing, BaseException):
        shown.append("".join(traceback.format_exception(thing)))
        while thing.__context__ is not None:
            thing = thing.__context__
            shown += [str(thing), repr(thing), repr(vars(thing))]
    return shown
