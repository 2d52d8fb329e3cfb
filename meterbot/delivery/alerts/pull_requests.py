"""What is said about a merged pull request."""

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from meterbot.core.messages import Field
from meterbot.core.money import Money
from meterbot.core.text import amounts_text, listed, moment, one_line, stretch
from meterbot.delivery.alerts.facts import EventFacts, Words, instant
from meterbot.rules import fact_money
from meterbot.rules.pull_requests import Bill

_A_WEEK = timedelta(days=6)
"""Within it the day of the week alone says which day it was."""


def pull_request_merged(told: EventFacts) -> Words:
    facts = told.event.facts
    number, repo = facts.get("number"), told.text("repo") or ""
    name, ask = ("A pull request", "pr") if number is None else (f"PR #{number}", f"pr {number}")
    if facts.get("shown") is not True:
        return Words(
            f"{name} was merged",
            ("What it cost is for its author to see.",),
            (f"Ask /claude-spend {ask}.",),
            (Field("Repository", repo),),
        )
    start, end = instant(facts.get("start")), instant(facts.get("end"))
    bill = _bill(told)
    seats = facts.get("seats")
    who = names(list(map(str, seats)) if isinstance(seats, list) else [told.who])
    window = ""
    if start is not None and end is not None:
        dated = told.event.at - start > _A_WEEK
        window = f", window {stretch(start, end, told.tz, dated=dated)}"
    title = f"{name}: {amount_of(bill, ' of extra usage')} ({who}){window}"
    said = sentences(bill, repo, told.text("no_commits"), told.tz)
    advice = () if bill.settled else (f"/claude-spend {ask} tells what has come in since.",)
    return Words(title, tuple(said), advice, (Field("Repository", repo),))


def _bill(told: EventFacts) -> Bill:
    facts = told.event.facts
    amounts, shared = facts.get("amounts"), facts.get("shared")
    return Bill(
        amounts=None if amounts is None else _amounts(amounts),
        why=told.text("why"),
        shared=tuple(map(str, shared)) if isinstance(shared, list) else (),
        later=_amounts(facts.get("later")),
        settled=facts.get("settled") is True,
        read_at=instant(facts.get("read_at")),
    )


def _amounts(fact: object) -> tuple[Money, ...]:
    found = [fact_money(one) for one in fact] if isinstance(fact, list) else []
    return tuple(amount for amount in found if amount is not None)


def amount_of(bill: Bill, unit: str = "") -> str:
    """`$1.47`, `$0.00: no plan window was full`, `unknown`; `unit` follows an amount that needs no reason."""
    if bill.amounts is None:
        return "unknown"
    charged = [amount for amount in bill.amounts if amount.minor]
    shown = amounts_text(charged or bill.amounts[:1])
    return f"{shown}: {bill.why}" if bill.why else f"{shown}{unit}"


def sentences(bill: Bill, repo: str, no_commits: str | None, tz: tzinfo) -> list[str]:
    """What a reader must know of the amount."""
    said = []
    if bill.amounts is None:
        said.append(f"What it cost cannot be told: {bill.why or 'it is not reckoned yet'}.")
    if bill.shared:
        names = [name.removeprefix(repo) for name in bill.shared]
        said.append(f"It shares what was spent at the same time with {listed(names)}, in equal parts.")
    if bill.later:
        more = amounts_text(bill.later)
        said.append(f"{more} more had been spent when the seat was next read: some of it may be this one's.")
    if no_commits is not None:
        said.append(f"It counts from its opening to its merge, because {no_commits}.")
    if not bill.settled:
        said.append(f"Not final yet: {_last_read(bill.read_at, tz)}.")
    return said


def _last_read(at: datetime | None, tz: tzinfo) -> str:
    return "nothing was read so far" if at is None else f"the last reading is from {moment(at, tz)}"


def names(seats: Sequence[str]) -> str:
    return listed([one_line(seat, 60) for seat in seats])
