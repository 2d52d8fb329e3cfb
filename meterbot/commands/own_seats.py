"""Which seat a person means who hands in numbers: never another's."""

import json
from collections.abc import Mapping, Sequence

from meterbot.commands.seat_admin import toml_block
from meterbot.core.messages import Message, Section, button, notice
from meterbot.core.models import Seat
from meterbot.core.text import listed, one_line
from meterbot.ingest.pushes import PUSH

_MOST_BUTTONS = 6


def chosen(
    seats: Mapping[str, Seat], platform: str, user: str, verb: str, named: str | None = None
) -> Seat | Message:
    """The person's own seat that sends its numbers: the named one, or the only one. Else what to say: which there are,
    with buttons that ask `verb` of them, or what the configuration lacks."""
    theirs = {name: seat for name, seat in seats.items() if seat.owner.get(platform) == user}
    own = {name: seat for name, seat in theirs.items() if seat.source == PUSH}
    if not own:
        return _read_by_the_bot(sorted(theirs)) if theirs else _none(platform, user)
    if named is None and len(own) == 1:
        return next(iter(own.values()))
    if named in own:
        return own[named]
    names = sorted(own)
    title = "Which seat?" if named is None else f"“{one_line(named, 40)}” is no seat that you send for"
    text = f"You can ask that of {listed(names)}."
    asked = [action for name in names[:_MOST_BUTTONS] for action in button(name, verb, name)]
    return Message(title, f"{title}. {text}", text=text, actions=tuple(asked))


def _read_by_the_bot(names: Sequence[str]) -> Message:
    whose = listed([one_line(name, 60) for name in names])
    return notice(
        "Nothing to send",
        f"The bot reads {whose} itself. To let your own machine send instead, whoever runs meterbot sets "
        'source = "push" for that seat, and starts the bot again.',
    )


def _none(platform: str, user: str) -> Message:
    block = f"{toml_block('your-name')}owner = {{ {platform} = {json.dumps(user)} }}"
    said = notice(
        "No seat here is yours to send for",
        "Whoever runs meterbot adds this to its configuration, with your name, and starts it again:",
    )
    return Message(
        said.title, said.fallback, text=said.text, sections=(Section(tuple(block.splitlines()), fixed=True),)
    )
