"""Spend hour by hour, calculated from the history."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from meterbot.core.models import Counter, Sample
from meterbot.core.money import Money, totals, zero
from meterbot.rules.increases import increases
from meterbot.rules.months import calendar_month, month_start

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BlockSpan:
    """From the first reading with a block to the first without; None while it lasts."""

    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hour:
    """What a counter spent in the hour that begins at `at`, and its state at the last reading in that hour. There is
    none for an hour without a reading, and two for an hour with two currencies. `blocks` are the blocks seen in this
    hour that ended in it or had not ended."""

    at: datetime
    counter: Counter
    spent: Money
    used: Money
    cap: Money | None
    blocked: bool
    blocks: tuple[BlockSpan, ...] = ()


def hour_of(at: datetime) -> datetime:
    """The beginning of an instant's hour."""
    return at - (at - _EPOCH) % HOUR


def hours_of(samples: Sequence[Sample], since: datetime) -> list[Hour]:
    """The hours from `since`, which is the beginning of one. The samples are of one counter, in order of time, with
    the last one before."""
    rises = zip(samples, increases(samples), strict=True)
    pairs = [(sample, rise) for sample, rise in rises if sample.at >= since]
    _, open_block = _blocks(None, [sample for sample in samples if sample.at < since])
    hours: list[Hour] = []
    for at, group in groupby(pairs, key=lambda pair: hour_of(pair[0].at)):
        inside = list(group)
        spent = totals(rise.amount for _, rise in inside)
        last = {sample.used.currency: sample for sample, _ in inside}
        blocks, open_block = _blocks(open_block, [sample for sample, _ in inside])
        hours += [
            Hour(at, sample.counter, spent[currency], sample.used, sample.cap, sample.blocked, blocks)
            for currency, sample in sorted(last.items())
        ]
    return hours


def _blocks(
    since: datetime | None, samples: Iterable[Sample]
) -> tuple[tuple[BlockSpan, ...], datetime | None]:
    """The blocks that these readings saw, and since when the last one lasts. `since`: since when a block lasted
    before them."""
    spans = []
    for sample in samples:
        if sample.blocked:
            since = since or sample.at
        elif since is not None:
            spans.append(BlockSpan(since, sample.at))
            since = None
    return (*spans, *([BlockSpan(since)] if since is not None else [])), since


def joined(hours: Iterable[Hour], key: Callable[[datetime], Hashable]) -> list[Hour]:
    """Joins consecutive hours with the same `key` and the same state of the block: the result begins like the first
    and ends like the last."""
    runs = groupby(hours, key=lambda hour: (hour.counter, hour.spent.currency, hour.blocked, key(hour.at)))
    return [_run(list(run)) for _, run in runs]


def _run(run: Sequence[Hour]) -> Hour:
    if len(run) == 1:
        return run[0]
    currency = run[0].spent.currency
    blocks = tuple(block for hour in run for block in hour.blocks)
    return replace(run[-1], at=run[0].at, spent=totals(hour.spent for hour in run)[currency], blocks=blocks)


def spent_in(hours: Iterable[Hour], start: datetime, end: datetime) -> dict[str, Money]:
    """Per currency, in the hours that begin in [start, end)."""
    return totals(hour.spent for hour in hours if start <= hour.at < end)


def last_month(now: datetime) -> datetime:
    """The beginning of the month before `now`'s."""
    return month_start(calendar_month(month_start(calendar_month(now)) - HOUR))


def this_day_of_last_month(now: datetime) -> datetime:
    """The same day and hour of the month before, or its end."""
    start = month_start(calendar_month(now))
    return min(last_month(now) + (now - start), start)


def by_this_day(hours: Sequence[Hour], used: Money, now: datetime) -> Money | None:
    """What one counter, which has now used so much, had spent in the month before until the same day and hour; None
    if that month is not known from its beginning."""
    began = last_month(now)
    if not hours or hours[0].at > began:
        return None
    return spent_in(hours, began, this_day_of_last_month(now)).get(used.currency, zero(used))


def block_spans(hours: Iterable[Hour], start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """When one counter was blocked within [start, end), as readings saw it. `hours` are in order."""
    found: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    for hour in hours:
        for block in hour.blocks or ((BlockSpan(hour.at),) if hour.blocked else ()):
            since = since or block.start
            if block.end is not None:
                found.append((since, block.end))
                since = None
        if since is not None and not hour.blocked:
            found.append((since, hour.at))
            since = None
    found += [] if since is None else [(since, end)]
    inside = [(max(since, start), min(until, end)) for since, until in found]
    return [(since, until) for since, until in inside if since < until]


def blocked_for(hours: Iterable[Hour], start: datetime, end: datetime) -> timedelta:
    """How long one counter was blocked within [start, end)."""
    return sum((until - since for since, until in block_spans(hours, start, end)), timedelta())
