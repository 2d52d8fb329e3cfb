"""What people do about alerts: acknowledge, snooze, mute, ask why. From any worker, and each thing once."""

from base64 import b32encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from difflib import get_close_matches
from hashlib import sha256

from meterbot.chat import Answer, Question
from meterbot.core.deliveries import ActionKind, AlertAction, PostContent, Purpose
from meterbot.core.messages import Message, button, notice
from meterbot.core.models import Event, EventKind, Seat
from meterbot.core.text import listed, local_day, one_line, parse_span
from meterbot.delivery.alerts.message import action_line, action_text
from meterbot.delivery.alerts.why import why
from meterbot.delivery.planner import follow_ups
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import at_least, priority_of
from meterbot.rules.renewals import next_charge
from meterbot.store import Connection, Store, alert_actions, cards, counter_states, deliveries, event_log

MORNING = time(9)
"""When "tomorrow" is."""
_AS_GOOD_AS = timedelta(minutes=2)
"""A snooze that ends so little later than one that holds is the same one, clicked twice."""
_ALERTS = frozenset(EventKind) - {EventKind.DIGEST}
_GONE = notice("No such alert", "Name a seat, as in “why ana”, or press the button below the alert.")
_NOT_YOURS = notice("Not shown", "Only a seat's owner and the operators may see its alerts here.")
_OVER = notice("It is over", "This alert is already resolved.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who does something about which card, and when."""

    question: Question
    card: PostContent
    now: datetime

    @property
    def by(self) -> str:
        return self.question.name or self.question.user

    @property
    def event(self) -> Event:
        """The loudest of what still holds, the newest of the loudest; else the newest."""
        chosen = self.card.events[-1]
        for event in self.card.open_at(self.now):
            if chosen.key in self.card.endings or at_least(event.severity, chosen.severity):
                chosen = event
        return chosen


class AlertActions:
    """Every deed is stored in one transaction with the line that says so in the alert's thread."""

    def __init__(
        self,
        store: Store,
        seats: Mapping[str, Seat],
        wake: Callable[[], None],
        *,
        now: Callable[[], datetime],
        tz: tzinfo,
        redaction: Redaction | None = None,
    ) -> None:
        self._store = store
        self._seats = seats
        self._wake = wake
        self._now = now
        self._tz = tz
        self._redaction = redaction or Redaction()

    async def why(self, question: Question, words: Sequence[str]) -> Answer:
        """The rule, the level, what was compared with what, and the delivery."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        keys = [event.key for event in asked.card.events]
        told = await self._store.read(lambda c: deliveries.tellings(c, keys))
        return Answer(why(asked.card, self._seats, self._tz, asked.now, told))

    async def acknowledge(self, question: Question, words: Sequence[str]) -> Answer:
        """Somebody looks after it: no more reminders."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        held = [event for event in asked.card.open_at(asked.now) if event.resolves is None]
        if not held:
            return Answer(_OVER)
        # One line in the thread is enough, however many alerts its message contains.
        done = [await self._do(asked, event, ActionKind.ACK, None, line=event is held[0]) for event in held]
        first = next((act for new, act in done if new), done[-1][1])
        return Answer(self._receipt(first, new=any(new for new, _ in done)))

    async def snooze(self, question: Question, words: Sequence[str]) -> Answer:
        """Snoozes alerts for the same seat up to this severity: for hours, until tomorrow morning, or until the renewal."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        until = await self._until(asked, words[2] if len(words) > 2 else "")
        if isinstance(until, Message):
            return Answer(until)
        new, act = await self._do(asked, asked.event, ActionKind.SNOOZE, until)
        return Answer(self._receipt(act, new=new))

    async def mute(self, question: Question, words: Sequence[str]) -> Answer:
        """Tells this kind of alert of this seat no more, until it is unmuted."""
        asked = await self._asked(question, words)
        if isinstance(asked, Message):
            return Answer(asked)
        event = _to_mute(asked, words[2:])
        if isinstance(event, Message):
            return Answer(event)
        new, act = await self._do(asked, event, ActionKind.MUTE, None)
        return Answer(self._receipt(act, new=new))

    async def muted(self, question: Question, words: Sequence[str]) -> Answer:
        """What is snoozed or muted now, each with the way back; `unmute ID` goes it."""
        now = self._now()
        holding = [
            act
            for act in await self._store.read(lambda c: alert_actions.holding(c, now))
            if self._admits(question, act.seat)
        ]
        if len(words) > 1:
            return Answer(await self._undo([act for act in holding if act.id == words[1]], now))
        if not holding:
            return Answer(notice("Nothing is muted", "Nobody has snoozed or muted anything."))
        several = len(holding) > 1
        numbers = [f"{number}. " if several else "" for number in range(1, len(holding) + 1)]
        lines = "\n".join(
            f"{number}{action_text(act, self._tz)}" for number, act in zip(numbers, holding, strict=True)
        )
        back = tuple(
            action
            for number, act in zip(numbers[:5], holding[:5], strict=True)
            for action in button(f"Undo {number}{act.seat or 'the team'}, {act.kind.value}", "unmute", act.id)
        )
        return Answer(Message("Snoozed and muted", "Snoozed and muted", text=lines, actions=back))

    async def _undo(self, acts: Sequence[AlertAction], now: datetime) -> Message:
        if not acts:
            return notice("Nothing to undo", "This has already ended, or I do not know it.")
        act = acts[0]

        def undo(connection: Connection) -> bool:
            done = alert_actions.undo(connection, act.id, now)
            if done:
                self._follow(connection, act.alert, f"{act.id} undone", None, now)
            return done

        undone = await self._store.run(undo)
        self._wake()
        said = action_text(act, self._tz)
        return notice("Undone" if undone else "It was already undone", f"No longer: {said}")

    async def _asked(self, question: Question, words: Sequence[str]) -> _Asked | Message:
        if len(words) < 2:
            return notice(
                "Which alert?", f"Name its seat, as in “{words[0]} ana”, or press the button below it."
            )
        wanted = self._seat_name(words[1]) or words[1]
        seat = self._seats.get(wanted)
        if seat is not None and not self._admits(question, seat.name):
            return _NOT_YOURS  # before anything is looked up: whether it has an alert is theirs to know
        card = await self._store.read(lambda c: cards.of(c, wanted) or self._newest_of(c, wanted))
        if card is None:
            return self._no_alert(words) if seat is None else _none_open(seat)
        events = tuple(event for event in card.events if self._admits(question, event.seat))
        return _Asked(question, replace(card, events=events), self._now()) if events else _NOT_YOURS

    def _seat_name(self, text: str) -> str | None:
        """A seat's name, or the only name that begins so."""
        if text in self._seats:
            return text
        starting = [name for name in self._seats if name.startswith(text)]
        return starting[0] if len(starting) == 1 else None

    def _no_alert(self, words: Sequence[str]) -> Message:
        near = get_close_matches(words[1], self._seats, n=1)
        return notice(_GONE.title, f"Did you mean “{words[0]} {near[0]}”?") if near else _GONE

    def _admits(self, question: Question, seat: str | None) -> bool:
        configured = None if seat is None else self._seats.get(seat)
        return self._redaction.person_may_see(
            seat, configured, question.platform, question.user, question.groups
        )

    def _newest_of(self, connection: Connection, seat: str) -> PostContent | None:
        """The newest open alert of a seat that was posted somewhere."""
        if seat not in self._seats:
            return None
        mine = [event for event in event_log.open_alerts(connection, _ALERTS) if event.seat == seat]
        tellings = deliveries.tellings(connection, [event.key for event in mine])
        by_event = {event.key: [each for each in tellings if each.event == event.key] for event in mine}
        newest_first = [each for event in reversed(mine) for each in reversed(by_event[event.key])]
        found = (cards.of_event(connection, each.about, each.place) for each in newest_first)
        return next((card for card in found if card is not None), None)

    async def _until(self, asked: _Asked, how_long: str) -> datetime | Message:
        """When a snooze ends, or the question how long it is to be."""
        local = asked.now.astimezone(self._tz)
        if (length := parse_span(how_long)) is not None:
            return asked.now + length
        if how_long == "tomorrow":
            # The hour of the clock counts, on a day of 23 hours, too.
            return datetime.combine(local.date() + timedelta(days=1), MORNING, self._tz).astimezone(UTC)
        renewal = await self._renewal(asked)
        if how_long == "renewal" and renewal is not None:
            return renewal
        ref = asked.card.ref
        choices = button("1 hour", "snooze", ref, "1h") + button(
            "Until tomorrow 09:00", "snooze", ref, "tomorrow"
        )
        if renewal is not None:
            day = local_day(renewal, self._tz)
            choices += button(f"Until the renewal, {day}", "snooze", ref, "renewal")
        whom = asked.event.seat or "the team"
        text = (
            f"Alerts of {one_line(whom, 60)} up to this severity are held back until then. You can also type a "
            "time, such as 30m, 2h or 2d."
        )
        if how_long == "renewal":
            text = f"The renewal of {one_line(whom, 60)} is not known. {text}"
        elif how_long:
            text = f"“{one_line(how_long, 40)}” is not a time. {text}"
        return Message("Snooze for how long?", "Snooze for how long?", text=text, actions=choices)

    async def _renewal(self, asked: _Asked) -> datetime | None:
        """The beginning of the day on which the seat's plan is charged next."""
        if asked.event.seat is None:
            return None
        today = asked.now.astimezone(self._tz).date()
        mine = [
            one.known.snapshot.subscription
            for one in await self._store.read(counter_states.read_latest)
            if one.seat == asked.event.seat
        ]
        days = [next_charge(subscription) for subscription in mine if subscription is not None]
        known = [day for day in days if day is not None and day > today]
        return datetime.combine(min(known), time(0), self._tz).astimezone(UTC) if known else None

    async def _do(
        self, asked: _Asked, event: Event, deed: ActionKind, until: datetime | None, *, line: bool = True
    ) -> tuple[bool, AlertAction]:
        """Whether it was new, and the deed as it is stored now."""
        act = AlertAction(
            id=_act_id(event, deed, asked.now),
            alert=event.key,
            deed=deed,
            at=asked.now,
            by=asked.by,
            platform=asked.question.platform,
            seat=event.seat,
            kind=event.kind,
            severity=event.severity,
            until=until,
        )
        said = action_line(act, self._tz) if line else None
        stored = await self._store.run(lambda tx: self._add(tx, act, said, asked.now))
        self._wake()
        return stored is act, stored

    def _add(
        self, connection: Connection, act: AlertAction, line: Message | None, now: datetime
    ) -> AlertAction:
        """The action itself, or the one before it that does the same."""
        # Of two clicks, wherever they arrive, the second finds the first.
        event_log.lock_event(connection, act.alert)
        holding = [
            *alert_actions.holding(connection, now),
            *alert_actions.about(connection, [act.alert]),
        ]
        before = next((one for one in holding if one.undone_at is None and _is_as_good(one, act)), None)
        if before is not None:
            return before
        alert_actions.add(connection, act)
        self._follow(connection, act.alert, act.id, line, now)
        return act

    def _follow(
        self, connection: Connection, alert: str, name: str, line: Message | None, now: datetime
    ) -> None:
        """Every post of the alert shows it, and its thread says it."""
        event = event_log.events_by_key(connection, [alert])[alert]
        tellings = [each for each in deliveries.tellings(connection, [alert]) if each.event == alert]
        lane, configured = priority_of(event.kind), self._seats.get(event.seat or "")
        for telling in tellings:
            # Who did it would tell whose it is.
            open_ = self._redaction.may_see(event, configured, telling.place)
            said = line if open_ else None
            new = follow_ups(self._redaction.salted(name), [telling], Purpose.ACT, said, lane)
            deliveries.queue(connection, new, {each.event: now for each in new})

    def _receipt(self, act: AlertAction, *, new: bool) -> Message:
        done, before, undo = _RECEIPTS[act.deed]
        title, said = done if new else before, action_text(act, self._tz)
        return Message(
            title, f"{title}. {said}", text=said, actions=button("Undo", "unmute", act.id) if undo else ()
        )


def _none_open(seat: Seat) -> Message:
    return notice(_GONE.title, f"{seat.name} has no open alert.")


def _to_mute(asked: _Asked, which: Sequence[str]) -> Event | Message:
    """The event whose rule is meant, or the question which of the alert's rules is. A rule without a seat is the team's."""
    open_ = asked.card.open_at(asked.now) or asked.card.events
    rules = {(event.kind.value, *([event.seat] if event.seat else [])): event for event in open_}
    given = tuple(which)
    wanted = [event for rule, event in rules.items() if rule[: len(given)] == given]
    if given in rules:
        wanted = [rules[given]]
    if len(wanted) == 1:
        return wanted[0]
    several = len({event.seat for event in rules.values()}) > 1
    choices = [
        action
        for rule, event in rules.items()
        for action in button(
            f"{rule[0]} of {event.seat or 'the team'}" if several else rule[0], "mute", asked.card.ref, *rule
        )
    ]
    said = listed([choice.label for choice in choices])
    why = "This message contains several alerts." if wanted else "This message has no such alert."
    text = f"{why} Which one do you want to mute: {said}?"
    return Message("Mute which rule?", "Mute which rule?", text=text, actions=tuple(choices[:_CHOICES]))


_CHOICES = 10
_RECEIPTS = {
    ActionKind.ACK: ("Acknowledged", "It was already acknowledged", False),
    ActionKind.SNOOZE: ("Snoozed", "It is already snoozed", True),
    ActionKind.MUTE: ("Muted", "It is already muted", True),
}


def _is_as_good(before: AlertAction, wanted: AlertAction) -> bool:
    """Whether what was done before makes the same again needless."""
    if (before.deed, before.seat) != (wanted.deed, wanted.seat):
        return False
    if wanted.deed is ActionKind.ACK:
        return before.alert == wanted.alert
    if wanted.deed is ActionKind.MUTE:
        return before.kind is wanted.kind
    if before.until is None or wanted.until is None or not at_least(before.severity, wanted.severity):
        return False
    return wanted.until - before.until < _AS_GOOD_AS


def _act_id(event: Event, deed: ActionKind, now: datetime) -> str:
    digest = sha256(f"{event.key}\n{deed}\n{now.isoformat()}".encode()).digest()
    return b32encode(digest).decode().lower()[:20]
