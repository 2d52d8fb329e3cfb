"""The answers to `/claude-spend pr`: one pull request, and the month's."""

import re
from collections.abc import Iterable, Sequence
from datetime import date, tzinfo
from functools import partial

from meterbot.commands.context import CommandContext, Request
from meterbot.commands.privacy import View
from meterbot.commands.report_json import amounts_json, json_object
from meterbot.commands.rows import Columns, amount_text, table
from meterbot.core.messages import Column, Message, Section, Table, buttons, notice
from meterbot.core.money import percent
from meterbot.core.text import amounts_text, count, local_day, moment, one_line, percent_text, stretch
from meterbot.delivery.alerts.pull_requests import amount_of, names, sentences
from meterbot.ingest.pull_requests import month_so_far
from meterbot.rules.pull_requests import Bill, PullRequest, PullRequestMonth
from meterbot.store import pull_requests as records

_MOST_LINES = 25
_NUMBER = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)?#?(?P<number>\d{1,10})", re.ASCII)
_RECORDED = (
    "meterbot records a merged pull request when GitHub's webhook reports it and its author has a seat. If one is "
    "missing, check the webhook's recent deliveries on GitHub."
)


async def answer(context: CommandContext, request: Request) -> Message:
    """`pr` or `pr NUMBER`, also `pr owner/repo#NUMBER`."""
    view, wanted = await context.view(request), " ".join(request.arguments)
    if not wanted:
        names = [name for name in context.seats if _may_ask_for(view, [name])]
        found = await month_so_far(context.store, context.seats, names, view.report.as_of)
        return month(view, found)
    asked = _NUMBER.fullmatch(wanted)
    if asked is None:
        text = f"“{one_line(wanted, 40)}” is not a pull request number. Type “pr 812” or “pr owner/repo#812”."
        return notice("Which pull request?", text)
    stored = await context.store.read(partial(records.numbered, number=int(asked["number"])))
    pulls = [one.pull for one in stored if asked["repo"] in {None, one.pull.merged.repo}]
    if not pulls:
        title = f"PR #{asked['number']} is not recorded"
        return notice(title, _RECORDED)
    shown = [pull for pull in pulls if _may_ask_for(view, pull.seats)]
    if not shown:
        return notice("Not shown", "Only its author may see here what a pull request cost.")
    return pull_requests(view, shown, request.words)


def _may_ask_for(view: View, seats: Iterable[str]) -> bool:
    return view.rows == "named" or any(map(view.may_ask_for, seats))


def _bill(pull: PullRequest) -> Bill:
    """Its cost; until that is calculated, why it is unknown."""
    waiting = f"meterbot has not {'calculated it' if pull.ready else 'read the commits'} yet"
    return pull.bill or Bill(None, why=waiting)


def pull_requests(view: View, pulls: Sequence[PullRequest], words: Sequence[str]) -> Message:
    """These in full, usually one; several repositories may have the same number."""
    title = f"PR #{pulls[0].merged.number}"
    said = [f"{title}: {amount_of(_bill(pull))} ({names(pull.seats)})" for pull in pulls]
    return Message(
        title=title,
        fallback="; ".join(said),
        sections=tuple(section for pull in pulls for section in _sections(pull, view.tz)),
        actions=() if view.public else buttons(*words),
        footer=f"As of {moment(view.report.as_of, view.tz)}",
    )


def branch(name: str, pull: PullRequest, tz: tzinfo) -> Message:
    """A branch that was not merged, as if it were."""
    title, sections = f"Branch {one_line(name, 200)}", _sections(pull, tz, merged=False)
    return Message(title, f"{title}: {amount_of(_bill(pull))}", sections=tuple(sections))


def _sections(pull: PullRequest, tz: tzinfo, *, merged: bool = True) -> list[Section]:
    bill = _bill(pull)
    rows = [
        ("Extra usage", amount_of(bill)),
        ("Seat", names(pull.seats)),
        ("Window", stretch(pull.window.start, pull.window.end, tz)),
    ]
    if merged:
        rows += [
            ("Merged", moment(pull.merged.merged_at, tz)),
            ("Repository", one_line(pull.merged.repo, 200)),
        ]
    labels, lines = zip(*rows, strict=True)
    said = tuple(sentences(bill, pull.merged.repo, pull.no_commits, tz))
    return [Section(lines, labels=labels), *([Section(said)] if said else [])]


def month(view: View, found: PullRequestMonth) -> Message:
    """The month's table, and how many more were merged, which are not for the person who asks."""
    text = [*_typical(found), *_unmerged(found)]
    if not found.pulls:
        text.insert(0, f"No merged pull requests are recorded for this month. {_RECORDED}")
    if found.hidden:
        text.append(f"{count(found.hidden, 'pull request')} of others not shown: each is for its author.")
    title = f"Pull requests, {date.fromisoformat(f'{found.month}-01'):%B %Y}"
    return Message(
        title=title,
        fallback=". ".join([title, *(line.rstrip(".") for line in text)]),
        text="\n".join(text),
        tables=_table(found.pulls, view.tz),
        actions=() if view.public else buttons("pr"),
        footer=f"Extra usage of this month (UTC), as of {moment(view.report.as_of, view.tz)}",
    )


def _table(pulls: Sequence[PullRequest], tz: tzinfo) -> tuple[Table, ...]:
    several = len({pull.merged.repo for pull in pulls}) > 1
    columns: Columns[PullRequest] = (
        (Column("Pull request"), lambda pull: pull.merged.name if several else f"#{pull.merged.number}"),
        (Column("Cost", numeric=True), lambda pull: _cell(pull.bill)),
        (Column("Seat"), lambda pull: names(pull.seats)),
        (Column("Merged", before="merged "), lambda pull: local_day(pull.merged.merged_at, tz)),
    )
    more = len(pulls) - _MOST_LINES
    return table("Merged", columns, pulls[:_MOST_LINES], f"and {more} more" if more > 0 else "")


def _cell(bill: Bill | None) -> str:
    """Short: `$1.47`, `$1.47 (shared)`, `unknown`."""
    if bill is None or bill.amounts is None:
        return "unknown"
    marks = [word for word, so in (("shared", bill.shared), ("not final", not bill.settled)) if so]
    amount = amount_of(Bill(bill.amounts))
    return f"{amount} ({', '.join(marks)})" if marks else amount


def _typical(found: PullRequestMonth) -> list[str]:
    if not found.medians:
        return []
    unknown = sum(pull.bill is None or pull.bill.amounts is None for pull in found.pulls)
    left_out = f" ({unknown} unknown left out)" if unknown else ""
    merged = count(len(found.pulls), "pull request")
    return [f"{merged} merged, median {amounts_text(found.medians)}{left_out}."]


def _unmerged(found: PullRequestMonth) -> list[str]:
    lines = []
    for spent, left in zip(found.spent, found.unmerged, strict=True):
        share = percent(left, spent)
        if share is not None:
            amounts = f"{amount_text(left)} of {amount_text(spent)} ({percent_text(share)})"
            lines.append(f"{amounts} was spent outside merged pull requests.")
    return lines


def pull_json(pull: PullRequest) -> dict[str, object]:
    """One pull request for other programs. Unknown is null."""
    merged = pull.merged
    values = {
        "repo": merged.repo,
        "number": merged.number,
        "merge": merged.merge,
        "author": merged.author,
        "merged_at": merged.merged_at,
    }
    return {**json_object(values), **cost_json(pull)}


def cost_json(pull: PullRequest) -> dict[str, object]:
    """The cost of a pull request or a branch."""
    bill = _bill(pull)
    values = {
        "seats": pull.seats,
        "start": pull.window.start,
        "end": pull.window.end,
        "dated_by": "commits" if pull.commits else "opening",
        "amounts": None if bill.amounts is None else amounts_json(bill.amounts),
        "why": bill.why,
        "shared_with": bill.shared,
        "later": amounts_json(bill.later),
        "settled": bill.settled,
    }
    return json_object(values)


def month_json(found: PullRequestMonth) -> dict[str, object]:
    return {
        "month": found.month,
        "pull_requests": [pull_json(pull) for pull in found.pulls],
        "medians": amounts_json(found.medians),
        "spent": amounts_json(found.spent),
        "unmerged": amounts_json(found.unmerged),
    }
