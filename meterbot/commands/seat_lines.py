"""The lines of one reading, of a seat or an API organization, the same on every surface."""

from datetime import datetime, tzinfo

from meterbot.core.inline import instant, plain
from meterbot.core.models import ExtraUsage, Health, Snapshot, Subscription, Window
from meterbot.core.money import percent, rounded, show
from meterbot.core.org_spend import OrgEstimates, OrgLimits, OrgSpend, PersonLimit, projection
from meterbot.core.text import (
    WINDOW_ORDER,
    age,
    ahead,
    amounts_text,
    count,
    local_day,
    one_line,
    percent_text,
    window_label,
)
from meterbot.rules.billing import next_charge
from meterbot.rules.blocked import Block, block_of, is_metered

_ORDER = {name: place for place, name in enumerate(WINDOW_ORDER)}
ESTIMATE = "list-price estimate, not charged to seats"


def seat_lines(
    snapshot: Snapshot, now: datetime, tz: tzinfo, windows_at: datetime | None = None
) -> tuple[str, ...]:
    """The seat's lines in fixed columns: windows, `Extra usage`, `Next charge`."""
    return tuple(f"{label:<16} {plain(value)}" for label, value in seat_values(snapshot, now, tz, windows_at))


def seat_values(
    snapshot: Snapshot, now: datetime, tz: tzinfo, windows_at: datetime | None = None
) -> list[tuple[str, str]]:
    """The label and the value of each of the seat's lines, as every surface shows them.

    `windows_at` is when the windows were read, where that is earlier than the rest.
    """
    read_at = windows_at or snapshot.fetched_at
    windows = sorted(snapshot.windows, key=lambda window: _ORDER.get(window.name, len(_ORDER)))
    rows = [(window_label(window.name), _window_value(window, read_at, now, tz)) for window in windows]
    value = extra_usage_value(snapshot, now, tz)
    if value is not None:
        rows.append(("Extra usage", value))
        rows += _balance_rows(snapshot, now)
    if snapshot.org_spend is not None:
        rows += spend_rows(snapshot.org_spend)
    return rows + _billing_rows(snapshot.subscription)


def snapshot_text(snapshot: Snapshot, now: datetime, tz: tzinfo, *, emails: bool = False) -> str:
    """One reading for a person: whose it is, its lines, and what went wrong. `emails`: with the people it names. A
    pushed seat cannot be asked, so that its last reading is shown with its age."""
    where = [one_line(snapshot.org_name or snapshot.org_uuid)] if snapshot.org_uuid else []
    stored = [f"as sent {age(snapshot.fetched_at, now)}"] if where and snapshot.source == "push" else []
    whose = f"{one_line(snapshot.seat)} ({snapshot.source})"
    head = ", ".join([whose, *where, health_text(snapshot.health), *stored])
    said = [snapshot.detail] if snapshot.detail else []
    trouble = [*said, *snapshot.errors, *(f"drift: {field}" for field in snapshot.drift)]
    people = people_lines(snapshot.org_spend) if emails and snapshot.org_spend is not None else []
    return "\n".join([head, *seat_lines(snapshot, now, tz), *people, *map(one_line, trouble)])


def health_text(health: Health) -> str:
    """`session expired`"""
    return health.value.replace("_", " ")


def extra_usage_value(snapshot: Snapshot, now: datetime, tz: tzinfo) -> str | None:
    """`$17.20 / $50.00 (34%)`, or None where nothing is metered or nothing could be read."""
    extra, block = snapshot.extra_usage, block_of(snapshot.extra_usage, snapshot.windows, now)
    if extra is None or not is_metered(extra, blocked=block is not None):
        return None
    return _amounts(extra) if block is None else f"{_amounts(extra)}  {blocked_text(block, tz)}"


def blocked_text(block: Block, tz: tzinfo) -> str:
    """`BLOCKED until Fri May 1`"""
    return "BLOCKED" if block.until is None else f"BLOCKED until {local_day(block.until, tz)}"


def _balance_rows(snapshot: Snapshot, now: datetime) -> list[tuple[str, str]]:
    balance = None if snapshot.extra_usage is None else snapshot.extra_usage.balance
    if balance is None:
        return []
    older = balance.at is not None and balance.at < snapshot.fetched_at
    asides = ["the organization's"] * balance.shared + ["auto-reload on"] * bool(balance.auto_reload)
    asides += [f"as of {age(balance.at, now)}"] if older and balance.at is not None else []
    aside = f" ({', '.join(asides)})" if asides else ""
    return [("Prepaid credits", f"{show(balance.amount)} left{aside}")]


def amount_known(snapshot: Snapshot) -> bool:
    """Whether this reading says what was spent: an amount, or that nothing is metered."""
    if snapshot.org_spend is not None:
        return snapshot.org_spend.costs is not None
    extra = snapshot.extra_usage
    if not snapshot.extra_usage_read:
        return False
    return extra is None or extra.used is not None or not is_metered(extra, blocked=False)


def _amounts(extra: ExtraUsage) -> str:
    used = "unknown" if extra.used is None else show(extra.used)
    if extra.cap is not None:
        share = percent(extra.used, extra.cap)
        return f"{used} / {show(extra.cap)}" + ("" if share is None else f" ({percent_text(share)})")
    word = used if extra.used is None else f"{used} used"
    return f"{word} ({'no cap' if extra.cap_known else 'cap unknown'})"


def _window_value(window: Window, read_at: datetime, now: datetime, tz: tzinfo) -> str:
    value = "unknown" if window.utilization is None else f"{rounded(window.utilization, 1):5.1f}% used"
    if window.resets_at is None:
        return value
    if read_at < window.resets_at <= now:
        return f"has reset since (was {value.strip()})"
    return f"{value}    -> resets {instant(window.resets_at, tz)}{ahead(window.resets_at, now)}"


def _billing_rows(subscription: Subscription | None) -> list[tuple[str, str]]:
    if subscription is None:
        return []
    charge = next_charge(subscription)
    mark = "  (as configured)" if subscription.configured else ""
    rows = [] if charge is None else [("Next charge", f"{charge.isoformat()}{mark}")]
    if subscription.ends_on is not None:
        rows.append(("Ends on", subscription.ends_on.isoformat()))
    return rows


# --- an API organization: costs and estimates are never summed ----------------------------------------------------


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
    if whole_month := projection(spend):
        amounts = amounts_text(whole_month)
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
    shares = [percent(person.used, person.limit) for person in limits.people]
    reached = sum(share is not None and share >= 100 for share in shares)  # a limit of 0 never is
    unlimited = sum(person.limit is None for person in limits.people)
    parts = [_people(len(limits.people)), *[f"{reached} at the limit"] * bool(reached)]
    parts += [f"{unlimited} unlimited"] * bool(unlimited)
    return ", ".join(parts if limits.complete else [f"at least {parts[0]}", *parts[1:]])


def _limit_value(person: PersonLimit) -> str:
    used = "unknown" if person.used is None else show(person.used, grouped=True)
    old = ", the last known" if person.used_old else ""
    if person.limit is None:
        return f"{used} used (unlimited{old})"
    share = percent(person.used, person.limit)
    limit = show(person.limit, grouped=True)
    return f"{used} / {limit}{'' if share is None else f' ({percent_text(share)}{old})'}"


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"
