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
"""Stands for a seat that is not named. No configured seat can be called so."""
NO_OWNER = Seat("A seat without an owner", "")
"""Stands for one of which nothing is told, but that there is something."""
UNNAMED = {stand_in.name: stand_in for stand_in in (A_SEAT, NO_OWNER)}

_DATED = frozenset({EventKind.RENEWAL_NEAR, EventKind.SUBSCRIPTION_CHANGED})
_AMOUNTS = frozenset({"used", "previous_final", "plan"})

_CONSOLE, _AT_THE_CONSOLE = "console", "operator"
_SOMEBODY = "its owner or an operator"
_OPEN = frozenset(
    {EventKind.SOURCE_DOWN, EventKind.SOURCE_UP, EventKind.IDENTITY_CHANGED, EventKind.SESSION_EXPIRING}
)
"""These name a seat, and none of its numbers."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """What `rows` hides from whom. `salt` is secret, and the same wherever one database is worked on."""

    rows: Rows = "named"
    operators: Operators = field(default_factory=Operators)
    salt: str = field(default="", repr=False)

    def salted(self, key: str) -> str:
        """What a message's id is made of, which its readers can see: not the key alone, which says whose event it is to
        everybody who tries the keys of all."""
        return f"{self.salt}\n{key}" if self.salt else key

    def may_see(self, event: Event, seat: Seat | None, place: Destination) -> bool:
        """Whether who reads there may know whose it is, and the numbers."""
        if self.rows == "named" or event.seat is None or event.kind in _OPEN or _holds_back(event):
            return True
        reader = _reader(place)
        return reader is not None and self.person_may_see(event.seat, seat, place.chat, reader)

    def person_may_see(
        self, name: str | None, seat: Seat | None, platform: str, user: str, groups: Sequence[str] = ()
    ) -> bool:
        """Whether a person may know all of an alert of the seat `name`, and do something about it. `seat` is None where
        it is not configured any more."""
        if self.rows == "named" or name is None or self.operators.include(platform, user, groups):
            return True
        return seat is not None and seat.owner.get(platform) == user

    def destinations(
        self, event: Event, seat: Seat | None, places: Sequence[Destination]
    ) -> list[Destination]:
        """Where it is told, of the places where it would be: the owner is told in a direct message of what the channel
        must not know."""
        told = [place for place in places if self.may_see(event, seat, place)]
        veiled = [place for place in places if place not in told]
        owner = {} if seat is None else seat.owner
        direct = [
            Destination(each.chat, f"@{owner[each.chat]}")
            for each in veiled
            if each.chat in owner.keys() - {_CONSOLE}
        ]
        if self.rows == "anonymous":
            return _each_once([*places, *direct])
        told += direct
        if not told:
            told = [
                Destination(each.chat, f"@{who}") for each in veiled for who in self._operators_of(each.chat)
            ]
        return _each_once(told or places)

    def _operators_of(self, chat: str) -> list[str]:
        return [] if chat == _CONSOLE else sorted(self.operators.people.get(chat, ()))

    def redact(self, card: PostContent, seats: Mapping[str, Seat], place: Destination) -> PostContent:
        """The card as they may read it there."""
        events = tuple(self.redact_event(each, seats, place) for each in card.events)
        if events == card.events:
            return card
        endings = {key: self.redact_event(each, seats, place) for key, each in card.endings.items()}
        hidden = {new.key for old, new in zip(card.events, events, strict=True) if new != old}
        acts = [act for act in card.acts if act.alert not in hidden]
        if self.rows == "anonymous":
            acts = [
                replace(act, by=_SOMEBODY, seat=None) if act.alert in hidden else act for act in card.acts
            ]
        return replace(card, events=events, endings=endings, acts=tuple(acts))

    def redact_event(self, event: Event, seats: Mapping[str, Seat], place: Destination) -> Event:
        """The event as they may read it there. It keeps its key, so that its message is found again."""
        if self.may_see(event, seats.get(event.seat or ""), place):
            return event
        if event.kind is EventKind.PULL_REQUEST_MERGED:
            # Whose it is, everybody sees at GitHub.
            facts = {fact: event.facts.get(fact) for fact in ("repo", "number")}
            return replace(event, facts=facts, reason="the amount is for the seat's owner")
        if self.rows == "anonymous":
            # The day of a charge tells whose it is to those who know: then nothing else may be told beside it.
            telling = _AMOUNTS if event.kind in _DATED else frozenset[str]()
            facts = {fact: value for fact, value in event.facts.items() if fact not in telling}
            return replace(event, seat=A_SEAT.name, facts=facts)
        return replace(event, seat=NO_OWNER.name, severity=Severity.INFO, facts={}, level=None, reason="")


def _holds_back(event: Event) -> bool:
    """A merged pull request that was recorded without what it cost."""
    return event.kind is EventKind.PULL_REQUEST_MERGED and event.facts.get("shown") is not True


def _reader(place: Destination) -> str | None:
    """The one person who reads there; None where a channel does."""
    if place.chat == _CONSOLE:
        return _AT_THE_CONSOLE
    return place.channel[1:] if place.channel.startswith("@") else None


def _each_once(places: Sequence[Destination]) -> list[Destination]:
    return list(dict.fromkeys(places))
