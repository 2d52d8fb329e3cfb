"""Alerts, posted elsewhere, about a channel that does not accept messages."""

from meterbot.delivery.alerts.event_facts import AlertText, EventFacts, in_sentences

_CHATS = {"slack": "Slack", "discord": "Discord", "console": "The terminal"}
_QUEUED = "Messages are queued and will be delivered, or summarised, once it works again."


def destination_down(facts: EventFacts) -> AlertText:
    reason, since = facts.text("reason"), facts.when("since")
    refused = bool(facts.event.facts.get("refused"))
    action = "Delivery resumes automatically once this is fixed." if refused else _QUEUED
    return AlertText(
        f"{_place(facts)} does not accept messages",
        " ".join([*in_sentences(reason), action]) if refused else action,
        () if refused else in_sentences(reason),
        evidence=(f"It began {since}.",) if since else (),
    )


def destination_up(facts: EventFacts) -> AlertText:
    return AlertText(f"{_place(facts)} accepts messages again")


def _place(facts: EventFacts) -> str:
    """`Slack C0123456789`, `Slack: ana's direct messages`"""
    chat, channel = facts.text("chat") or "a chat", facts.text("channel") or ""
    name = _CHATS.get(chat, chat)
    if channel.startswith("@"):
        return f"{name}: {facts.text('owner') or 'a person'}'s direct messages"
    return f"{name} {channel}".strip()
