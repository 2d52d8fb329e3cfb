"""Alerts about money: the first extra usage, charges within the plan, closed periods."""

from collections.abc import Mapping, Sequence
from datetime import date

from meterbot.core.messages import Field
from meterbot.core.money import show, totals
from meterbot.core.text import amounts_text, count, day_text, one_line
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts, month_of, window_levels, windows
from meterbot.rules.fact_json import fact_money

_MOST_ROWS = 20
_CHECK = "Check what ran: some models and features are billed from the first prompt."
_REPORT = "If nothing explains it, report it to Anthropic support; Why? shows the evidence."


def spend_started(facts: EventFacts) -> AlertText:
    full = facts.items("full_windows")
    evidence = facts.month_end()
    if full:
        detail = (
            f"The plan quota is used up ({windows(full, facts.tz, facts.event.at)}), so prompts are billed."
        )
        action = "Pause until the window resets if this is not wanted."
    elif full is None:
        detail, action = "", "Check whether the plan quota is used up: this reading did not say."
    elif facts.event.facts.get("within_plan") is True:
        detail, action = "The plan still had room.", f"{_CHECK} {_REPORT}"
        evidence = (*_no_window_full(facts, "was"), *evidence)
    else:
        detail, action = "No plan window is full.", _CHECK
        evidence = (*_no_window_full(facts, "is"), *evidence)
    title = facts.with_spent(f"{facts.who} started extra usage")
    return AlertText(title, action, (detail,) if detail else (), evidence=evidence)


def _no_window_full(facts: EventFacts, verb: str) -> tuple[str, ...]:
    since, levels = facts.when("before_at"), window_levels(facts)
    after = f" since {since}" if since and verb == "was" else ""
    return (f"Of the windows that were read, none {verb} full{after}{f' ({levels})' if levels else ''}.",)


def charged_within_plan(facts: EventFacts) -> AlertText:
    rise, before, used, since = (
        facts.shown("rise"),
        facts.shown("before"),
        facts.shown("used"),
        facts.when("before_at"),
    )
    evidence = _no_window_full(facts, "was")
    if before is not None and used is not None:
        evidence = (
            f"Extra usage went from {before} to {used}{f' since {since}' if since else ''}.",
            *evidence,
        )
    amount = "" if rise is None else f" {rise}"
    title = f"{facts.who} was charged{amount} while the plan had room"
    return AlertText(title, f"{_CHECK} {_REPORT}", evidence=evidence)


def digest(facts: EventFacts) -> AlertText:
    """The stand-in for a digest whose own message is gone."""
    day = facts.text("day")
    return AlertText(f"The digest of {day_text(date.fromisoformat(day))}" if day else "A digest")


def period_closed(facts: EventFacts) -> AlertText:
    if facts.event.seat is None:
        return _month_closed(facts)
    period, final, read = facts.text("period"), facts.shown("final"), facts.when("final_at")
    month = "the period" if period is None else f"{month_of(period):%B}"
    evidence = (f"The final amount was read {read}.",) if read else ()
    return AlertText(
        f"{facts.who} closed {month} at {final or 'an unknown amount'}",
        fields=facts.amount("The month before", "previous_final"),
        evidence=evidence,
    )


def _month_closed(facts: EventFacts) -> AlertText:
    """The team's month: sums, seats, what is missing, and what the plans covered."""
    values, period = facts.event.facts, facts.text("period")
    month = "the month" if period is None else f"{month_of(period):%B}"
    rows = facts.items("seats") or []
    details = [_closed_row(row) for row in rows[:_MOST_ROWS]]
    details += [_others_closed(rows[_MOST_ROWS:])] if len(rows) > _MOST_ROWS else []
    if isinstance(unknown := values.get("unknown"), int) and unknown:
        details.append(f"Not in the sum, because they could not be read: {count(unknown, 'seat')}.")
    if isinstance(still_open := values.get("open"), int) and still_open:
        details.append(
            f"Not yet in the new month, so their amounts may still change: {count(still_open, 'seat')}."
        )
    covered, days = values.get("covered_days"), values.get("seat_days")
    details += [f"{covered} of {days} seat-days needed no extra usage."] if days else []
    previous, fees, blocked = facts.sums("previous"), facts.sums("fees"), values.get("blocked_hours")
    fields = [Field("The month before", previous)] if previous else []
    fields += [Field("Blocked", f"{blocked} hours")] if blocked else []
    prices = " (at list prices)" if values.get("fees_listed") else ""
    fields += [Field("Plan fees on top", f"{fees}{prices}")] if fees else []
    title = f"The team closed {month} at {facts.sums('totals') or 'an unknown amount'}"
    return AlertText(title, details=tuple(details), fields=tuple(fields))


def _others_closed(rows: Sequence[Mapping[str, object]]) -> str:
    """`and 280 more: $11,228.00 together, without 3 seats whose amount is unknown`"""
    finals = [final for row in rows if (final := fact_money(row.get("final"))) is not None]
    unknown, others = len(rows) - len(finals), f"and {len(rows)} more"
    if not finals:
        return f"{others}: unknown"
    known = f"{others}: {amounts_text(totals(finals).values())} together"
    return f"{known}, without {count(unknown, 'seat')} whose amount is unknown" if unknown else known


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
