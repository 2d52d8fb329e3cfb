"""Alerts about merged pull requests."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from meterbot.core.inline import instant as when
from meterbot.core.text import amounts_text, listed, one_line, stretch
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts
from meterbot.rules.pull_requests import Bill

_A_WEEK = timedelta(days=6)
"""Within it the day of the week alone says which day it was."""


def pull_request_merged(facts: EventFacts) -> AlertText:
    values = facts.event.facts
    number, repo = values.get("number"), facts.text("repo") or ""
    short = one_line(repo.rpartition("/")[2], 40)
    name, ask = ("A pull request", "pr") if number is None else (f"PR #{number}", f"pr {number}")
    if values.get("shown") is not True:
        return AlertText(f"{name} was merged ({short})", f"Its author can see the cost: /claude-spend {ask}.")
    bill, seats = _bill(facts), values.get("seats")
    who = names(list(map(str, seats)) if isinstance(seats, list) else [facts.who])
    action = "" if bill.settled else f"Ask for the final amount later: /claude-spend {ask}."
    return AlertText(
        f"{name}: {amount_of(bill, ' of extra usage')} ({who}, {short})",
        action,
        tuple(sentences(bill, repo, facts.text("no_commits"), facts.tz)),
        evidence=(f"Repository: {repo}.", *_window(facts)),
    )


def _window(facts: EventFacts) -> tuple[str, ...]:
    start, end = facts.instant("start"), facts.instant("end")
    if start is None or end is None:
        return ()
    return (
        f"Spend was counted from {stretch(start, end, facts.tz, dated=facts.event.at - start > _A_WEEK)}.",
    )


def _bill(facts: EventFacts) -> Bill:
    values = facts.event.facts
    shared = values.get("shared")
    return Bill(
        amounts=None if values.get("amounts") is None else facts.amounts("amounts"),
        why=facts.text("why"),
        shared=tuple(map(str, shared)) if isinstance(shared, list) else (),
        later=facts.amounts("later"),
        settled=values.get("settled") is True,
        read_at=facts.instant("read_at"),
    )


def amount_of(bill: Bill, unit: str = "") -> str:
    """`$1.47`, `$0.00: no plan window was full`, `unknown`; `unit` follows an amount that needs no reason."""
    if bill.amounts is None:
        return "unknown"
    charged = [amount for amount in bill.amounts if amount.minor]
    shown = amounts_text(charged or bill.amounts[:1])
    return f"{shown}: {bill.why}" if bill.why else f"{shown}{unit}"


def sentences(bill: Bill, repo: str, no_commits: str | None, tz: tzinfo) -> list[str]:
    """What a reader must know about the amount."""
    found = []
    if bill.amounts is None:
        found.append(f"The cost is unknown: {bill.why or 'it is not calculated yet'}.")
    if bill.shared:
        others = [name.removeprefix(repo) for name in bill.shared]
        found.append(f"Spend of the same hours is shared equally with {listed(others)}.")
    if bill.later:
        more = amounts_text(bill.later)
        found.append(f"The next reading showed {more} more; a part of it may belong to this pull request.")
    if no_commits is not None:
        found.append(f"Spend is counted from opening to merge, because {no_commits}.")
    if not bill.settled:
        found.append(f"Not final yet: {_last_read(bill.read_at, tz)}.")
    return found


def _last_read(at: datetime | None, tz: tzinfo) -> str:
    return "there is no reading yet" if at is None else f"the last reading is from {when(at, tz)}"


def names(seats: Sequence[str]) -> str:
    return listed([one_line(seat, 60) for seat in seats])
