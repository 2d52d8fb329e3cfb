"""Alerts about pace: a cap that will be reached, and spend far above the habit."""

from meterbot.core.money import show
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts
from meterbot.delivery.alerts.remedies import Situation


def cap_forecast(facts: EventFacts) -> AlertText:
    cap, at, pace = facts.shown("cap"), facts.until("cap_eta"), facts.shown("pace")
    which = f"the {cap} cap" if cap else "the cap"
    title = f"{facts.who} will reach {which}{f' around {at}' if at else ' before the month ends'}"
    spent = facts.spent()
    speed = f" at {pace}/h" if pace else ""
    details = (*((f"{spent} so far,{speed}.",) if spent and speed else ()), *_month(facts))
    return AlertText(
        title, facts.remedy(Situation.CAP_AHEAD), details, facts.bar(), evidence=facts.month_end()
    )


def _month(facts: EventFacts) -> tuple[str, ...]:
    """`Without the cap the month would end between $54.10 and $72.20.`"""
    low, likely, high, cap = (facts.money(fact) for fact in ("low", "likely", "high", "cap"))
    if low is None or likely is None or high is None or cap is None or likely.currency != cap.currency:
        return ()
    between = f"{show(low, grouped=True)} and {show(high, grouped=True)}"
    return (f"Without the cap the month would end between {between}.",)


def spend_spike(facts: EventFacts) -> AlertText:
    pace, usual, times = facts.shown("pace"), facts.shown("usual"), facts.text("times")
    fast = "far faster than usual" if times is None else f"{times} times faster than usual"
    title = f"{facts.who} is spending {fast}{f': {pace}/h' if pace else ''}"
    habit = f"Normally under {usual}/h (90th percentile)." if usual else ""
    spent = facts.spent()
    details = tuple(text for text in (habit, f"Extra usage so far: {spent}." if spent else "") if text)
    return AlertText(title, "Check what runs: a loop, many agents at once, or a larger model.", details)
