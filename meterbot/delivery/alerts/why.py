"""Why an alert was told: the rule, its level, the readings that were compared, the period, and the delivery."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from meterbot.core.deliveries import PostContent, Posting
from meterbot.core.messages import Message, Section
from meterbot.core.models import Event, Seat
from meterbot.core.money import show
from meterbot.core.text import age, moment, one_line
from meterbot.delivery import alerts
from meterbot.delivery.alerts.facts import instant
from meterbot.rules import fact_money

_REASON = 280


def why(
    card: PostContent, seats: Mapping[str, Seat], tz: tzinfo, now: datetime, tellings: Sequence[Posting] = ()
) -> Message:
    """The evidence for everything that the message tells, the newest first, and what became of telling it."""
    title = "Why this alert" if len(card.events) == 1 else "Why these alerts"
    sections = tuple(
        _section(event, seats, tz, now, [each for each in tellings if each.event == event.key])
        for event in reversed(card.events)
    )
    return Message(title, f"{title}: {sections[0].lines[0]}", sections=sections, footer=f"Alert {card.ref}")


def _section(
    event: Event, seats: Mapping[str, Seat], tz: tzinfo, now: datetime, tellings: Sequence[Posting]
) -> Section:
    seat = None if event.seat is None else seats.get(event.seat)
    lines = [f"Rule: {event.kind.value}", f"Compared: {one_line(event.reason, _REASON)}"]
    if event.level is not None:
        lines.append(f"Level: {one_line(event.level)}")
    lines += [_reading(reading, tz, now) for reading in _readings(event)]
    period = event.facts.get("period")
    if isinstance(period, str):
        lines.append(f"Period: {one_line(period)} (UTC)")
    lines += [_delivery(telling, tz) for telling in tellings]
    return Section(tuple(lines), alerts.alert(event, seat, tz).title)


def _delivery(telling: Posting, tz: tzinfo) -> str:
    """`Delivery: slack C0123456789, Tue Apr 21 15:30`"""
    channel = "a direct message" if telling.place.channel.startswith("@") else telling.place.channel
    where = f"{telling.place.chat} {one_line(channel, 60)}".strip()
    if telling.waits:
        return f"Delivery: {where}, still waiting"
    return f"Delivery: {where}, {'with others' if telling.at is None else moment(telling.at, tz)}"


def _readings(event: Event) -> list[Mapping[str, object]]:
    found = event.facts.get("readings")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _reading(reading: Mapping[str, object], tz: tzinfo, now: datetime) -> str:
    """`Read Tue Apr 21 15:30 (2 min ago): $17.20 used`"""
    used, at = fact_money(reading.get("used")), instant(reading.get("at"))
    amount = "the amount used was not known" if used is None else f"{show(used, grouped=True)} used"
    when = "" if at is None else f" {moment(at, tz)} ({age(at, now)})"
    return f"Read{when}: {amount}"
