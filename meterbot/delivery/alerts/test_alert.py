"""What is posted to see whether alerts arrive."""

from meterbot.core.messages import Message


def arrival_check(version: str, seats: int, command: str) -> Message:
    """Mentions nobody, and can be told from a real alert at a glance. `command`: which one posts it."""
    watched = f"{seats} seat{'' if seats == 1 else 's'}"
    return Message(
        title="Test: alerts arrive here",
        fallback="Test: meterbot's alerts arrive here. Nothing has happened.",
        text=f"Somebody ran `meterbot {command}`. Nothing has happened; {watched} will be watched.",
        footer=f"meterbot {version}",
    )
