"""An API organization's spend as text. Costs and estimates are never summed."""

from meterbot.core.money import percent, show
from meterbot.core.org_spend import (
    OrgEstimates,
    OrgLimits,
    OrgSpend,
    PersonLimit,
    projection,
)
from meterbot.core.text import amounts_text, count, one_line, percent_text

ESTIMATE = "list-price estimate, not charged to seats"


def spend_value(spend: OrgSpend) -> str:
    """`$148.45 this month (cost report)`"""
    costs, last = spend.costs, spend.last_month
    if costs is None and last is not None and last.amounts:
        least = "" if last.complete else "at least "
        return f"not known yet this month, {least}{amounts_text(last.amounts)} last month (cost report)"
    if costs is None or not costs.amounts:
        return "unknown"
    amounts = amounts_text(costs.amounts)
    if costs.complete:
        return f"{amounts} this month (cost report)"
    return f"at least {amounts} this month (cost report, incomplete)"


def estimate_value(estimates: OrgEstimates) -> str:
    """`$10.77 by 1 person (list-price estimate, not charged to seats)`"""
    if not estimates.amounts:
        return f"{'nothing' if estimates.complete else 'unknown'} ({ESTIMATE})"
    least = "" if estimates.complete else "at least "
    return f"{least}{amounts_text(estimates.amounts)} by {_people(estimates.people)} ({ESTIMATE})"


def spend_rows(spend: OrgSpend) -> list[tuple[str, str]]:
    """The rows of an organization, labels and values."""
    rows = [("API spend", spend_value(spend))]
    if ahead := projection(spend):
        amounts = amounts_text(ahead)
        rows.append(("Projection", f"{amounts} by the end of the month, at the average pace so far"))
    if spend.estimates is not None:
        rows.append(("Claude Code use", estimate_value(spend.estimates)))
    if spend.limits is not None:
        rows.append(("Spend limits", _limits_value(spend.limits)))
    return rows


def people_lines(spend: OrgSpend) -> list[str]:
    """A line for each person whose name is known: their estimate, and their limit if they have one."""
    lines = []
    for person in spend.estimates.by_person if spend.estimates else ():
        amounts = amounts_text(person.amounts) or "nothing"
        done = f", {count(person.pull_requests, 'pull request')}" if person.pull_requests else ""
        lines.append(f"{one_line(person.name, 60)}: {amounts} ({ESTIMATE}){done}")
    limited = spend.limits.people if spend.limits else ()
    named = [(person.name, person) for person in limited if person.name is not None]
    return lines + [f"{one_line(name, 60)}: {_limit_value(person)}" for name, person in named]


def _limits_value(limits: OrgLimits) -> str:
    reached = sum(_reached(person) for person in limits.people)
    unlimited = sum(person.limit is None for person in limits.people)
    parts = [_people(len(limits.people)), *([f"{reached} at the limit"] if reached else [])]
    parts += [f"{unlimited} unlimited"] if unlimited else []
    return ", ".join(parts if limits.complete else [f"at least {parts[0]}", *parts[1:]])


def _reached(person: PersonLimit) -> bool:
    """A limit of 0 means "included usage only" and is never reached."""
    share = None if person.used is None or person.limit is None else percent(person.used, person.limit)
    return share is not None and share >= 100


def _limit_value(person: PersonLimit) -> str:
    used = "unknown" if person.used is None else show(person.used, grouped=True)
    old = ", the last known" if person.used_old else ""
    if person.limit is None:
        return f"{used} used (unlimited{old})"
    share = None if person.used is None else percent(person.used, person.limit)
    limit = show(person.limit, grouped=True)
    return f"{used} / {limit}{'' if share is None else f' ({percent_text(share)}{old})'}"


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"
