"""How a seat's snapshots are read.

`http_client` fetches an answer, `responses` decides what it means, `exact_json` parses it, `fields` reads the known
fields of the shapes in `wire` one by one and notes what does not fit, and `windows`, `extra_usage`, `billing` and
`account` make values of them.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from meterbot.core.errors import MeterbotError
from meterbot.core.models import Seat, Snapshot
from meterbot.rules.pull_requests import Commit, Merged


class Source(Protocol):
    """Reads one seat. It holds the seat's secret and never shows it."""

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """One snapshot for each organization, or one with `org_uuid` None and the health that explains it.

        Never raises for a failure of the service: every failure is a health word. `fetched_at` is `now`. If the main
        value of a part was rejected (an amount, a main window, the next charge), its `…_read` is False.
        """
        ...


class UnusablePushError(MeterbotError):
    """A pushed document that is rejected as a whole. The text never contains a value of the document. `field` is the
    one to correct, such as `[0].fetched_at`; None if the document is not JSON."""

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


PushReader = Callable[[Seat, bytes, datetime], tuple[Snapshot, ...]]
"""Parses the document that a seat's own machine sent, at an instant. Returns all its snapshots, the oldest first.
Raises `UnusablePushError`."""


class UnusableHookError(MeterbotError):
    """A webhook request is not what GitHub sends. The text never contains a value of it."""


HookReader = Callable[[str, bytes], Merged | str]
"""Parses an event and its document that GitHub sent, after the signature was checked. Returns a merged pull request, or
why the event is ignored. Raises `UnusableHookError`."""


class CommitsUnreadError(MeterbotError):
    """The commits could not be read. `retry_after`: the seconds that GitHub asked to wait, or None."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


CommitReader = Callable[[Merged, datetime], Awaitable[Sequence[Commit]]]
"""Asks which commits a pull request has: the oldest first, at most 250. Raises `CommitsUnreadError`."""
