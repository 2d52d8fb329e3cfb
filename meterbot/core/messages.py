"""Alerts and answers as chat-neutral messages: what is said, before any platform's markup. `alerts` and `answers`
build them.

Every text in a `Message` is plain: the chats escape it, so a seat named `<!channel>` is shown, never obeyed.
"""

from dataclasses import dataclass, field

from meterbot.core.models import Severity
from meterbot.core.text import stopped


@dataclass(frozen=True, slots=True)
class Action:
    """A button. `id` is `verb:argument` (at most 80 characters) and comes back when it is pressed."""

    id: str
    label: str


def button(label: str, *words: str) -> tuple[Action, ...]:
    """A button that comes back as `words`; none where the id would not fit, rather than one for another seat."""
    id_ = ":".join(words)
    return (Action(id_, label),) if len(id_) <= 80 else ()


def buttons(*words: str) -> tuple[Action, ...]:
    """What an answer for one person's eyes carries: ask again, and show it to the channel."""
    return button("Refresh", "refresh", *words) + button("Share", "share", *words)


@dataclass(frozen=True, slots=True)
class Field:
    """A name and a value, shown side by side with others where the platform can."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """A block of lines under an optional heading; `fixed` keeps the columns (a monospaced block)."""

    lines: tuple[str, ...]
    heading: str | None = None
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG beside a message. `alt` is what it shows, in words."""

    png: bytes = field(repr=False)
    alt: str
    name: str


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said.

    `fallback` is the whole message in one line, for notifications and screen readers. `owner` is who is mentioned:
    platform → id there. `footer` is small print. `command` is a line to type elsewhere (at most 1000 characters), shown
    so that it can be copied exactly.
    """

    title: str
    fallback: str
    severity: Severity = Severity.INFO
    text: str = ""
    fields: tuple[Field, ...] = ()
    sections: tuple[Section, ...] = ()
    actions: tuple[Action, ...] = ()
    owner: dict[str, str] = field(default_factory=dict)
    footer: str = ""
    command: str = ""
    loud: bool = False
    """For a line in a thread: the channel is to see it, too, where threads hide what is said in them."""


@dataclass(frozen=True, slots=True)
class Posted:
    """Where a message stands. `channel` is what the platform answered, which may differ from what was asked."""

    channel: str
    message: str


def notice(title: str, text: str, severity: Severity = Severity.INFO) -> Message:
    """A short answer of one thought."""
    return Message(title=title, fallback=f"{stopped(title)} {text}", severity=severity, text=text)
