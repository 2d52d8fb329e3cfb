"""Events with valid facts, for tests of the alerts' texts."""

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from meterbot.core.messages import Message
from meterbot.core.models import Event, EventKind, Severity
from meterbot.delivery.alerts.message import alert
from meterbot.rules.fact_json import money_fact
from tests.teams import NOW, money, seat

BERLIN = ZoneInfo("Europe/Berlin")

FULL = [{"window": "five_hour", "utilization": "100", "resets_at": "2026-04-30T12:00:00Z"}]

ROOM = [
    {"window": "five_hour", "utilization": "41.5", "resets_at": None},
    {"window": "seven_day", "utilization": "12", "resets_at": None},
]


def usd(amount: str) -> dict[str, object] | None:
    return money_fact(money(amount))


SPENT: dict[str, object] = {"used": usd("42"), "cap": usd("50"), "percent": "84"}

OF_NO_SEAT = {
    EventKind.DIGEST,
    EventKind.BUDGET_CROSSED,
    EventKind.DESTINATION_DOWN,
    EventKind.DESTINATION_UP,
}

FACTS: dict[EventKind, dict[str, object]] = {
    EventKind.DIGEST: {"day": "2026-04-30", "every": "day"},
    EventKind.NOTICE: {"title": "Connect ana to meterbot"},
    EventKind.SPEND_STARTED: {
        **SPENT,
        "used": usd("0.42"),
        "before_at": "2026-04-30T09:58:00Z",
        "period": "2026-04",
        "windows": FULL,
        "full_windows": FULL,
        "within_plan": False,
    },
    EventKind.THRESHOLD_CROSSED: {**SPENT, "period": "2026-04", "level": "80%", "also": []},
    EventKind.BUDGET_CROSSED: {**SPENT, "period": "2026-04", "level": "80%", "also": [], "complete": True},
    EventKind.SEAT_BLOCKED: {
        **SPENT,
        "used": usd("50"),
        "why": "cap",
        "wire_reason": "self_selected_spend_limit_reached",
        "until": "2026-05-01T00:00:00Z",
        "hard": True,
        "full_windows": FULL,
    },
    EventKind.SEAT_UNBLOCKED: {**SPENT, "used": usd("0"), "since": "2026-04-29T10:00:00Z"},
    EventKind.CHARGED_WITHIN_PLAN: {
        "used": usd("1.20"),
        "before": usd("0.40"),
        "before_at": "2026-04-30T09:58:00Z",
        "rise": usd("0.80"),
        "windows": ROOM,
    },
    EventKind.BALANCE_LOW: {
        "balance": usd("4.20"),
        "level": "10.00 USD",
        "auto_reload": False,
        "shared": False,
        "next": None,
        "full_windows": [],
    },
    EventKind.METERING_CHANGED: {
        "changes": [{"what": "cap", "from": usd("50"), "to": usd("100")}],
        "used": usd("42"),
        "cap": usd("100"),
        "wire_reason": None,
    },
    EventKind.WINDOW_RESET: {"window": "five_hour", "resets_at": None},
    EventKind.WINDOW_FULL: {
        **SPENT,
        "window": "five_hour",
        "resets_at": "2026-04-30T12:00:00Z",
        "next": "billed",
    },
    EventKind.RENEWAL_NEAR: {
        "date": "2026-05-07",
        "days": 7,
        "level": "7d",
        "also": [],
        "billing_interval": "monthly",
        "changes_to": None,
        "used": usd("12"),
        "previous_final": usd("9"),
    },
    EventKind.SUBSCRIPTION_CHANGED: {"changes": [{"what": "status", "from": "active", "to": "past_due"}]},
    EventKind.PERIOD_CLOSED: {
        "period": "2026-04",
        "final": usd("48.20"),
        "final_at": "2026-04-30T23:58:00Z",
        "previous_final": usd("31"),
        "used": usd("0"),
    },
    EventKind.CAP_FORECAST: {
        **SPENT,
        "used": usd("41.40"),
        "percent": "82.8",
        "period": "2026-04",
        "pace": usd("1.03"),
        "cap_eta": "2026-04-30T18:20:00Z",
        "low": usd("54.10"),
        "likely": usd("61.40"),
        "high": usd("72.20"),
    },
    EventKind.SPEND_SPIKE: {
        **SPENT,
        "period": "2026-04",
        "pace": usd("12.60"),
        "usual": usd("1.80"),
        "times": "7.0",
        "hours": 34,
    },
    EventKind.SOURCE_DOWN: {
        "health": "session_expired",
        "since": "2026-04-30T09:30:00Z",
        "detail": None,
        "remedy": "Replace the session key.",
        "last_ok_at": "2026-04-30T09:29:00Z",
    },
    EventKind.SOURCE_UP: {"down_since": "2026-04-30T09:30:00Z"},
    EventKind.DESTINATION_DOWN: {
        "chat": "slack",
        "channel": "C0123456789",
        "reason": "Slack refuses chat.postMessage: not_in_channel (/invite the bot to the channel)",
        "since": "2026-04-30T09:30:00Z",
        "refused": True,
    },
    EventKind.DESTINATION_UP: {"chat": "slack", "channel": "C0123456789"},
    EventKind.IDENTITY_CHANGED: {"what": "email", "org": "org-ana"},
    EventKind.SESSION_EXPIRING: {
        "ends_at": "2026-05-03T09:00:00Z",
        "estimated": False,
        "level": "3d",
        "also": [],
    },
    EventKind.PULL_REQUEST_MERGED: {
        "repo": "acme/app",
        "number": 812,
        "shown": True,
        "seats": ["ana"],
        "start": "2026-04-29T07:12:00Z",
        "end": "2026-04-30T09:40:00Z",
        "no_commits": None,
        "amounts": [usd("1.47")],
        "why": None,
        "shared": ["acme/app#811"],
        "later": [],
        "settled": True,
        "read_at": "2026-04-30T09:40:00Z",
    },
}


MONTH: dict[str, object] = {
    "period": "2026-04",
    "totals": [usd("130.10"), {"minor": "3040", "currency": "EUR", "exponent": 2}],
    "previous": [usd("98.40"), {"minor": "2210", "currency": "EUR", "exponent": 2}],
    "seats": [
        {"seat": "ana", "final": usd("90"), "previous": usd("60.40"), "blocked_hours": 20},
        {"seat": "eve", "final": usd("40.10"), "previous": usd("38"), "blocked_hours": 0},
        {
            "seat": "bo",
            "final": {"minor": "3040", "currency": "EUR", "exponent": 2},
            "previous": None,
            "blocked_hours": 0,
        },
    ],
    "unknown": 0,
    "open": 0,
    "blocked_hours": 20,
    "fees": [usd("500")],
    "fees_listed": False,
    "seat_days": 90,
    "covered_days": 61,
}
"""The facts of the team's closed month."""


def event(
    kind: EventKind,
    *,
    initial: bool = False,
    severity: Severity = Severity.WARNING,
    at: datetime = NOW,
    reason: str = "this was compared with that",
) -> Event:
    """An event of `kind` with its usual facts."""
    return Event(
        key=f"{kind.value}:1",
        kind=kind,
        at=at,
        severity=severity,
        reason=reason,
        seat=None if kind in OF_NO_SEAT else "ana",
        initial=initial,
        facts=FACTS[kind],
    )


def changed(kind: EventKind, *, initial: bool = False, **facts: Any) -> Event:
    """An event of `kind` with `facts` in place of some of the usual ones."""
    return replace(event(kind, initial=initial), facts={**FACTS[kind], **facts})


def said(kind: EventKind, *, initial: bool = False, **facts: Any) -> Message:
    """The alert about Ana, or about the team, with `facts` in place of some of the usual ones."""
    whose = None if kind in OF_NO_SEAT else seat("ana")
    return alert(changed(kind, initial=initial, **facts), whose, BERLIN)


def month_closed(**facts: object) -> Message:
    closed = event(EventKind.PERIOD_CLOSED, severity=Severity.INFO)
    return alert(replace(closed, seat=None, facts={**MONTH, **facts}), None, BERLIN)


def values(message: Message) -> dict[str, str]:
    return {field.name: field.value for field in message.fields}
