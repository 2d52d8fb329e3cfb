"""What people can do about an alert: ask why, acknowledge, snooze, mute. A repeated action counts once."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from difflib import get_close_matches

from meterbot.chat import Answer, Question
from meterbot.core.deliveries import ActionKind, AlertAction, PostContent, Purpose, short_id
from meterbot.core.messages import Message, button, notice
from meterbot.core.models import Event, EventKind, Seat
from meterbot.core.text import listed, local_day, one_line, parse_span
from meterbot.delivery.alerts import KIND_WORDS
from meterbot.delivery.alerts.message import TEAM, action_line, action_text
from meterbot.delivery.alerts.why import why
from meterbot.delivery.mutes import rule_to_mute
from meterbot.delivery.planner import follow_ups
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import at_least, priority_of
from meterbot.rules.billing import next_charge
from meterbot.store import (
    Connection,
    Store,
    alert_actions,
    counter_states,
    deliveries,
    event_log,
    post_contents,
)

MORNING = time(9)
"""When "tomorrow" is."""
_REPEATED_CLICK = timedelta(minutes=2)
"""Of two snoozes whose ends differ by less, the second is a repeated click."""
_ACTION_ID = re.compile("[a-z2-7]{20}")
_ALERTS = frozenset(EventKind) - {EventKind.DIGEST, EventKind.NOTICE}
_GONE = notice("No such alert", "Name a seat, as in “why ana”, or press the button below the alert.")
_NOT_YOURS = notice("Not shown", "Only a seat's owner and the operators may see its alerts here.")
_OVER = notice("It is over", "This alert is already resolved.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question about a post, with what the asker may see of it, and when it was asked."""

    question: Question
    content: PostContent
    now: datetime

    @property
    def event(self) -> Event:
        """The most severe open event, and the newest of those; the newest event when none is open."""
        chosen, open_ = self.content.events[-1], self.content.open_at(self.now)
        for event in open_:
            if chosen not in open_ or at_least(event.severity, chosen.severity):
                chosen = event
        return chosen


@dataclass(frozen=True, eq=False, repr=False)
class AlertActions:
    """Each action is stored in one transaction with the reply that reports it in the alert's thread."""

    store: Store
    seats: Mapping[str, Seat]
    wake: Callable[[], None]
    _: KW_ONLY
    now: Callable[[], datetime]
    tz: tzinfo
    redaction: Redaction = field(default_factory=Redaction)

    async def why(self, question: Question, words: Sequence[str]) -> Answer:
        """Shows the rule, its level, the readings that were compared, and the delivery."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        keys = [event.key for event in asked.content.events]
        postings = await self.store.read(lambda c: deliveries.postings(c, keys))
        return Answer(why(asked.content, self.seats, self.tz, asked.now, postings))

    async def acknowledge(self, question: Question, words: Sequence[str]) -> Answer:
        """Records that somebody is taking care of the alert, which ends its reminders."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        open_ = [event for event in asked.content.open_at(asked.now) if event.resolves is None]
        if not open_:
            return Answer(_OVER)
        # One reply in the thread is enough, however many alerts the post groups.
        done = [
            await self._act(asked, event, ActionKind.ACK, None, line=event is open_[0]) for event in open_
        ]
        first = next((action for new, action in done if new), done[-1][1])
        return Answer(self._receipt(first, new=any(new for new, _ in done)))

    async def snooze(self, question: Question, words: Sequence[str]) -> Answer:
        """Snoozes alerts for the same seat up to this severity: for hours, until tomorrow morning, or until the
        renewal."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        until = await self._until(asked, " ".join(words[2:]))
        if isinstance(until, Message):
            return Answer(until)
        new, action = await self._act(asked, asked.event, ActionKind.SNOOZE, until)
        return Answer(self._receipt(action, new=new))

    async def mute(self, question: Question, words: Sequence[str]) -> Answer:
        """Mutes this kind of alert for the seat until somebody unmutes it."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        event = rule_to_mute(asked.content, asked.now, words[2:])
        if isinstance(event, Message):
            return Answer(event)
        new, action = await self._act(asked, event, ActionKind.MUTE, None)
        return Answer(self._receipt(action, new=new))

    async def muted(self, question: Question, words: Sequence[str]) -> Answer:
        """Lists the snoozes and mutes, each with a button that undoes it. `unmute ana` and `unmute 2` undo one."""
        now = self.now()
        holding = [
            action
            for action in await self.store.read(lambda c: alert_actions.holding(c, now))
            if self._admits(question, action.seat)
        ]
        if len(words) > 1:
            wanted = self._holding_named(question, holding, words[1])
            if not wanted:
                return Answer(self._nothing_to_undo(question, words[1]))
            if len(wanted) == 1:
                return Answer(await self._undo(wanted[0], now))
        if not holding:
            return Answer(notice("Nothing is muted", "Nobody has snoozed or muted anything."))
        numbers = [f"{number}. " if len(holding) > 1 else "" for number in range(1, len(holding) + 1)]
        numbered = [*zip(numbers, holding, strict=True)]
        lines = "\n".join(f"{number}{action_text(action, self.tz)}" for number, action in numbered)
        undo = tuple(
            undo_button
            for number, action in numbered[:5]
            for undo_button in button(
                _undo_label(number, action),
                "unmute",
                action.id,
                typed=f"unmute {number.strip('. ') or action.seat or TEAM}",
            )
        )
        return Answer(Message("Snoozed and muted", "Snoozed and muted", text=lines, actions=undo))

    def _holding_named(
        self, question: Question, holding: Sequence[AlertAction], text: str
    ) -> list[AlertAction]:
        """The snoozes and mutes named by a button's id, by the number in the list, or by the seat."""
        name = self._seat_name(question, text) or text
        return [
            action
            for number, action in enumerate(holding, 1)
            if text in {action.id, str(number)} or name == (action.seat or TEAM)
        ]

    def _nothing_to_undo(self, question: Question, text: str) -> Message:
        if _ACTION_ID.fullmatch(text):
            return notice("Nothing to undo", "This snooze or mute has already ended.")
        name = self._seat_name(question, text)
        if text != TEAM and not self._admits(question, name or text):
            return _NOT_YOURS  # whether there is such a seat is private, too
        if name is not None or text == TEAM:
            return notice("Nothing to undo", f"Nothing is snoozed or muted for {name or 'the team'}.")
        return notice("Nothing to undo", "Name a seat, as in “unmute ana”; “muted” lists what you can undo.")

    async def _undo(self, action: AlertAction, now: datetime) -> Message:
        def undo(connection: Connection) -> bool:
            undone = alert_actions.undo(connection, action.id, now)
            if undone:
                self._follow(connection, action.alert, f"{action.id} undone", None, now)
            return undone

        undone = await self.store.run(undo)
        self.wake()
        said = action_text(action, self.tz)
        return notice("Undone" if undone else "It was already undone", f"No longer in effect: {said}")

    async def _asked(self, question: Question, words: Sequence[str]) -> _Asked | Message:
        if len(words) < 2:
            return notice(
                "Which alert?", f"Name its seat, as in “{words[0]} ana”, or press the button below it."
            )
        wanted = self._seat_name(question, words[1]) or words[1]
        seat = self.seats.get(wanted)
        if seat is not None and not self._admits(question, seat.name):
            return _NOT_YOURS  # whether the seat has an alert is private, too
        content = await self.store.read(lambda c: post_contents.of(c, wanted) or self._newest_of(c, wanted))
        if content is None:
            if wanted != TEAM and not self._admits(question, wanted):
                return _GONE if _ACTION_ID.fullmatch(wanted) else _NOT_YOURS
            return self._no_alert(words) if seat is None else _none_open(seat.name)
        # A name means the alerts of that seat alone, in a post about several, too.
        named = content.ref != wanted
        events = tuple(
            event
            for event in content.events
            if self._admits(question, event.seat) and not (named and (event.seat or TEAM) != wanted)
        )
        return _Asked(question, replace(content, events=events), self.now()) if events else _NOT_YOURS

    def _seat_name(self, question: Question, text: str) -> str | None:
        """The seat with this name, or the only one whose name begins with it, of those that the person may see."""
        starting = [name for name in self.seats if name.startswith(text) and self._admits(question, name)]
        if text in starting:
            return text
        return starting[0] if len(starting) == 1 else None

    def _no_alert(self, words: Sequence[str]) -> Message:
        """For a person who may see every seat, unless it is about the team."""
        if words[1] == TEAM:
            return _none_open("The team")
        starting = [name for name in sorted(self.seats) if name.startswith(words[1])]
        if len(starting) > 1:
            return notice("Which seat?", f"Several begin with “{words[1]}”: {listed(starting)}.")
        near = get_close_matches(words[1], self.seats, n=1)
        kinds = get_close_matches(words[1], KIND_WORDS.values(), n=1) if words[0] == "mute" else []
        if kinds and not near:
            return notice(_GONE.title, f"Name the seat first, as in “mute ana {kinds[0]}”.")
        return notice(_GONE.title, f"Did you mean “{words[0]} {near[0]}”?") if near else _GONE

    def _admits(self, question: Question, seat: str | None) -> bool:
        configured = None if seat is None else self.seats.get(seat)
        return self.redaction.person_may_see(
            seat, configured, question.platform, question.user, question.groups
        )

    def _newest_of(self, connection: Connection, seat: str) -> PostContent | None:
        """The content of the newest post about an open alert of the seat, or of the team."""
        if seat not in self.seats and seat != TEAM:
            return None
        mine = [event for event in event_log.open_alerts(connection, _ALERTS) if (event.seat or TEAM) == seat]
        postings = deliveries.postings(connection, [event.key for event in mine])
        by_event = {event.key: [each for each in postings if each.event == event.key] for event in mine}
        newest_first = [each for event in reversed(mine) for each in reversed(by_event[event.key])]
        found = (post_contents.of_event(connection, each.about, each.destination) for each in newest_first)
        return next((content for content in found if content is not None), None)

    async def _until(self, asked: _Asked, how_long: str) -> datetime | Message:
        """When the snooze ends, or a message that asks how long it should be."""
        local = asked.now.astimezone(self.tz)
        if (length := parse_span(how_long)) is not None:
            return asked.now + length
        if how_long == "tomorrow":
            # By the clock on the wall: a day with a clock change has 23 or 25 hours.
            return datetime.combine(local.date() + timedelta(days=1), MORNING, self.tz).astimezone(UTC)
        renewal = await self._renewal(asked)
        if how_long == "renewal" and renewal is not None:
            return renewal
        name, who = asked.event.seat or TEAM, one_line(asked.event.seat or "the team", 60)
        offered = {"1h": "1 hour", "tomorrow": "Until tomorrow 09:00"}
        if renewal is not None:
            offered["renewal"] = f"Until the renewal, {local_day(renewal, self.tz)}"
        choices = tuple(
            choice
            for time, label in offered.items()
            for choice in button(label, "snooze", asked.content.ref, time, typed=f"snooze {name} {time}")
        )
        text = (
            f"Choose how long to snooze {who}'s alerts of this severity or lower, or type “snooze {name} TIME” with a "
            "time such as 30m, 2h or 2d (at most 366d)."
        )
        if how_long == "renewal":
            text = f"The renewal of {who} is not known. {text}"
        elif how_long:
            near = get_close_matches(how_long, offered, n=1)
            guess = f" Did you mean “snooze {name} {near[0]}”?" if near else ""
            text = f"“{one_line(how_long, 40)}” is not a time.{guess} {text}"
        return Message("Snooze for how long?", "Snooze for how long?", text=text, actions=choices)

    async def _renewal(self, asked: _Asked) -> datetime | None:
        """When the day begins on which the seat's plan is charged next."""
        if asked.event.seat is None:
            return None
        today = asked.now.astimezone(self.tz).date()
        mine = [
            one.known.snapshot.subscription
            for one in await self.store.read(counter_states.read_latest)
            if one.seat == asked.event.seat
        ]
        days = [next_charge(subscription) for subscription in mine if subscription is not None]
        known = [day for day in days if day is not None and day > today]
        return datetime.combine(min(known), time(0), self.tz).astimezone(UTC) if known else None

    async def _act(
        self, asked: _Asked, event: Event, kind: ActionKind, until: datetime | None, *, line: bool = True
    ) -> tuple[bool, AlertAction]:
        """Whether the action was new, and the action as it is stored now."""
        action = AlertAction(
            id=short_id(event.key, kind, asked.now.isoformat()),
            alert=event.key,
            kind=kind,
            at=asked.now,
            by=asked.question.name or asked.question.user,
            platform=asked.question.platform,
            seat=event.seat,
            event_kind=event.kind,
            severity=event.severity,
            until=until,
        )
        reply = action_line(action, self.tz) if line else None
        stored = await self.store.run(lambda tx: self._add(tx, action, reply, asked.now))
        self.wake()
        return stored is action, stored

    def _add(
        self, connection: Connection, action: AlertAction, reply: Message | None, now: datetime
    ) -> AlertAction:
        """Returns the action, or an earlier one that does the same."""
        # Two clicks may reach two workers: the second waits here and finds the first.
        event_log.lock_event(connection, action.alert)
        holding = [
            *alert_actions.holding(connection, now),
            *alert_actions.about(connection, [action.alert]),
        ]
        before = next((one for one in holding if one.undone_at is None and _is_enough(one, action)), None)
        if before is not None:
            return before
        alert_actions.add(connection, action)
        self._follow(connection, action.alert, action.id, reply, now)
        return action

    def _follow(
        self, connection: Connection, alert: str, name: str, reply: Message | None, now: datetime
    ) -> None:
        """Edits every post of the alert, and replies in its thread."""
        event = event_log.events_by_key(connection, [alert])[alert]
        priority, seat = priority_of(event.kind), self.seats.get(event.seat or "")
        for posting in deliveries.postings(connection, [alert]):
            # The name of the person who acted would identify the seat.
            may_see = self.redaction.may_see(event, seat, posting.destination)
            new = follow_ups(
                self.redaction.salted(name), [posting], Purpose.ACTION, reply if may_see else None, priority
            )
            deliveries.queue(connection, new, {each.event: now for each in new})

    def _receipt(self, action: AlertAction, *, new: bool) -> Message:
        done, before, undo = _RECEIPTS[action.kind]
        title, said = done if new else before, action_text(action, self.tz)
        undo_it = button("Undo", "unmute", action.id, typed=f"unmute {action.seat or TEAM}") if undo else ()
        return Message(title, f"{title}. {said}", text=said, actions=undo_it)


def _undo_label(number: str, action: AlertAction) -> str:
    """`Undo 1. ana, thresholds`, `Undo ana, snooze`"""
    what = KIND_WORDS[action.event_kind] if action.kind is ActionKind.MUTE else action.kind.value
    return f"Undo {number}{action.seat or 'the team'}, {what}"


def _none_open(who: str) -> Message:
    return notice(_GONE.title, f"{who} has no open alert.")


_RECEIPTS = {
    ActionKind.ACK: ("Acknowledged", "It was already acknowledged", False),
    ActionKind.SNOOZE: ("Snoozed", "It is already snoozed", True),
    ActionKind.MUTE: ("Muted", "It is already muted", True),
}


def _is_enough(before: AlertAction, wanted: AlertAction) -> bool:
    """Whether an earlier action makes the wanted one needless."""
    if (before.kind, before.seat) != (wanted.kind, wanted.seat):
        return False
    if wanted.kind is ActionKind.ACK:
        return before.alert == wanted.alert
    if wanted.kind is ActionKind.MUTE:
        return before.event_kind is wanted.event_kind
    if before.until is None or wanted.until is None or not at_least(before.severity, wanted.severity):
        return False
    return wanted.until - before.until < _REPEATED_CLICK
