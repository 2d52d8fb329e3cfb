"""The contract of a source: how a seat's snapshots are read.

The way of an answer, which the members share: `transport` fetches it (GET of a listed path, no jar), `verdict` says
what it means or which health word it is, `exact_json` parses it, `fields` takes the known fields of the shapes in
`wire` one by one and notes what does not fit, and `windows`, `extra_usage`, `subscription` and `account` put the facts
together.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from meterbot.core.errors import MeterbotError
from meterbot.core.models import Seat, Snapshot
from meterbot.rules.pull_requests import Commit, Merged


class Source(Protocol):
    """Reads one seat. One per seat, made by `app.py`; it holds the seat's secret and shows it to nobody."""

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """One tick: a snapshot per organization, or one with `org_uuid` None and the health that explains it.

        Never raises for what the outside does; every failure is a health word. `fetched_at` is `now`. A part whose
        main value was refused (an amount, a main window, the next charge) has `…_read` False, as if it had failed,
        and holds what else could be taken.
        """
        ...


class UnusablePushError(MeterbotError):
    """A pushed document of which nothing is taken. The text is a sentence in our words, without a value of it.

    `field`: the one to correct, such as `[0].fetched_at`; None where the document is no JSON at all.
    """

    def __init__(self, sentence: str, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


class PushReader(Protocol):
    """Reads what a seat's own machine sends, which is never asked."""

    def __call__(self, seat: Seat, document: bytes, now: datetime) -> tuple[Snapshot, ...]:
        """The document's snapshots, the oldest first: all of them, or `UnusablePushError`."""
        ...


class UnusableHookError(MeterbotError):
    """What arrived at a webhook is not what GitHub sends. The text is a sentence in our words, without a value of it."""


class HookReader(Protocol):
    """Reads what GitHub sends to a webhook, once its signature was found right."""

    def __call__(self, event: str, document: bytes) -> Merged | str:
        """A pull request that was merged; of all else, why it is of no concern. Raises `UnusableHookError`."""
        ...


class CommitsUnreadError(MeterbotError):
    """The commits could not be read. `retry_after`: the seconds GitHub asked to wait, or None."""

    def __init__(self, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


class CommitReader(Protocol):
    """Asks which commits a pull request has."""

    async def __call__(self, merged: Merged, now: datetime) -> Sequence[Commit]:
        """The oldest first, at most 250. Raises `CommitsUnreadError`."""
        ...
