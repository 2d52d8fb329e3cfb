"""`settings`: what people set for their own seats, and what holds there now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from meterbot.chat import Answer, Form, Question
from meterbot.core.messages import Message, Section, button, notice
from meterbot.core.models import Seat, Severity
from meterbot.core.privacy import Operators
from meterbot.core.text import one_line
from meterbot.delivery import seat_settings
from meterbot.delivery.seat_settings import DEFAULT, SeatSettings
from meterbot.rules import Threshold
from meterbot.store import Batch, Store

VERB = "settings"
_LEVELS, _QUIET = "thresholds", "quiet"
_MOST_WITH_BUTTONS = 3
_FORMS = {
    _LEVELS: ("Levels of {}", "Percentages of the cap, or amounts", f"50%, 80%, $25.00; or {DEFAULT}."),
    _QUIET: (
        "Quiet hours for {}",
        "When direct messages wait",
        "22:00-07:00 sat sun Europe/Berlin; or none.",
    ),
}


@dataclass
class SettingsCommand:
    """`thresholds` are the configured ones, `tz` is the configured zone."""

    store: Store
    seats: Mapping[str, Seat]
    operators: Operators
    thresholds: Sequence[Threshold]
    tz: tzinfo

    def form(self, question: Question, words: Sequence[str]) -> Form | None:
        """The box to write into; None where nobody may, or the value came with the words."""
        if len(words) != 3 or words[1] not in _FORMS or isinstance(self._seat(question, words[2]), Message):
            return None
        title, label, hint = _FORMS[words[1]]
        name = one_line(words[2], 24 - len(title.format("")))
        return Form(tuple(words), title.format(name), label, hint)

    async def answer(self, question: Question, words: Sequence[str]) -> Answer:
        """What is set, or what was written, stored. The same twice changes nothing the second time."""
        what, named = (*words[1:3], "", "")[:2]
        if not named and what in {"", *_FORMS}:
            return Answer(await self._shown(self._own(question), "Your settings"))
        seat_first = what not in _FORMS and (not named or what in self.seats)
        seat = self._seat(question, what if seat_first else named)
        if isinstance(seat, Message):
            return Answer(seat)
        if not named:
            return Answer(await self._shown([seat.name], f"Settings of {seat.name}"))
        written = " ".join(words[3:]) if question.text is None else question.text
        if what not in _FORMS or not written.strip():
            return Answer(_how(seat.name), invalid=question.text is not None)
        try:
            said = await self._set(seat, what, written)
        except ValueError as wrong:
            return Answer(notice("Not taken", str(wrong), Severity.WARNING), invalid=True)
        return Answer(notice(f"Set for {seat.name}", said, Severity.GOOD))

    async def _set(self, seat: Seat, what: str, written: str) -> str:
        levels = seat_settings.levels_in(written) if what == _LEVELS else None
        quiet = seat_settings.quiet_in(written, self.tz) if what == _QUIET else None
        name = seat_settings.name_of(seat.name)
        async with self.store.transaction() as transaction:
            before = seat_settings.of(seat.name, await transaction.memories([name]))
            changed = replace(before, **({"thresholds": levels} if what == _LEVELS else {"quiet": quiet}))
            await transaction.write(Batch(memories={name: seat_settings.dump(changed)}))
        if what == _QUIET:
            return f"Quiet hours: {seat_settings.quiet_said(quiet)}."
        return f"Levels: {self._levels(changed)}."

    def _own(self, question: Question) -> list[str]:
        return sorted(
            name for name, seat in self.seats.items() if seat.owner.get(question.platform) == question.user
        )

    async def _shown(self, names: Sequence[str], title: str) -> Message:
        if not names:
            return notice("No settings", "No seat here is yours, so there is nothing to set.")
        async with self.store.transaction() as transaction:
            held = await transaction.memories(map(seat_settings.name_of, names))
        sections = [
            Section(
                (
                    f"Levels: {self._levels(seat_settings.of(name, held))}",
                    f"Quiet hours of your direct messages: {seat_settings.quiet_said(seat_settings.of(name, held).quiet)}",
                ),
                one_line(name, 60),
            )
            for name in names
        ]
        several = len(names) > 1
        actions = [
            action
            for name in names[:_MOST_WITH_BUTTONS]
            for label, what in (("Levels…", _LEVELS), ("Quiet hours…", _QUIET))
            for action in button(f"{name}: {label}" if several else label, VERB, what, name)
        ]
        return Message(title, title, sections=tuple(sections), actions=tuple(actions))

    def _levels(self, held: SeatSettings) -> str:
        if held.thresholds is None:
            return f"{seat_settings.levels_said(self.thresholds)} (as configured)"
        return seat_settings.levels_said(held.thresholds)

    def _seat(self, question: Question, named: str) -> Seat | Message:
        """The seat, if it is theirs to set."""
        seat = self.seats.get(named)
        theirs = seat is not None and seat.owner.get(question.platform) == question.user
        if seat is not None and (
            theirs or self.operators.include(question.platform, question.user, question.groups)
        ):
            return seat
        return notice("Not yours to set", "A seat's settings are for its owner and the operators.")


def _how(seat: str) -> Message:
    text = f"Write “settings thresholds {seat} 50% 80% $25.00” or “settings quiet {seat} 22:00-07:00 Europe/Berlin”."
    return notice("What is to be set?", text)
