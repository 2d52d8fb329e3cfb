"""The kinds of alerts in plain words: "mute ana thresholds" instead of "mute ana threshold_crossed"."""

from collections.abc import Mapping

from meterbot.core.models import EventKind

KIND_WORDS: Mapping[EventKind, str] = {
    EventKind.SPEND_STARTED: "first extra usage",
    EventKind.THRESHOLD_CROSSED: "thresholds",
    EventKind.BUDGET_CROSSED: "budgets",
    EventKind.SEAT_BLOCKED: "blocks",
    EventKind.SEAT_UNBLOCKED: "unblocks",
    EventKind.CHARGED_WITHIN_PLAN: "charges within the plan",
    EventKind.BALANCE_LOW: "low credits",
    EventKind.METERING_CHANGED: "changed settings",
    EventKind.WINDOW_FULL: "full windows",
    EventKind.WINDOW_RESET: "window resets",
    EventKind.RENEWAL_NEAR: "renewals",
    EventKind.SUBSCRIPTION_CHANGED: "subscription changes",
    EventKind.PERIOD_CLOSED: "monthly reports",
    EventKind.CAP_FORECAST: "cap forecasts",
    EventKind.SPEND_SPIKE: "spend spikes",
    EventKind.SOURCE_DOWN: "failed readings",
    EventKind.SOURCE_UP: "recovered readings",
    EventKind.DESTINATION_DOWN: "chat failures",
    EventKind.DESTINATION_UP: "chat recoveries",
    EventKind.IDENTITY_CHANGED: "account changes",
    EventKind.SESSION_EXPIRING: "expiring sessions",
    EventKind.PULL_REQUEST_MERGED: "pull requests",
    EventKind.DIGEST: "digests",
    EventKind.NOTICE: "direct messages",
}
