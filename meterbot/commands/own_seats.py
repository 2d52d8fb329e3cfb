"""Which of their own seats a person means."""

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
    """The person's own pushed seat: the named one, or the only one. Otherwise the answer: a choice, with buttons that
    ask `verb` for each seat, or what the configuration lacks."""
    theirs = {name: seat for name, seat in seats.items() if seat.owner.get(platform) == user}
    own = {name: seat for name, seat in theirs.items() if seat.source == PUSH}
    if not own:
        return _read_by_the_bot(sorted(theirs)) if theirs else _none(platform, user)
    if named is None and len(own) == 1:
        return next(iter(own.values()))
    if named in own:
        return own[named]
    names = sorted(own)
    title = "Which seat?" if named is None else f"“{one_line(named, 40)}” is not one of your pushed seats"
    text = f"Choose one of {listed(names)}."
    asked = [action for name in names[:_MOST_BUTTONS] for action in button(name, verb, name)]
    return Message(title, f"{title}. {text}", text=text, actions=tuple(asked))


def _read_by_the_bot(names: Sequence[str]) -> Message:
    whose = listed([one_line(name, 60) for name in names])
    return notice(
        "Nothing to send",
        f"The bot reads {whose} itself. To let your own machine send instead, ask the operator to set "
        'source = "push" for that seat and to restart the bot.',
    )


def _none(platform: str, user: str) -> Message:
    block = f"{toml_block('your-name')}owner = {{ {platform} = {json.dumps(user)} }}"
    said = notice(
        "You have no pushed seat",
        "Ask the operator to add this to the configuration, with your name, and to restart meterbot:",
    )
    return Message(
        said.title, said.fallback, text=said.text, sections=(Section(tuple(block.splitlines()), fixed=True),)
    )
