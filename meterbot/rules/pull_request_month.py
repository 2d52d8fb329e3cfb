"""The cost of a month's pull requests, and how much of the month's spend belongs to none of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from meterbot.core import money
from meterbot.core.models import Counter, Sample
from meterbot.core.money import Money
from meterbot.rules.increases import increases
from meterbot.rules.pull_requests import Bill, PullRequest, WorkWindow, attribute


@dataclass(frozen=True, slots=True)
class PullRequestMonth:
    """The pull requests merged in a month, the newest first, and what their counters rose in it. `medians`: per
    currency, of those with a known cost. `spent`: per currency; `unmerged` is the part that belongs to no merged pull
    request."""

    month: str
    pulls: tuple[PullRequest, ...]
    medians: tuple[Money, ...] = ()
    spent: tuple[Money, ...] = ()
    unmerged: tuple[Money, ...] = ()
    hidden: int = 0
    """How many more were merged, of other seats."""


def month_of_pulls(
    month: str,
    window: WorkWindow,
    pulls: Iterable[PullRequest],
    samples: Mapping[Counter, Sequence[Sample]],
    seats: Collection[str],
    *,
    everybody: Collection[str] = (),
) -> PullRequestMonth:
    """Of these seats, and how many are of the others among `everybody`. `pulls` are all that were merged in the window
    or whose own meet it; `samples` are of the seats' counters."""
    pulls = sorted(pulls, key=lambda pull: pull.merged.merged_at, reverse=True)
    inside = [pull for pull in pulls if window.holds(pull.merged.merged_at)]
    merged = [pull for pull in inside if {*pull.seats} & {*seats}]
    hidden = len([pull for pull in inside if {*pull.seats} & {*seats, *everybody}]) - len(merged)
    spent: list[Money] = []
    unmerged: list[Money] = []
    for counter, points in samples.items():
        rises = [rise for rise in increases(points) if window.holds(rise.at)]
        mine = {pull.key: pull.window for pull in pulls if pull.counted and counter in pull.counters}
        spent += [rise.amount for rise in rises]
        unmerged += attribute(rises, mine).rest
    held = money.totals(spent)
    left = money.totals([*(money.subtract(one, one) for one in held.values()), *unmerged])
    medians = _medians([pull.bill for pull in merged if pull.bill is not None])
    return PullRequestMonth(month, tuple(merged), medians, tuple(held.values()), tuple(left.values()), hidden)


def _medians(found: Iterable[Bill]) -> tuple[Money, ...]:
    per_currency: dict[str, list[Money]] = defaultdict(list)
    for bill in found:
        for amount in bill.amounts or ():
            per_currency[amount.currency].append(amount)
    return tuple(
        money.of_major(median(amount.major for amount in amounts), currency)
        for currency, amounts in sorted(per_currency.items())
    )
