"""Events as messages: whose seat, what happened, what it means, what to do next and when it ends.

Each rule's words are in the file that is named like the rule's own.
"""

from collections.abc import Callable, Mapping
from datetime import tzinfo

from meterbot.core.messages import Action, Field, Message, button
from meterbot.core.models import Event, EventKind, Seat, Severity
from meterbot.core.money import show
from meterbot.core.text import moment, one_line, stopped
from meterbot.delivery.alerts import (
    billing,
    destination,
    limits,
    pace,
    pull_requests,
    source,
    spend,
)
from meterbot.delivery.alerts.facts import EventFacts, Words, instant
from meterbot.delivery.redaction import NO_OWNER, UNNAMED
from meterbot.rules import fact_money

_WORDS: Mapping[EventKind, Callable[[EventFacts], Words]] = {
    EventKind.SPEND_STARTED: spend.spend_started,
    EventKind.THRESHOLD_CROSSED: spend.threshold_crossed,
    EventKind.BUDGET_CROSSED: spend.budget_crossed,
    EventKind.CHARGED_WITHIN_PLAN: spend.charged_within_plan,
    EventKind.PERIOD_CLOSED: spend.period_closed,
    EventKind.CAP_FORECAST: pace.cap_forecast,
    EventKind.SPEND_SPIKE: pace.spend_spike,
    EventKind.SEAT_BLOCKED: limits.seat_blocked,
    EventKind.SEAT_UNBLOCKED: limits.seat_unblocked,
    EventKind.METERING_CHANGED: limits.metering_changed,
    EventKind.WINDOW_FULL: limits.window_full,
    EventKind.RENEWAL_NEAR: billing.renewal_near,
    EventKind.SUBSCRIPTION_CHANGED: billing.subscription_changed,
    EventKind.SOURCE_DOWN: source.source_down,
    EventKind.SOURCE_UP: source.source_up,
    EventKind.DESTINATION_DOWN: destination.destination_down,
    EventKind.DESTINATION_UP: destination.destination_up,
    EventKind.IDENTITY_CHANGED: source.identity_changed,
    EventKind.SESSION_EXPIRING: source.session_expiring,
    EventKind.PULL_REQUEST_MERGED: pull_requests.pull_request_merged,
    EventKind.DIGEST: spend.digest,
}

_NO_NUMBERS = Words(
    "A seat has news for its owner only",
    ("No owner of it is known here.",),
    (
        "Whoever runs meterbot writes down who it is, as the seat's owner, or names operators under [privacy].",
    ),
)
_SENTENCE = 200
_CAP_REACHED = "Cap reached at this pace"


def alert(event: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """The post for one event. `seat` is None for the team's."""
    words = _words(event, seat, tz)
    fields = [*words.fields, *_forecast(event, tz)]
    spent = [f"{field.value} spent" for field in fields if field.name == "Spent"]
    return Message(
        title=words.title,
        fallback=". ".join([words.title, *spent, *words.meaning[:1]]),
        severity=event.severity,
        text="\n".join([*words.meaning, *words.advice]),
        fields=tuple(fields),
        actions=_actions(seat),
        owner={} if seat is None else dict(seat.owner),
        footer=_small_print(event),
    )


def sentence(event: Event, seat: Seat | None, tz: tzinfo) -> str:
    """The whole fact, as a line among others."""
    words = _words(event, seat, tz)
    facts = [field.value for field in words.fields if field.name in {"Spent", "Until", "Resets"}]
    spent = f", {'; '.join(facts)}" if facts else ""
    said = stopped(one_line(f"{words.whole or words.title}{spent}", _SENTENCE))
    return said if seat == NO_OWNER else " ".join([said, *EventFacts(event, seat, tz).also()])


def resolved(alert: Event, by: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """What the posted alert is edited to once `by` has ended it: the facts stay, the advice goes, nobody is pinged."""
    words, line = _words(alert, seat, tz), resolution_line(by, seat, tz)
    return Message(
        title=f"Resolved: {words.title}",
        fallback=line.fallback,
        severity=Severity.GOOD,
        text=line.title,
        fields=words.fields,
        actions=_actions(seat),
        footer=_small_print(alert),
    )


def resolution_line(by: Event, seat: Seat | None, tz: tzinfo) -> Message:
    """The one line in the alert's thread."""
    line = f"{_words(by, seat, tz).title} since {moment(by.at, tz)}."
    return Message(title=line, fallback=line, severity=Severity.GOOD)


def _words(event: Event, seat: Seat | None, tz: tzinfo) -> Words:
    return _NO_NUMBERS if seat == NO_OWNER else _WORDS[event.kind](EventFacts(event, seat, tz))


def _actions(seat: Seat | None) -> tuple[Action, ...]:
    return () if seat is None or seat.name in UNNAMED else button("Show seat", "seat", seat.name)


def _forecast(event: Event, tz: tzinfo) -> list[Field]:
    """The pace, and when the cap falls at it: not at all when the counter starts again before."""
    pace, cap_eta = fact_money(event.facts.get("pace")), instant(event.facts.get("cap_eta"))
    if pace is None:
        return []
    fields = [Field("Pace", f"{show(pace, grouped=True)} per hour")]
    cap = fact_money(event.facts.get("cap"))
    if cap_eta is not None and cap_eta > event.at:
        fields.append(Field(_CAP_REACHED, moment(cap_eta, tz)))
    elif cap_eta is None and "cap_eta" in event.facts and cap is not None and cap.currency == pace.currency:
        fields.append(Field(_CAP_REACHED, "not before the counter starts again"))
    return fields


def _small_print(event: Event) -> str:
    """The rule, and what it compared with what."""
    if event.seat == NO_OWNER.name:
        return ""
    rule = event.kind.value.replace("_", " ").capitalize()
    return f"{rule}: {one_line(event.reason, 300)}"
