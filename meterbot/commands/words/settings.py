"""`settings`: the thresholds and quiet hours that people set for their own seats."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from meterbot.chat import Answer, Form, Question
from meterbot.commands.context import CommandContext, Request
from meterbot.core.messages import Message, Section, button, notice
from meterbot.core.models import ExtraUsage, Seat, Severity
from meterbot.core.text import one_line
from meterbot.delivery import seat_settings
from meterbot.delivery.seat_settings import DEFAULT, SeatSettings
from meterbot.rules.memory import seat_settings_name
from meterbot.store import Connection, counter_states, locks, rule_memories

_THRESHOLDS, _QUIET = "thresholds", "quiet"
_USAGE = "Type “settings thresholds NAME 50% 80% $25.00” or “settings quiet NAME 22:00-07:00 Europe/Berlin”."
_MOST_SEATS_WITH_BUTTONS = 3
_FORMS = {
    _THRESHOLDS: (
        "Thresholds of {}",
        "Percentages of the cap, or amounts",
        f"50%, 80%, $25.00; or {DEFAULT}.",
    ),
    _QUIET: (
        "Quiet hours for {}",
        "When direct messages wait",
        "22:00-07:00 sat sun Europe/Berlin; or none.",
    ),
}


def form(context: CommandContext, request: Request) -> Form | None:
    """The box to write into. None where this person may not set it, or the value came with the words."""
    setting, name, *value = (*request.arguments, "", "")[: max(2, len(request.arguments))]
    if value or setting not in _FORMS or isinstance(_seat(context, request.question, name), Message):
        return None
    title, label, hint = _FORMS[setting]
    return Form(request.words, title.format(one_line(name, 24 - len(title.format("")))), label, hint)


async def answer(context: CommandContext, request: Request) -> Answer:
    """Shows the settings, or stores the written ones. To store the same again changes nothing."""
    question = request.question
    setting, name = (*request.arguments[:2], "", "")[:2]
    if not name and setting in {"", *_FORMS}:
        own = context.owned(question.platform, question.user)
        return Answer(await _shown(context, own, "Your settings"))
    seat_first = setting not in _FORMS and (not name or setting in context.seats)
    seat = _seat(context, question, setting if seat_first else name)
    if isinstance(seat, Message):
        return Answer(seat)
    if not name:
        return Answer(await _shown(context, [seat.name], f"Settings of {seat.name}"))
    written = " ".join(request.arguments[2:]) if question.text is None else question.text
    if setting not in _FORMS or not written.strip():
        text = _USAGE.replace("NAME", seat.name)
        return Answer(notice("Which setting?", text), invalid=question.text is not None)
    try:
        said = await _set(context, seat, setting, written)
    except ValueError as wrong:
        return Answer(notice("Not saved", str(wrong), Severity.WARNING), invalid=True)
    return Answer(notice(f"Saved for {seat.name}", said, Severity.GOOD))


async def _set(context: CommandContext, seat: Seat, setting: str, written: str) -> str:
    change: dict[str, Any]
    if setting == _THRESHOLDS:
        change = {"thresholds": seat_settings.levels_in(written)}
    else:
        change = {"quiet": seat_settings.quiet_in(written, context.tz)}
    name = seat_settings_name(seat.name)

    def store(connection: Connection) -> SeatSettings:
        locks.names(connection, [name])
        before = seat_settings.of(seat.name, rule_memories.read_memories(connection, [name]))
        changed = replace(before, **change)
        rule_memories.write_memories(connection, {name: seat_settings.dump(changed)})
        return changed

    changed = await context.store.run(store)
    (held,) = (await _held(context, [seat.name])).values()
    return f"{_said(context, changed, held)[setting]}."


async def _held(context: CommandContext, names: Sequence[str]) -> dict[str, list[ExtraUsage | None]]:
    """What is known of the extra usage of each seat's counters."""
    latest = await context.store.read(lambda c: counter_states.read_latest(c, names))
    return {
        name: [
            one.known.snapshot.extra_usage
            for one in latest
            if one.seat == name and name in context.seats and context.seats[name].covers(one.counter.org)
        ]
        for name in names
    }


async def _shown(context: CommandContext, names: Sequence[str], title: str) -> Message:
    if not names:
        return notice("No settings", "No seat is yours, so there is nothing to set.")
    wanted = [seat_settings_name(name) for name in names]
    stored = await context.store.read(lambda c: rule_memories.read_memories(c, wanted))
    held = await _held(context, names)
    lines = {name: _said(context, seat_settings.of(name, stored), held[name]) for name in names}
    sections = tuple(Section(tuple(said.values()), one_line(name, 60)) for name, said in lines.items())
    several = len(names) > 1
    actions = [
        action
        for name in names[:_MOST_SEATS_WITH_BUTTONS]
        for label, setting in (("Thresholds…", _THRESHOLDS), ("Quiet hours…", _QUIET))
        for action in button(f"{name}: {label}" if several else label, "settings", setting, name)
    ]
    return Message(title, title, sections=sections, actions=tuple(actions))


def _said(context: CommandContext, chosen: SeatSettings, held: Sequence[ExtraUsage | None]) -> dict[str, str]:
    levels = context.thresholds if chosen.thresholds is None else chosen.thresholds
    source = " (as configured)" if chosen.thresholds is None else ""
    return {
        _THRESHOLDS: f"Thresholds: {seat_settings.levels_text(levels, held)}{source}",
        _QUIET: f"Quiet hours for direct messages: {seat_settings.quiet_said(chosen.quiet)}",
    }


def _seat(context: CommandContext, question: Question, name: str) -> Seat | Message:
    """The seat, if this person may set something for it."""
    seat = context.seats.get(name)
    owner = None if seat is None else seat.owner.get(question.platform)
    if seat is not None and (owner == question.user or context.is_operator(question)):
        return seat
    return notice("Not yours to set", "Only a seat's owner and the operators may change its settings.")
