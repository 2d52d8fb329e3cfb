"""The structured log lines that a block of a test writes."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Self

from structlog.testing import capture_logs


class logged:  # noqa: N801 - reads like the context manager that it is
    """`with logged() as lines` or `async with`: follows the lines, as dictionaries, while they are written."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._lines: list[Any] = []

    def __enter__(self) -> Self:
        self._lines = self._stack.enter_context(capture_logs())
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._lines)

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self._lines]
