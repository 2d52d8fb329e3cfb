"""The kinds of alerts: the words for each, and the function that has its text."""

from collections.abc import Callable, Mapping
from datetime import tzinfo

from meterbot.core.log import get_logger
from meterbot.core.models import Event, EventKind, Seat
from meterbot.core.text import one_line
from meterbot.delivery.alerts import billing, health, limits, pull_requests, spend
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts
from meterbot.delivery.redaction import NO_OWNER

_KINDS: Mapping[EventKind, tuple[str, Callable[[EventFacts], AlertText]]] = {
    EventKind.SPEND_STARTED: ("first extra usage", spend.spend_started),
    EventKind.THRESHOLD_CROSSED: ("thresholds", spend.threshold_crossed),
    EventKind.BUDGET_CROSSED: ("budgets", spend.budget_crossed),
    EventKind.CHARGED_WITHIN_PLAN: ("charges within the plan", spend.charged_within_plan),
    EventKind.PERIOD_CLOSED: ("monthly reports", spend.period_closed),
    EventKind.CAP_FORECAST: ("cap forecasts", spend.cap_forecast),
    EventKind.SPEND_SPIKE: ("spend spikes", spend.spend_spike),
    EventKind.SEAT_BLOCKED: ("blocks", limits.seat_blocked),
    EventKind.SEAT_UNBLOCKED: ("unblocks", limits.seat_unblocked),
    EventKind.BALANCE_LOW: ("low credits", limits.balance_low),
    EventKind.METERING_CHANGED: ("changed settings", limits.metering_changed),
    EventKind.WINDOW_FULL: ("full windows", limits.window_full),
    EventKind.WINDOW_RESET: ("window resets", limits.window_reset),
    EventKind.RENEWAL_NEAR: ("renewals", billing.renewal_near),
    EventKind.SUBSCRIPTION_CHANGED: ("subscription changes", billing.subscription_changed),
    EventKind.SOURCE_DOWN: ("failed readings", health.source_down),
    EventKind.SOURCE_UP: ("recovered readings", health.source_up),
    EventKind.DESTINATION_DOWN: ("chat failures", health.destination_down),
    EventKind.DESTINATION_UP: ("chat recoveries", health.destination_up),
    EventKind.IDENTITY_CHANGED: ("account changes", health.identity_changed),
    EventKind.SESSION_EXPIRING: ("expiring sessions", health.session_expiring),
    EventKind.PULL_REQUEST_MERGED: ("pull requests", pull_requests.pull_request_merged),
    EventKind.DIGEST: ("digests", spend.digest),
    EventKind.NOTICE: ("direct messages", health.a_notice),
}
KIND_WORDS = {kind: words for kind, (words, _) in _KINDS.items()}
"""The kinds of alerts in plain words: "mute ana thresholds" instead of "mute ana threshold_crossed"."""

log = get_logger(__name__)

_NO_OWNER = AlertText(
    "There is a private alert for a seat without an owner",
    "Ask the operator to set `owner` for this seat, or to name operators under [privacy].",
)
_REASON = 200


def text_of(event: Event, seat: Seat | None, tz: tzinfo) -> AlertText:
    if seat == NO_OWNER:
        return _NO_OWNER
    facts = EventFacts(event, seat, tz)
    try:
        return _KINDS[event.kind][1](facts)
    except Exception:
        # Facts of another version, or a bug: the alert is sent in plain words, and holds up nothing behind it.
        log.exception("an alert's facts cannot be read", kind=event.kind.value, seat=event.seat)
        return AlertText(f"{facts.who}: {KIND_WORDS[event.kind]}", details=(one_line(event.reason, _REASON),))
