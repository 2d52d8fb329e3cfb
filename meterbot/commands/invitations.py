"""Invitations: a seat that waits for its person, and the direct message that asks them to connect their machine."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from meterbot.commands.join_lines import JoinTerms
from meterbot.commands.seat_admin import toml_block
from meterbot.core.deliveries import Destination, PostState
from meterbot.core.messages import Message, button, notice
from meterbot.core.models import Seat
from meterbot.core.seats import RESERVED_NAMES, SeatDirectory, has_letter_or_digit
from meterbot.core.text import listed, one_line
from meterbot.delivery.notices import owner_destination, queue_notice
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.ingest import forget_account
from meterbot.ingest.pushes import PUSH
from meterbot.store import (
    Connection,
    Store,
    deliveries,
    invited_seats,
    locks,
    notes,
    push_tokens,
    source_states,
)
from meterbot.store.invited_seats import InvitedSeat

LATE_AFTER = timedelta(days=3)

_NAME = re.compile("[a-z0-9._-]{1,64}")
_OWNER = re.compile(r"(<@!?|@)?((?P<slack>[UW][A-Z0-9]{2,20})|(?P<discord>[1-9][0-9]{4,19}))(\|[^>]*)?>?")


class NotInvitedError(Exception):
    """Why nobody was invited, in a sentence."""


@dataclass(frozen=True, slots=True)
class Invited:
    """The result of one invitation, in a `sentence`. `line_step`: if the operator has to pass the line on, how to get
    it in a terminal."""

    seat: Seat
    sentence: str
    line_step: str = ""

    @property
    def needs_line(self) -> bool:
        return bool(self.line_step)


def seat_for(seats: Mapping[str, Seat], name: str, owner: dict[str, str]) -> Seat:
    """The known seat of this person, or a new one. Raises `NotInvitedError`."""
    there = seats.get(name)
    return there if there is not None and owner.items() <= there.owner.items() else new_seat(name, owner)


def new_seat(name: str, owner: dict[str, str]) -> Seat:
    """A seat to invite. Raises `NotInvitedError`."""
    if not _NAME.fullmatch(name):
        raise NotInvitedError(
            f"“{one_line(name, 40)}” cannot be a seat's name: use 1 to 64 of a-z, 0-9, dot, underscore and hyphen."
        )
    if name in RESERVED_NAMES:
        raise NotInvitedError(
            f"“{name}” cannot be a seat name because it is a word of /claude-spend. Choose another name."
        )
    if not has_letter_or_digit(name):
        raise NotInvitedError(f"“{name}” cannot be a seat's name: it must contain a letter or a digit.")
    return InvitedSeat(name, owner, datetime.now(UTC)).seat


def owner_of(text: str) -> dict[str, str]:
    """The owner that a member id or a mention names. Raises `NotInvitedError`."""
    found = _OWNER.fullmatch(text)
    if found is None:
        raise NotInvitedError(
            f"“{one_line(text, 40)}” is not an owner: use a Slack member id (U0123456789) or a Discord user id."
        )
    return {platform: who for platform, who in found.groupdict().items() if who is not None}


@dataclass(frozen=True, slots=True)
class Invitations:
    """Invites seats. `chats`: where owners can be written to, by name; `wake` is called after something was queued."""

    store: Store
    seats: SeatDirectory
    chats: Sequence[str]
    redaction: Redaction
    wake: Callable[[], None] = lambda: None

    async def refresh(self) -> None:
        """Loads the seats that another process invited or removed."""
        self.seats.set_invited([each.seat for each in await self.store.read(invited_seats.read)])

    async def invite(self, wanted: Iterable[Seat], now: datetime) -> list[Invited]:
        """Makes the seats that are new, and queues a direct message for each, at most one a day. Raises
        `NotInvitedError`; then nobody was invited."""
        seats = list(wanted)
        invited = await self.store.run(lambda tx: self._write(tx, seats, now))
        await self.refresh()
        self.wake()
        return invited

    def _write(self, connection: Connection, wanted: Sequence[Seat], now: datetime) -> list[Invited]:
        locks.names(connection, ["invited seats"])
        source_states.lock_sources(connection, [seat.name for seat in wanted])
        known = {each.name: each for each in invited_seats.read(connection)}
        return [self._invited(connection, known.get(seat.name), seat, now) for seat in wanted]

    def _invited(
        self, connection: Connection, known: InvitedSeat | None, seat: Seat, now: datetime
    ) -> Invited:
        if self.seats.is_configured(seat.name):
            if seat.owner != self.seats[seat.name].owner:
                raise NotInvitedError(f"{seat.name} is in the configuration: change its owner there.")
        elif known is None or not known.owner:
            if known is None:
                _end_access(connection, seat.name)
            at = now if known is None else known.invited_at
            invited_seats.write(connection, InvitedSeat(seat.name, seat.owner, at))
        elif seat.owner != known.owner:
            raise NotInvitedError(
                f"{seat.name} is invited for another person: run meterbot seat forget {seat.name} --invitation first "
                "(without --invitation it also deletes the seat's numbers)."
            )
        if seat.source != PUSH:
            return Invited(seat, f"{seat.name}: the bot reads this seat itself.")
        place = owner_destination(seat, self.chats)
        if place is None:
            nowhere = "its owner has no id on a chat configured here, so no message was sent"
            return Invited(seat, f"{seat.name}: {nowhere}.", f"Run {_passing_on(seat)}.")
        key = f"invite:{seat.name}:{place.chat}:{place.channel}:{now.astimezone(UTC).date()}"
        message, redaction = _message(seat), self.redaction
        new = queue_notice(
            connection, key, seat, destination=place, message=message, redaction=redaction, now=now
        )
        if new:
            return _queued(connection, seat, place)
        return _queued_before(seat, place, deliveries.post_state(connection, key))


def _queued(connection: Connection, seat: Seat, place: Destination) -> Invited:
    chat = place.chat.capitalize()
    for queue in deliveries.read_queues(connection):
        # What the chat refuses for one person, such as a missing scope, it refuses for the next one, too.
        if queue.refused and queue.trouble and (queue.chat, queue.channel[:1]) == (place.chat, "@"):
            refusing = f"but {chat} is refusing direct messages at the moment{_because(queue.trouble)}"
            said = f"{seat.name}: a direct message is queued on {chat}, {refusing}"
            return Invited(seat, said, f"Fix this, or run {_passing_on(seat)}.")
    return Invited(seat, f"{seat.name}: a direct message to its owner is queued on {chat}.")


def _queued_before(seat: Seat, place: Destination, state: PostState | None) -> Invited:
    """Another invitation on the same day: what has become of the first one's message."""
    chat = place.chat.capitalize()
    if state is None or state.delivered:
        return Invited(seat, f"{seat.name}: its owner already got a direct message on {chat} today.")
    today, because = f"{seat.name}: today's direct message", _because(state.trouble)
    if state.failed:
        return Invited(seat, f"{today} could not be sent{because}", f"Run {_passing_on(seat)}.")
    if state.trouble:
        return Invited(
            seat, f"{today} has not been sent yet{because}", f"Fix this, or run {_passing_on(seat)}."
        )
    return Invited(seat, f"{today} to its owner is already queued on {state.chat.capitalize()}.")


def _because(trouble: str | None) -> str:
    """The end of a sentence, and the reason in one of its own: it may contain colons and brackets."""
    return f". Reason: {one_line(trouble)}." if trouble else "."


def _passing_on(seat: Seat) -> str:
    return f"meterbot seat invite {seat.name} in a terminal to get a line, and pass it on yourself"


def remove_invitation(connection: Connection, seat: str) -> bool:
    """Removes an invited seat, and what lets its person's machine send. Its numbers stay. False if it was not
    invited."""
    source_states.lock_sources(connection, [seat])
    removed = invited_seats.remove(connection, [seat])
    if removed:
        _end_access(connection, seat)
    return removed


def _end_access(connection: Connection, seat: str) -> None:
    """The seat may get another person: the first one's token, code, approval and account count no more. The caller
    has locked the seat."""
    push_tokens.end_access(connection, seat)
    notes.remove(connection, notes.approval_of(seat))
    forget_account(connection, seat)


def _message(seat: Seat) -> Message:
    text = (
        "Your team's meterbot shows what each Claude seat spends. Your own machine sends the numbers: one line does "
        "it, and no sign-in leaves your machine. The button shows the line, which then works for ten minutes."
    )
    return replace(
        notice(f"Connect {seat.name} to meterbot", text), actions=button("Show my line", "join", seat.name)
    )


async def join_status(
    store: Store, seats: Iterable[Seat], terms: JoinTerms | None, now: datetime, *, may_invite: bool
) -> tuple[list[str], list[str]]:
    """Which of the pushing seats among these have a machine, in sentences, with what an operator who `may_invite` or
    the owners can do next; and the seats whose owners should be asked to join. Without `terms`, only invited seats."""
    connected = {token.seat for token in await store.read(push_tokens.read)}
    connected |= terms.configured if terms else frozenset()
    since = {each.name: now - each.invited_at for each in await store.read(invited_seats.read)}
    pushing = [seat.name for seat in seats if seat.source == PUSH and (terms or seat.name in since)]
    invited = [name for name in pushing if name in since and name not in connected]
    late = [name for name in invited if since[name] >= LATE_AFTER]
    unasked = [name for name in pushing if name not in since and name not in connected]
    said = {
        "Invited and joined: {}.": [name for name in pushing if name in since and name in connected],
        "Invited, not joined yet: {}.": [name for name in invited if since[name] < LATE_AFTER],
        "Not joined 3 days after the invitation: {}.": late,
        "No machine sends numbers yet for {} (from the configuration).": unasked,
    }
    found = [text.format(listed(names, 10)) for text, names in said.items() if names]
    return found + _next_steps(late, unasked, may_invite=may_invite), [*late, *unasked]


def _next_steps(late: Sequence[str], unasked: Sequence[str], *, may_invite: bool) -> list[str]:
    if not may_invite:
        return ["The owner of a seat types /claude-spend join."] if late or unasked else []
    asked = {"Remind them": late, "Invite them": unasked}
    return [f"{what}: /claude-spend invite {' '.join(names[:10])}" for what, names in asked.items() if names]


def as_toml(seats: Iterable[InvitedSeat]) -> str:
    return "\n".join(toml_block(seat.name, seat.owner) for seat in seats)
