"""Alerts about the subscription: changes, and the next charge."""

from collections.abc import Mapping, Sequence
from datetime import tzinfo

from meterbot.core.inline import instant as when
from meterbot.core.messages import Column, Table
from meterbot.core.money import Money, show, totals
from meterbot.core.plans import list_price, plan_name
from meterbot.core.text import amounts_text, count, day_text, one_line
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts, day_of, instant
from meterbot.delivery.alerts.remedies import Remedy

_UNPAID = {"past_due", "unpaid"}
_TAKEN_BACK: Mapping[object, str] = {
    "ends_on": "the subscription no longer ends",
    "paused_until": "the subscription is no longer paused",
    "changes_to": "the planned change of plan was cancelled",
}
_RENEWALS = (Column("Seat"), Column("Renews"), Column("Fee", numeric=True))


def renewal_near(facts: EventFacts) -> AlertText:
    day, fee, plan = _day(facts), renewal_fee(facts), facts.text("changes_to")
    on = f"on {day}" if day else "soon"
    title = f"{facts.who} renews {on}{_days_left(facts)}{f': {fee}' if fee else ''}"
    details = (f"The plan then changes to {plan_name(plan)}.",) if plan else ()
    if facts.event.facts.get("configured"):
        details = (*details, "The date is from the configuration: no source reports it.")
    if read_at := facts.when("known_at"):
        details = (*details, f"The date was last read on {read_at}.")
    before = facts.amount("The month before", "previous_final")
    fields = facts.amount("Extra usage this month", "used") + before
    return AlertText(
        title, "To avoid the charge, cancel or change the plan in claude.ai before that day.", details, fields
    )


def _days_left(facts: EventFacts) -> str:
    days = facts.event.facts.get("days")
    if not isinstance(days, int):
        return ""
    return {0: ", today", 1: ", tomorrow"}.get(days, f", in {days} days")


def renewal_fee(facts: EventFacts) -> str | None:
    """As configured, or the list price of the account's plan where nothing is configured."""
    fee, listed = _fee(facts)
    if fee is None:
        return None
    return f"{show(fee, grouped=True)}{' (list price)' if listed else ''}"


def _fee(facts: EventFacts) -> tuple[Money | None, bool]:
    """The amount, and whether it is a list price."""
    if facts.seat is None:
        return None, False
    if facts.seat.plan_price is not None or facts.seat.plan is not None:
        return facts.seat.plan_price, False
    return list_price(facts.text("plan")), True


def renewals(several: Sequence[EventFacts], named: int) -> tuple[AlertText, Table]:
    """The next charges of several seats, and a row for each of the first `named`, the earliest charge first."""
    day, *others = {_day(facts) for facts in several}
    fees = [fee for fee in (_fee(facts)[0] for facts in several) if fee is not None]
    on = f" on {day}" if day and not others else ""
    total = f": {amounts_text(totals(fees).values())}" if len(fees) == len(several) else ""
    ordered = sorted(several[:named], key=lambda each: (str(each.event.facts.get("date")), each.who))
    rows = [(facts.who, _day(facts) or "soon", renewal_fee(facts) or "") for facts in ordered]
    more = len(several) - len(rows)
    note = f"and {more} more: see /claude-spend renewals" if more > 0 else ""
    text = AlertText(
        f"{count(len(several), 'renewal')}{on}{total}",
        "To avoid a charge, cancel or change the plan in claude.ai before that day.",
    )
    return text, Table("Next charges", _RENEWALS, tuple(rows), note)


def _day(facts: EventFacts) -> str | None:
    day = day_of(facts.event.facts.get("date"))
    return None if day is None else day_text(day)


def subscription_changed(facts: EventFacts) -> AlertText:
    changes = facts.items("changes") or []
    texts = [_change(change, facts.tz) for change in changes]
    unpaid = any(change.get("to") in _UNPAID for change in changes)
    title = f"{facts.who}: {'; '.join(texts) or 'the subscription has changed'}"
    return AlertText(title, facts.remedy(Remedy.UNPAID) if unpaid else "")


def _change(change: Mapping[str, object], tz: tzinfo) -> str:
    what, old, new = change.get("what"), change.get("from"), change.get("to")
    if new is None and what in _TAKEN_BACK:
        return _TAKEN_BACK[what]
    if what == "ends_on":
        return f"the subscription ends on {_date(new, tz)}"
    if what == "paused_until":
        return f"the subscription is paused until {_date(new, tz)}"
    if what == "changes_to":
        return f"the plan will change to {plan_name(str(new))}"
    was = "" if old is None else f" (it was {_word(old)})"
    return f"the subscription is {_word(new)}{was}"


def _date(value: object, tz: tzinfo) -> str:
    """Of a day or an instant."""
    if (day := day_of(value)) is not None:
        return day_text(day)
    at = instant(value)
    return "an unknown date" if at is None else when(at, tz)


def _word(value: object) -> str:
    return "unknown" if value is None else one_line(str(value)).replace("_", " ")
