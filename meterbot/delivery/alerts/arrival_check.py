"""The message that `meterbot test-alert` posts."""

from meterbot.core.messages import Message
from meterbot.core.text import count


def arrival_check(version: str, seats: int, command: str) -> Message:
    """Mentions nobody and cannot be mistaken for a real alert. `command`: which command posts it."""
    return Message(
        title="Test: alerts arrive here",
        fallback="Test: meterbot's alerts arrive here. Nothing has happened.",
        text=f"Somebody ran `meterbot {command}`. Nothing has happened; meterbot watches {count(seats, 'seat')}.",
        footer=f"meterbot {version}",
    )
