"""What is said about money: the first dollar, levels, charges within the plan, closed periods."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from meterbot.core.messages import Field
from meterbot.core.money import show
from meterbot.core.text import day_text, listed, one_line, percent_text
from meterbot.delivery.alerts.facts import (
    USAGE_SETTINGS,
    EventFacts,
    Words,
    month_of,
    window_name,
    windows,
)
from meterbot.rules import fact_money

_MOST_ROWS = 20
_LOOK = (
    "Look at what it ran: some models and features are billed from the first prompt.",
    "If nothing explains it, this message is evidence for Anthropic's support.",
)


def spend_started(told: EventFacts) -> Words:
    full = told.items("full_windows")
    if full:
        meaning = f"Its plan quota is used up ({windows(full, told.tz)}), so what it uses now is billed."
        advice: tuple[str, ...] = ("If that is not wanted, pause until the window resets.",)
    elif full is None:
        meaning, advice = "Whether its plan quota is used up is unknown.", ()
    elif told.event.facts.get("within_plan") is True:
        since = told.moment("before_at")
        after = f" since {since}" if since else ""
        meaning = (
            f"No window of its plan was full{after}{_levels(told)}: this was billed while the plan had room."
        )
        advice = _LOOK
    else:
        meaning = f"No window of its plan is full{_levels(told)}."
        advice = _LOOK[:1]
    return Words(
        f"{told.who} has started to spend extra", (meaning,), (*advice, *told.month_end()), told.spent()
    )


def _levels(told: EventFacts) -> str:
    """` (5-hour at 42% and 7-day all at 12%)`"""
    levels = [
        f"{window_name(window)} at {percent_text(Decimal(str(window['utilization'])))}"
        for window in told.items("windows") or []
        if window.get("utilization") is not None
    ]
    return f" ({listed(levels)})" if levels else ""


def threshold_crossed(told: EventFacts) -> Words:
    used, share = told.money("used"), told.share
    if not told.event.initial or used is None:
        title = f"{told.who} has reached {told.level()}"
    elif share is not None:
        title = f"{told.who} is at {percent_text(share)} of its cap"
    else:
        title = f"{told.who} has spent {show(used, grouped=True)} this month"
    return Words(title, told.also(), (_what_the_cap_does(told), *told.month_end()), told.spent())


def _what_the_cap_does(told: EventFacts) -> str:
    if told.money("cap") is None:
        return f"No known cap will stop it: if that is too much, set one {USAGE_SETTINGS}."
    stops = "Extra usage stops when" if told.share is None or told.share < 100 else "Extra usage has stopped:"
    return f"{stops} the cap is spent. If the work must go on, raise it {USAGE_SETTINGS}."


def budget_crossed(told: EventFacts) -> Words:
    title = f"The team has reached {told.level()}"
    if told.event.initial and told.share is not None:
        title = f"The team is at {percent_text(told.share)} of its budget"
    partial = told.event.facts.get("complete") is False
    meaning = ("It may be more: not every seat could be read.",) if partial else ()
    advice = "A budget stops nothing by itself. Ask /claude-spend for the seats."
    return Words(title, (*told.also(), *meaning), (advice, *told.month_end()), told.spent())


def charged_within_plan(told: EventFacts) -> Words:
    rise, before, used = told.money("rise"), told.money("before"), told.money("used")
    since = told.moment("before_at")
    amount = "" if rise is None else f" {show(rise, grouped=True)}"
    meaning = []
    if before is not None and used is not None:
        after = f" since {since}" if since else ""
        meaning.append(
            f"Its counter went from {show(before, grouped=True)} to {show(used, grouped=True)}{after}."
        )
    meaning.append(f"No window of its plan was full{_levels(told)}.")
    return Words(f"{told.who} was charged{amount} while its plan had room", tuple(meaning), _LOOK)


def digest(told: EventFacts) -> Words:
    """What is left to say of one whose own words are gone."""
    day = told.text("day")
    return Words(f"The digest of {day_text(date.fromisoformat(day))}" if day else "A digest")


def period_closed(told: EventFacts) -> Words:
    if told.event.seat is None:
        return _month_closed(told)
    period, final, read = told.text("period"), told.money("final"), told.moment("final_at")
    month = "its period" if period is None else f"{month_of(period):%B}"
    amount = "an unknown amount" if final is None else show(final, grouped=True)
    meaning = [f"The final amount was read {read}; the counter has started again since."] if read else []
    fields = told.amount("Spent in all", "final") + told.amount("The period before", "previous_final")
    return Words(f"{told.who} closed {month} at {amount}", tuple(meaning), (), fields)


def _month_closed(told: EventFacts) -> Words:
    """The team's month: sums, seats, what stood in the way, and what the plans covered."""
    facts, period = told.event.facts, told.text("period")
    month = "the month" if period is None else f"{month_of(period):%B}"
    whole = told.amounts("totals") or "an unknown amount"
    rows = told.items("seats") or []
    lines = [_closed_row(row) for row in rows[:_MOST_ROWS]]
    lines += [f"and {len(rows) - _MOST_ROWS} more"] if len(rows) > _MOST_ROWS else []
    asides = []
    if facts.get("unknown"):
        asides.append(f"{facts['unknown']} could not be read and are in no sum.")
    if facts.get("open"):
        asides.append(f"{facts['open']} have not started again yet: these may still change.")
    previous, fees = told.amounts("previous"), told.amounts("fees")
    fields = [Field("Spent in all", whole)]
    fields += [Field("The month before", previous)] if previous else []
    fields += [Field("Blocked", f"{facts['blocked_hours']} hours")] if facts.get("blocked_hours") else []
    fields += [Field("Plan fees on top", fees)] if fees else []
    covered, days = facts.get("covered_days"), facts.get("seat_days")
    bought = f"The plans alone covered {covered} of {days} seat-days." if days else ""
    meaning = (*lines, *asides, *([bought] if bought else []))
    return Words(f"The team closed {month} at {whole}", meaning, (), tuple(fields))


def _closed_row(row: Mapping[str, object]) -> str:
    """`ana: $48.20, $31.00 the month before, blocked for 27 hours`"""
    final, previous, hours = (
        fact_money(row.get("final")),
        fact_money(row.get("previous")),
        row.get("blocked_hours"),
    )
    parts = ["unknown" if final is None else show(final, grouped=True)]
    parts += [] if previous is None else [f"{show(previous, grouped=True)} the month before"]
    parts += [f"blocked for {hours} hours"] if hours else []
    return f"{one_line(str(row.get('seat')), 40)}: {', '.join(parts)}"
