"""What is said about the subscription: changes, and the next charge."""

from collections.abc import Mapping

from meterbot.core.messages import Field
from meterbot.core.money import show
from meterbot.core.plans import list_price
from meterbot.core.text import day_text, one_line
from meterbot.delivery.alerts.facts import EventFacts, Words, day_of

_UNPAID = {"past_due", "unpaid"}


def renewal_near(told: EventFacts) -> Words:
    day, days = day_of(told.event.facts.get("date")), told.event.facts.get("days")
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days") if isinstance(days, int) else "soon"
    title = f"{told.who} renews {when}" if day is None else f"{told.who} renews on {day_text(day)}, {when}"
    fee = _fee(told)
    spent = told.amount("Spent this month", "used") + told.amount("The period before", "previous_final")
    plan = told.text("changes_to")
    meaning = (f"The plan changes to {plan} then.",) if plan else ()
    if told.event.facts.get("configured"):
        meaning = ("The day is as configured: no source tells it.", *meaning)
    return Words(title, meaning, ("To end or change it, do so in claude.ai before that day.",), fee + spent)


def _fee(told: EventFacts) -> tuple[Field, ...]:
    """As configured, or as the account's plan is listed where nothing is configured."""
    if told.seat is None:
        return ()
    if told.seat.plan_price is not None:
        return (Field("Plan fee", show(told.seat.plan_price, grouped=True)),)
    listed = None if told.seat.plan is not None else list_price(told.text("plan"))
    return () if listed is None else (Field("Plan fee", f"{show(listed, grouped=True)} (list price)"),)


def subscription_changed(told: EventFacts) -> Words:
    changes = told.items("changes") or []
    lines = [_change(change) for change in changes]
    unpaid = any(change.get("to") in _UNPAID for change in changes)
    pay = ("A payment has failed: check the payment method in claude.ai under Settings, Billing.",)
    if len(lines) == 1:
        return Words(f"{told.who}: {lines[0]}", (), pay if unpaid else ())
    said = tuple(f"{line[0].upper()}{line[1:]}." for line in lines)
    title = f"{told.who}: the subscription has changed"
    return Words(title, said, pay if unpaid else (), whole=f"{told.who}: {'; '.join(lines)}")


def _change(change: Mapping[str, object]) -> str:
    what, old, new = change.get("what"), change.get("from"), change.get("to")
    if what == "ends_on":
        day = day_of(new)
        return "the subscription will not end" if day is None else f"the subscription ends on {day_text(day)}"
    if what == "paused_until":
        day = day_of(new)
        return "the pause is over" if day is None else f"the subscription pauses until {day_text(day)}"
    if what == "changes_to":
        return "no change of plan is scheduled" if new is None else f"the plan will change to {_word(new)}"
    return f"the subscription is {_word(new)}, it was {_word(old)}"


def _word(value: object) -> str:
    return "unknown" if value is None else one_line(str(value)).replace("_", " ")
