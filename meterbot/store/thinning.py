"""Deletes samples of an old history: what stays is the last sample of every hour or day, and every turn.

Between two turns a counter only rises, so the ends say what was spent. The file of a SQLite database does not get
smaller: new samples use the free pages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, select

from meterbot.core.models import Counter, Sample
from meterbot.store import notes, tables
from meterbot.store.history import LAST_BEFORE, sample_of
from meterbot.store.statements import select_in

_history = tables.history.c
# Made once, for a day's are needed for every few counters: to build one takes longer than to run it.
_START, _END = (bindparam(name, type_=_history.at.type) for name in ("start", "end"))
_COUNTERS: BindParameter[Any] = bindparam("counters", expanding=True)
_INSIDE = (
    select(tables.history)
    .where(_history.at >= _START, _history.at < _END, _history.counter.in_(_COUNTERS))
    .order_by(_history.counter, _history.at)
)
_DELETE = delete(tables.history).where(
    _history.at == bindparam("gone_at"), _history.counter == bindparam("gone_counter")
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SAMPLES_AT_ONCE, _COUNTERS_AT_ONCE = 2_000, 10
"""Small, so that neither the event loop nor another writer waits long: the sample before a counter's first one is
searched in the whole history. One counter may have more samples in a day."""


def superfluous(before: Sample | None, samples: Sequence[Sample], step: timedelta) -> list[Sample]:
    """The samples of one counter, in order of time, that may be deleted if one is to stay of every `step`; `before`
    is the one before them.

    What stays: the last of every step, the first of every month, and both ends of every turn, where `used` falls or
    the currency, the cap or the block changes. So a period's final amount stays, and the spend between any two
    remaining samples does not change.
    """
    gone = []
    following = [*samples[1:], None]
    for sample, after in zip(samples, following, strict=True):
        last = after is None or _floor(after.at, step) != _floor(sample.at, step)
        if not last and not _turn(before, sample) and not _turn(sample, after):
            gone.append(sample)
        before = sample
    return gone


def _turn(earlier: Sample | None, later: Sample | None) -> bool:
    if earlier is None or later is None:
        return True
    if (earlier.at.year, earlier.at.month) != (later.at.year, later.at.month):
        return True
    if (earlier.cap, earlier.blocked) != (later.cap, later.blocked) or later.counted_from is not None:
        return True
    same_unit = (earlier.used.currency, earlier.used.exponent) == (later.used.currency, later.used.exponent)
    return not same_unit or later.used.minor < earlier.used.minor


def _floor(at: datetime, step: timedelta) -> datetime:
    return at - (at - _EPOCH) % step


@dataclass(frozen=True, slots=True)
class ThinningSpan:
    """One day (UTC) of the history, with the number of each counter's samples."""

    start: datetime
    samples: Mapping[int, int]

    @property
    def end(self) -> datetime:
        return self.start + _DAY

    @property
    def parts(self) -> Iterator[list[int]]:
        """The counters in groups that together have few samples."""
        part: list[int] = []
        held = 0
        for counter, samples in self.samples.items():
            if part and (held + samples > _SAMPLES_AT_ONCE or len(part) == _COUNTERS_AT_ONCE):
                yield part
                part, held = [], 0
            part.append(counter)
            held += samples
        if part:
            yield part


def next_span(connection: Connection, before: datetime, step: timedelta) -> ThinningSpan | None:
    """The first whole day before `before` that was not thinned to `step` yet."""
    reached = notes.read(connection, _note(step))
    first = select(func.min(_history.at, type_=_history.at.type))
    if reached is not None:
        first = first.where(_history.at >= datetime.fromisoformat(reached))
    at = connection.scalar(first)
    if at is None or _floor(at, _DAY) + _DAY > before:
        return None
    start = _floor(at, _DAY)
    inside = (
        select(_history.counter, func.count().label("samples"))
        .where(_history.at >= start, _history.at < start + _DAY)
        .group_by(_history.counter)
        .order_by(_history.counter)
    )
    return ThinningSpan(start, {row.counter: row.samples for row in connection.execute(inside)})


def thin(connection: Connection, span: ThinningSpan, counters: Sequence[int], step: timedelta) -> None:
    """Deletes these counters' superfluous samples in the span."""
    of = {"start": span.start, "end": span.end, "counters": counters}
    names = {number: Counter("", str(number)) for number in counters}
    earlier = select_in(connection, LAST_BEFORE, counters, since=span.start)
    before = {row.counter: sample_of(row, names[row.counter]) for row in earlier}
    gone = []
    for number, rows in groupby(connection.execute(_INSIDE, of), key=lambda row: row.counter):
        samples = [sample_of(row, names[number]) for row in rows]
        gone += [
            {"gone_at": sample.at, "gone_counter": number}
            for sample in superfluous(before.get(number), samples, step)
        ]
    if gone:
        connection.execute(_DELETE, gone)


def remember(connection: Connection, span: ThinningSpan, step: timedelta) -> None:
    """Records that the span is thinned, so the next one follows it."""
    notes.write(connection, _note(step), span.end.isoformat())


def _note(step: timedelta) -> str:
    return f"thinned:{step.total_seconds():.0f}s"
