"""Why an alert was sent: the rule, the readings that were compared, the evidence, and the delivery."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from meterbot.core.deliveries import PostContent, Posting
from meterbot.core.inline import instant as when
from meterbot.core.messages import Message, Section
from meterbot.core.models import Event, Seat
from meterbot.core.money import show
from meterbot.core.text import age, one_line
from meterbot.delivery.alerts import KIND_WORDS, text_of
from meterbot.delivery.alerts.event_facts import EventFacts, instant
from meterbot.rules.fact_json import fact_money

_REASON = 280
_UTC = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00| UTC)")
"""How a rule's reason names an instant: `2026-04-21T13:30:00Z` or `2026-04-21 13:30 UTC`."""


def why(
    content: PostContent,
    seats: Mapping[str, Seat],
    tz: tzinfo,
    now: datetime,
    postings: Sequence[Posting] = (),
) -> Message:
    """The evidence for each event of a post, the newest first, and where it was delivered."""
    title = "Why this alert" if len(content.events) == 1 else "Why these alerts"
    sections = tuple(
        _section(event, seats, tz, now, [each for each in postings if each.event == event.key])
        for event in reversed(content.events)
    )
    return Message(title, f"{title}: {sections[0].lines[0]}", sections=sections)


def _section(
    event: Event, seats: Mapping[str, Seat], tz: tzinfo, now: datetime, postings: Sequence[Posting]
) -> Section:
    seat = None if event.seat is None else seats.get(event.seat)
    text, facts = text_of(event, seat, tz), EventFacts(event, seat, tz)
    compared = _UTC.sub(lambda found: _local(found[0], tz), one_line(event.reason, _REASON))
    lines = [f"Rule: {KIND_WORDS[event.kind]} ({event.kind.value})", f"Compared: {compared}", *text.evidence]
    lines += [_reading(reading, tz, now) for reading in facts.items("readings") or []]
    if (period := facts.text("period")) is not None:
        lines.append(f"Period: {period} (UTC)")
    lines += [_delivery(posting, tz) for posting in postings]
    return Section(tuple(lines), text.title)


def _local(text: str, tz: tzinfo) -> str:
    try:
        return when(datetime.fromisoformat(text.replace(" UTC", "Z")), tz)
    except ValueError:  # digits that are no instant
        return text


def _delivery(posting: Posting, tz: tzinfo) -> str:
    """`Delivery: slack C0123456789, Tue Apr 21 15:30`"""
    chat, channel = posting.destination.chat, posting.destination.channel
    where = f"{chat} {'a direct message' if channel.startswith('@') else one_line(channel, 60)}"
    if posting.waits:
        return f"Delivery: {where}, still waiting"
    return f"Delivery: {where}, {'in one post with others' if posting.at is None else when(posting.at, tz)}"


def _reading(reading: Mapping[str, object], tz: tzinfo, now: datetime) -> str:
    """`Read Tue Apr 21 15:30 (2 min ago): $17.20 used`"""
    used, at = fact_money(reading.get("used")), instant(reading.get("at"))
    amount = "the amount was unknown" if used is None else f"{show(used, grouped=True)} used"
    moment = "" if at is None else f" {when(at, tz)} ({age(at, now)})"
    return f"Read{moment}: {amount}"
