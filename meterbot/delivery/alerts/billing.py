"""Alerts about the subscription: changes, and the next charge."""

from collections.abc import Mapping
from datetime import date, tzinfo

from meterbot.core.inline import instant as when
from meterbot.core.messages import Field
from meterbot.core.money import show
from meterbot.core.plans import list_price, plan_name
from meterbot.core.text import day_text, one_line
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts, day_of, instant
from meterbot.delivery.alerts.remedies import Situation

_UNPAID = {"past_due", "unpaid"}


def renewal_near(facts: EventFacts) -> AlertText:
    day, fee, plan = day_of(facts.event.facts.get("date")), renewal_fee(facts), facts.text("changes_to")
    on = "soon" if day is None else f"on {day_text(day)}"
    title = f"{facts.who} renews {on}{_days_left(facts)}{f': {fee}' if fee else ''}"
    details = (f"The plan then changes to {plan_name(plan)}.",) if plan else ()
    if facts.event.facts.get("configured"):
        details = (*details, "The date is from the configuration: no source reports it.")
    fields = facts.amount("Extra usage this month", "used") + facts.amount(
        "The period before", "previous_final"
    )
    return AlertText(
        title, "Cancel or change the plan in claude.ai before that day if you want to.", details, fields
    )


def _days_left(facts: EventFacts) -> str:
    days = facts.event.facts.get("days")
    if not isinstance(days, int):
        return ""
    return {0: ", today", 1: ", tomorrow"}.get(days, f", in {days} days")


def renewal_fee(facts: EventFacts) -> str | None:
    """As configured, or the list price of the account's plan where nothing is configured."""
    if facts.seat is None:
        return None
    if facts.seat.plan_price is not None:
        return show(facts.seat.plan_price, grouped=True)
    listed = None if facts.seat.plan is not None else list_price(facts.text("plan"))
    return None if listed is None else f"{show(listed, grouped=True)} (list price)"


def renewals(several: list[EventFacts]) -> tuple[Field, ...]:
    """The next charges of several seats, a field each: `Mon Apr 27: $200.00`."""
    named = []
    for facts in sorted(several, key=lambda each: (str(each.event.facts.get("date")), each.who)):
        day, fee = day_of(facts.event.facts.get("date")), renewal_fee(facts)
        named.append(Field(facts.who, f"{_day(day)}{f': {fee}' if fee else ''}"))
    return tuple(named)


def _day(day: date | None) -> str:
    return "soon" if day is None else day_text(day)


def subscription_changed(facts: EventFacts) -> AlertText:
    changes = facts.items("changes") or []
    texts = [_change(change, facts.tz) for change in changes]
    unpaid = any(change.get("to") in _UNPAID for change in changes)
    title = f"{facts.who}: {'; '.join(texts) or 'the subscription has changed'}"
    return AlertText(title, facts.remedy(Situation.UNPAID) if unpaid else "")


def _change(change: Mapping[str, object], tz: tzinfo) -> str:
    what, old, new = change.get("what"), change.get("from"), change.get("to")
    if what == "ends_on":
        day = day_of(new)
        return (
            "the subscription no longer ends" if day is None else f"the subscription ends on {day_text(day)}"
        )
    if what == "paused_until":
        return (
            "the subscription is no longer paused"
            if new is None
            else f"the subscription is paused until {_date(new, tz)}"
        )
    if what == "changes_to":
        return (
            "the planned change of plan was cancelled"
            if new is None
            else f"the plan will change to {plan_name(str(new))}"
        )
    was = "" if old is None else f" (it was {_word(old)})"
    return f"the subscription is {_word(new)}{was}"


def _date(value: object, tz: tzinfo) -> str:
    """Of a day or an instant."""
    text = str(value)
    if len(text) == len("2026-05-01"):
        return day_text(date.fromisoformat(text))
    at = instant(text)
    return "an unknown date" if at is None else when(at, tz)


def _word(value: object) -> str:
    return "unknown" if value is None else one_line(str(value)).replace("_", " ")
