"""What is said, elsewhere, about a place that takes no messages."""

from meterbot.core.messages import Field
from meterbot.core.text import sentence
from meterbot.delivery.alerts.facts import EventFacts, Words

_CHATS = {"slack": "Slack", "discord": "Discord", "console": "The terminal"}


def destination_down(told: EventFacts) -> Words:
    reason, since = told.text("reason"), told.moment("since")
    meaning = () if reason is None else (sentence(reason),)
    waits = "What is to be told there waits, and is told or summed up once it can be."
    advice = (
        (waits, "It heals by itself once the cause is gone.") if told.event.facts.get("refused") else (waits,)
    )
    fields = (Field("Since", since),) if since else ()
    return Words(f"{_place(told)} takes no messages", meaning, advice, fields)


def destination_up(told: EventFacts) -> Words:
    return Words(f"{_place(told)} takes messages again")


def _place(told: EventFacts) -> str:
    chat, channel = told.text("chat") or "a chat", told.text("channel") or ""
    return f"{_CHATS.get(chat, chat)} {channel}".strip()
