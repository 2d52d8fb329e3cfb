"""Alerts about what meterbot is connected to: sources, sessions, and channels that do not accept messages."""

from collections.abc import Mapping

from meterbot.core.models import Health
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts, in_sentences

_CAUSES: Mapping[str, str] = {
    Health.STALE: "no new reading",
    Health.SESSION_EXPIRED: "the sign-in has expired",
    Health.CHALLENGED: "claude.ai asks for a browser check",
    Health.RATE_LIMITED: "too many requests",
    Health.DRIFTED: "the response has an unexpected format",
    Health.UNREACHABLE: "the service cannot be reached",
    Health.REFUSED: "access is refused",
}
_NO_END = "Its cookie does not say when it ends. Sessions usually end about 28 days after the sign-in."
_SESSION_LEFT = {"7d": "in 7 days or less", "3d": "in 3 days or less", "1d": "within a day"}
_CHATS = {"slack": "Slack", "discord": "Discord", "console": "The terminal"}
_QUEUED = "Messages are queued and will be delivered, or summarised, once it works again."


def source_down(facts: EventFacts) -> AlertText:
    cause = _CAUSES.get(facts.text("health") or "")
    last, since = facts.when("last_ok_at"), facts.when("since")
    reading = f"The last good reading is from {last}." if last else "There is no reading yet."
    drifted = facts.text("health") == Health.DRIFTED
    detail = in_sentences(facts.text("detail"))
    unreadable = (f"It has been unreadable since {since}.",) if since else ()
    return AlertText(
        f"{facts.who} cannot be read{f': {cause}' if cause else ''}",
        " ".join(in_sentences(facts.text("remedy"))),
        (*(detail if drifted else ()), reading, *_last_amount(facts)),
        evidence=(*(() if drifted else detail), *unreadable),
    )


def _last_amount(facts: EventFacts) -> tuple[str, ...]:
    used, at = facts.shown("last_used"), facts.when("last_used_at")
    return () if used is None or at is None else (f"The last known extra usage is {used}, read {at}.",)


def source_up(facts: EventFacts) -> AlertText:
    since = facts.when("down_since")
    evidence = (f"It had been unreadable since {since}.",) if since else ()
    return AlertText(f"{facts.who} can be read again", evidence=evidence)


def identity_changed(facts: EventFacts) -> AlertText:
    return AlertText(
        f"{facts.who} now reports another {facts.text('what') or 'account'}",
        "If this was intended, there is nothing to do. Otherwise check whose credentials the seat uses.",
        (
            "Spend is tracked separately from now on; amounts already on the new account are not reported as new.",
        ),
    )


def session_expiring(facts: EventFacts) -> AlertText:
    ends, left = facts.when("ends_at"), _SESSION_LEFT.get(facts.text("level") or "", "soon")
    when, estimated = f"ends {f'on {ends}' if ends else left}", facts.event.facts.get("estimated") is True
    if estimated:
        when = "will probably end soon" if facts.text("level") == "0d" else f"probably {when}"
    title = f"{facts.who}: the claude.ai session {when}"
    if facts.event.resolves is not None:
        return AlertText(title)
    return AlertText(
        title,
        "Sign in to claude.ai again and give the new session key to the operator, who restarts meterbot.",
        ("Otherwise meterbot cannot read this seat after that.", *([_NO_END] if estimated else [])),
    )


def a_notice(facts: EventFacts) -> AlertText:
    """The stand-in for a direct message whose own text is gone. It may stand in a channel that must not read names."""
    return AlertText(f"{facts.who}: a message from meterbot")


def destination_down(facts: EventFacts) -> AlertText:
    reason, title = in_sentences(facts.text("reason")), f"{_place(facts)} does not accept messages"
    evidence = (f"It began {since}.",) if (since := facts.when("since")) else ()
    if facts.event.facts.get("refused"):
        action = " ".join([*reason, "Delivery resumes automatically once this is fixed."])
        return AlertText(title, action, evidence=evidence)
    return AlertText(title, _QUEUED, reason, evidence=evidence)


def destination_up(facts: EventFacts) -> AlertText:
    return AlertText(f"{_place(facts)} accepts messages again")


def _place(facts: EventFacts) -> str:
    """`Slack C0123456789`, `Slack: ana's direct messages`"""
    chat, channel = facts.text("chat") or "a chat", facts.text("channel") or ""
    name = _CHATS.get(chat, chat)
    if channel.startswith("@"):
        return f"{name}: {facts.text('owner') or 'a person'}'s direct messages"
    return f"{name} {channel}".strip()
