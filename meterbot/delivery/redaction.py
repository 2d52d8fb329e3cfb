"""Who may see a seat's numbers in an alert (`[privacy] rows`). For answers, `commands/privacy` decides.

With `named`, every destination gets everything. Otherwise only the seat's owner and the operators see the seat's name.
With `anonymous`, a channel reads of "a seat"; with `self`, it gets no alert of a seat that has an owner or operators to
tell. Totals, and which source fails, are for everyone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from meterbot.core.deliveries import Destination, PostContent
from meterbot.core.models import Event, EventKind, Seat, Severity
from meterbot.core.operators import Operators, Rows

A_SEAT = Seat("A seat", "")
"""The name of a seat that may not be named. No configured seat can have this name."""
NO_OWNER = Seat("A seat without an owner", "")
"""The name of the seat of an alert that nobody here may read."""
UNNAMED = {stand_in.name: stand_in for stand_in in (A_SEAT, NO_OWNER)}

_DATED = frozenset({EventKind.RENEWAL_NEAR, EventKind.SUBSCRIPTION_CHANGED})
_AMOUNTS = frozenset({"used", "previous_final", "plan"})
_MEMBER = frozenset({"member", "member_name"})

_CONSOLE, _AT_THE_CONSOLE = "console", "operator"
_SOMEBODY = "its owner or an operator"
_OPEN = frozenset(
    {EventKind.SOURCE_DOWN, EventKind.SOURCE_UP, EventKind.IDENTITY_CHANGED, EventKind.SESSION_EXPIRING}
)
"""These name a seat for everyone; of its numbers, they have at most `_LAST_AMOUNT`."""
_LAST_AMOUNT = frozenset({"last_used", "last_used_at"})


@dataclass(frozen=True, slots=True)
class Redaction:
    """Which readers may see what, by `rows`. `salt` is secret, and the same for all processes of one database."""

    rows: Rows = "named"
    operators: Operators = field(default_factory=Operators)
    salt: str = field(default="", repr=False)

    def salted(self, key: str) -> str:
        """The base of a message's visible id. It is not the key alone, because anybody could try the keys of all
        seats."""
        return f"{self.salt}\n{key}" if self.salt else key

    def may_see(self, event: Event, seat: Seat | None, destination: Destination) -> bool:
        """Whether the readers of a destination may know the seat of the event, and its numbers."""
        # A merged pull request may be recorded without its cost.
        costless = event.kind is EventKind.PULL_REQUEST_MERGED and event.facts.get("shown") is not True
        if event.kind in _OPEN or costless:
            return True
        return self._may_see_numbers(event, seat, destination)

    def _may_see_numbers(self, event: Event, seat: Seat | None, destination: Destination) -> bool:
        if self.rows == "named" or event.seat is None:
            return True
        reader = _reader(destination)
        return reader is not None and self.person_may_see(event.seat, seat, destination.chat, reader)

    def person_may_see(
        self, name: str | None, seat: Seat | None, platform: str, user: str, groups: Sequence[str] = ()
    ) -> bool:
        """Whether a person may know all of an alert of the seat `name`, and do something about it. `seat` is None where
        it is not configured any more."""
        if self.rows == "named" or name is None or self.operators.include(platform, user, groups):
            return True
        return seat is not None and seat.owner.get(platform) == user

    def destinations(
        self, event: Event, seat: Seat | None, routed: Sequence[Destination]
    ) -> list[Destination]:
        """Where an event is posted, of the destinations it is `routed` to. What a channel may not know goes to the
        owner in a direct message, or to the operators."""
        allowed = [destination for destination in routed if self.may_see(event, seat, destination)]
        denied = [destination for destination in routed if destination not in allowed]
        owner = {} if seat is None else seat.owner
        direct = [
            Destination(each.chat, f"@{owner[each.chat]}")
            for each in denied
            if each.chat in owner.keys() - {_CONSOLE}
        ]
        if self.rows == "anonymous":
            return list(dict.fromkeys([*routed, *direct]))
        allowed += direct
        if not allowed:
            allowed = [
                Destination(each.chat, f"@{who}") for each in denied for who in self._operators_of(each.chat)
            ]
        return list(dict.fromkeys(allowed or routed))

    def _operators_of(self, chat: str) -> list[str]:
        return [] if chat == _CONSOLE else sorted(self.operators.people.get(chat, ()))

    def redact(
        self, content: PostContent, seats: Mapping[str, Seat], destination: Destination
    ) -> PostContent:
        """The content as the readers of a destination may see it."""
        events = tuple(self.redact_event(each, seats, destination) for each in content.events)
        if events == content.events:
            return content
        endings = {key: self.redact_event(each, seats, destination) for key, each in content.endings.items()}
        hidden = {
            new.key
            for old, new in zip(content.events, events, strict=True)
            if new != old and old.kind not in _OPEN
        }
        actions = [action for action in content.actions if action.alert not in hidden]
        if self.rows == "anonymous":
            actions = [
                replace(action, by=_SOMEBODY, seat=None) if action.alert in hidden else action
                for action in content.actions
            ]
        return replace(content, events=events, endings=endings, actions=tuple(actions))

    def redact_event(self, event: Event, seats: Mapping[str, Seat], destination: Destination) -> Event:
        """The event as the readers of a destination may see it. It keeps its key, so that its message is found
        again."""
        seat = seats.get(event.seat or "")
        if event.kind in _OPEN and not self._may_see_numbers(event, seat, destination):
            return replace(event, facts=_without(event, _LAST_AMOUNT))
        if self.may_see(event, seat, destination):
            return event
        if event.kind is EventKind.PULL_REQUEST_MERGED:
            # Its author is public on GitHub.
            facts = {fact: event.facts.get(fact) for fact in ("repo", "number")}
            return replace(event, facts=facts, reason="the amount is for the seat's owner")
        if self.rows == "anonymous":
            # The day of a charge identifies the seat to people who know that day: then no amount may be beside it.
            identifying = _AMOUNTS if event.kind in _DATED else _MEMBER
            return replace(event, seat=A_SEAT.name, facts=_without(event, identifying))
        return replace(event, seat=NO_OWNER.name, severity=Severity.INFO, facts={}, level=None, reason="")


def _without(event: Event, hidden: frozenset[str]) -> dict[str, object]:
    return {fact: value for fact, value in event.facts.items() if fact not in hidden}


def _reader(destination: Destination) -> str | None:
    """The one person who reads a destination; None for a channel."""
    if destination.chat == _CONSOLE:
        return _AT_THE_CONSOLE
    return destination.channel[1:] if destination.channel.startswith("@") else None
