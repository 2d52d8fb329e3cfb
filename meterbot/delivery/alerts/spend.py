"""Alerts about extra usage: its start, thresholds and budgets, its pace, closed periods."""

from collections.abc import Mapping, Sequence

from meterbot.core.messages import Field
from meterbot.core.money import show, totals
from meterbot.core.text import amounts_text, count, day_text, one_line, percent_text
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts, day_of, month_of, window_levels
from meterbot.delivery.alerts.limits import changes
from meterbot.delivery.alerts.remedies import Remedy
from meterbot.rules.fact_json import fact_money

_MOST_ROWS = 20
_CHECK = "Check what ran: some models and features are billed from the first prompt."
_REPORT = "If nothing explains it, report it to Anthropic support; Why? shows the evidence."


def spend_started(facts: EventFacts) -> AlertText:
    full = facts.items("full_windows")
    evidence = facts.month_end()
    if full:
        detail = f"The plan quota is used up{facts.full_windows()}, so prompts are billed."
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
    rise, before, used = (facts.shown(fact) for fact in ("rise", "before", "used"))
    evidence = _no_window_full(facts, "was")
    if before is not None and used is not None:
        since = f" since {at}" if (at := facts.when("before_at")) else ""
        evidence = (f"Extra usage went from {before} to {used}{since}.", *evidence)
    title = f"{facts.who} was charged{f' {rise}' if rise else ''} while the plan had room"
    return AlertText(title, f"{_CHECK} {_REPORT}", evidence=evidence)


def threshold_crossed(facts: EventFacts) -> AlertText:
    details = (*changes(facts), *facts.also_crossed(), *facts.pace())
    action = facts.remedy(_ahead(facts))
    return AlertText(_crossed(facts), action, details, facts.bar(), evidence=facts.month_end())


def _crossed(facts: EventFacts) -> str:
    """A first reading is a state: nothing was seen to cross."""
    used = facts.shown("used")
    if not facts.event.initial or used is None:
        return facts.with_spent(f"{facts.who} passed {facts.level()}")
    if facts.percent is None:
        return f"{facts.who} has spent {used} this month"
    share = percent_text(facts.percent)
    return facts.with_spent(f"{facts.who} is at {share} of the {facts.whole}", share=False)


def _ahead(facts: EventFacts) -> Remedy:
    if facts.money("cap") is None:
        return Remedy.NO_CAP
    return Remedy.CAP_AHEAD if facts.percent is None or facts.percent < 100 else Remedy.CAP_REACHED


def budget_crossed(facts: EventFacts) -> AlertText:
    partial = facts.event.facts.get("complete") is False
    missing = ("The real amount may be higher: not every seat could be read.",) if partial else ()
    action = "See who spends with /claude-spend. A budget only warns: it does not stop extra usage."
    details = (*facts.also_crossed(), *missing)
    return AlertText(_crossed(facts), action, details, facts.bar(), evidence=facts.month_end())


def cap_forecast(facts: EventFacts) -> AlertText:
    cap, pace, at, spent = facts.shown("cap"), facts.shown("pace"), facts.until("cap_eta"), facts.spent()
    which = f"the {cap} cap" if cap else "the cap"
    so_far = (f"{spent} so far, at {pace}/h.",) if spent and pace else ()
    return AlertText(
        f"{facts.who} will reach {which}{f' around {at}' if at else ' before the month ends'}",
        facts.remedy(Remedy.CAP_AHEAD),
        (*so_far, *_without_the_cap(facts)),
        facts.bar(),
        evidence=facts.month_end(),
    )


def _without_the_cap(facts: EventFacts) -> tuple[str, ...]:
    low, likely, high, cap = (facts.money(fact) for fact in ("low", "likely", "high", "cap"))
    if low is None or likely is None or high is None or cap is None or likely.currency != cap.currency:
        return ()
    between = f"{show(low, grouped=True)} and {show(high, grouped=True)}"
    return (f"Without the cap the month would end between {between}.",)


def spend_spike(facts: EventFacts) -> AlertText:
    pace, usual, times = facts.shown("pace"), facts.shown("usual"), facts.text("times")
    fast = "far faster than usual" if times is None else f"{times} times faster than usual"
    habit = (f"Normally under {usual}/h (90th percentile).",) if usual else ()
    so_far = (f"Extra usage so far: {spent}.",) if (spent := facts.spent()) else ()
    return AlertText(
        f"{facts.who} is spending {fast}{f': {pace}/h' if pace else ''}",
        "Check what runs: a loop, many agents at once, or a larger model.",
        (*habit, *so_far),
    )


def digest(facts: EventFacts) -> AlertText:
    """The stand-in for a digest whose own message is gone."""
    day = day_of(facts.event.facts.get("day"))
    return AlertText("A digest" if day is None else f"The digest of {day_text(day)}")


def period_closed(facts: EventFacts) -> AlertText:
    if facts.event.seat is None:
        return _month_closed(facts)
    period, final, read = facts.text("period"), facts.shown("final"), facts.when("final_at")
    month = "the period" if period is None else f"{month_of(period):%B}"
    return AlertText(
        f"{facts.who} closed {month} at {final or 'an unknown amount'}",
        fields=facts.amount("The month before", "previous_final"),
        evidence=(f"The final amount was read {read}.",) if read else (),
    )


def _month_closed(facts: EventFacts) -> AlertText:
    """The team's month: sums, seats, what is missing, and what the plans covered."""
    values, period = facts.event.facts, facts.text("period")
    month = "the month" if period is None else f"{month_of(period):%B}"
    rows = facts.items("seats") or []
    details = [_closed_row(row) for row in rows[:_MOST_ROWS]]
    details += [_others_closed(rows[_MOST_ROWS:])] if len(rows) > _MOST_ROWS else []
    details += _counted(values.get("unknown"), "Not in the sum, because they could not be read")
    details += _counted(values.get("open"), "Not yet in the new month, so their amounts may still change")
    covered, days = values.get("covered_days"), values.get("seat_days")
    details += [f"{covered} of {days} seat-days needed no extra usage."] if days else []
    previous, fees, blocked = facts.sums("previous"), facts.sums("fees"), values.get("blocked_hours")
    fields = [Field("The month before", previous)] if previous else []
    fields += [Field("Blocked", f"{blocked} hours")] if blocked else []
    prices = " (at list prices)" if values.get("fees_listed") else ""
    fields += [Field("Plan fees on top", f"{fees}{prices}")] if fees else []
    title = f"The team closed {month} at {facts.sums('totals') or 'an unknown amount'}"
    return AlertText(title, details=tuple(details), fields=tuple(fields))


def _counted(seats: object, why: str) -> list[str]:
    return [f"{why}: {count(seats, 'seat')}."] if isinstance(seats, int) and seats else []


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
    final, previous = fact_money(row.get("final")), fact_money(row.get("previous"))
    hours = row.get("blocked_hours")
    parts = ["unknown" if final is None else show(final, grouped=True)]
    parts += [] if previous is None else [f"{show(previous, grouped=True)} the month before"]
    parts += [f"blocked for {hours} hours"] if hours else []
    return f"{one_line(str(row.get('seat')), 40)}: {', '.join(parts)}"
