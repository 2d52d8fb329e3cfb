"""What every word of `/claude-spend` gets: the parsed question, and what answers are made from."""

import asyncio
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from difflib import get_close_matches

from meterbot.chat import Answer, Chat, Question
from meterbot.chat.command_words import WORDS
from meterbot.commands.invitations import Invitations
from meterbot.commands.join_lines import JoinTerms
from meterbot.commands.privacy import View
from meterbot.commands.readings import current_report
from meterbot.commands.team_report import TeamReport
from meterbot.core.deliveries import Destination
from meterbot.core.messages import Message, notice
from meterbot.core.models import Counter, Seat
from meterbot.core.rate_limit import RateLimiter
from meterbot.core.text import listed, one_line
from meterbot.delivery.actions import AlertActions
from meterbot.delivery.redaction import Redaction
from meterbot.ingest.pushes import PushReceiver
from meterbot.rules.hours import Hour
from meterbot.rules.settings import Threshold
from meterbot.store import Store

_MENTION = re.compile(r"<@!?(?P<id>\w+)(\|(?P<name>[^>]*))?>")
_SKIPPED = {"/claude-spend", "claude-spend", "spend", "refresh"}
_MOST_NAMES = 20
_WORD_BY_NAME = {name: word.name for word in WORDS for name in (word.name, *word.aliases)}

NOT_SHOWN = notice(
    "Not shown",
    "Only a seat's owner may see its numbers here. Type /claude-spend me for your own seats, or /claude-spend for the "
    "team's total.",
)


@dataclass(frozen=True, slots=True)
class Request:
    """A question, parsed. `word` is the name in `WORDS` (as it was typed, if it is none of them), `arguments` are the
    words behind it in lower case. `public`: the channel may read the answer."""

    question: Question
    word: str
    arguments: tuple[str, ...] = ()
    public: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        return (self.word, *self.arguments)


def parse(question: Question) -> Request:
    """Drops what a chat leaves around the words: the command itself, a mention of the bot, a button's verb."""
    words = [word.lower() for word in " ".join(question.words).split()]
    while words and (words[0] in _SKIPPED or words[0].startswith("@") or _MENTION.fullmatch(words[0])):
        del words[0]
    public = "share" in words
    first, *arguments = [word for word in words if word != "share"] or ["team"]
    return Request(question, _WORD_BY_NAME.get(first, first), tuple(arguments), public)


@dataclass
class CommandContext:
    """What answers are made from. `now` is the clock, `redaction` decides who may see whose numbers,
    `unsaved_session_keys` names the seats whose renewed session keys are not stored, by the reason. `chats` are those
    running here, `destinations` all configured destinations. `receiver`, `join_terms` and `invitations` are None where
    no seat can push."""

    store: Store
    seats: Mapping[str, Seat]
    now: Callable[[], datetime]
    tz: tzinfo
    version: str
    redaction: Redaction = field(default_factory=Redaction)
    thresholds: Sequence[Threshold] = ()
    chats: Sequence[Chat] = ()
    destinations: Sequence[Destination] = ()
    unsaved_session_keys: Callable[[], Mapping[str, Sequence[str]]] = dict
    wake: Callable[[], None] = lambda: None
    receiver: PushReceiver | None = None
    join_terms: JoinTerms | None = None
    invitations: Invitations | None = None
    actions: AlertActions = field(init=False)
    pastes: RateLimiter = field(init=False, default_factory=lambda: RateLimiter(burst=6, seconds=30))
    """Each seat may be pasted six times at once and twice a minute."""
    hours_being_read: dict[tuple[frozenset[Counter], datetime], asyncio.Future[list[Hour]]] = field(
        init=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        self._one_report_at_a_time = asyncio.Lock()
        self.one_join_at_a_time = asyncio.Lock()
        self.actions = AlertActions(
            self.store, self.seats, self.wake, now=self.now, tz=self.tz, redaction=self.redaction
        )

    async def report(self, now: datetime) -> TeamReport:
        async with self._one_report_at_a_time:  # together, reports on thousands of seats would all be late
            return await current_report(self.store, self.seats.values(), now, self.tz)

    async def view(self, request: Request) -> View:
        """The team as the person who asks may see it."""
        question = request.question
        own, operator = self.owned(question.platform, question.user), self.is_operator(question)
        return self.view_of(await self.report(self.now()), own, public=request.public, operator=operator)

    def view_of(self, report: TeamReport, own: Iterable[str], *, public: bool, operator: bool) -> View:
        """The report as the owner of these seats may see it."""
        salt = secrets.token_hex(16)
        return View(report, self.tz, self.redaction.rows, frozenset(own), public, operator, salt)

    def is_operator(self, question: Question) -> bool:
        return self.redaction.operators.include(question.platform, question.user, question.groups)

    def owned(self, platform: str, user: str) -> list[str]:
        return sorted(seat.name for seat in self.seats.values() if seat.owner.get(platform) == user)

    def seats_asked_for(self, text: str, request: Request) -> list[str] | Message:
        """The seats that a person names, of those they may see; else the answer. Where some are hidden from them, a
        hidden seat is answered like one that does not exist, and no name is listed."""
        question = request.question
        seen = self.seen(question)
        if found := self.matching_seats(text, question.platform, seen):
            return found
        if text.startswith("@"):
            return notice("Which seat?", "This chat did not say whose name that is. Name the seat instead.")
        if len(seen) < len(self.seats) or (request.public and self.redaction.rows != "named"):
            return NOT_SHOWN
        near = get_close_matches(text, seen, n=1)
        guess = f"Did you mean “{near[0]}”? " if near else ""
        names = f"The seats: {listed(sorted(seen), _MOST_NAMES)}." if seen else "No seats are configured."
        return notice(f"No seat is called “{one_line(text, 40)}”." if text else "Which seat?", guess + names)

    def seen(self, question: Question) -> list[str]:
        """The seats that the person who asks may see by name, in an answer that only they see."""
        who = (question.platform, question.user, question.groups)
        return [name for name, seat in self.seats.items() if self.redaction.person_may_see(name, seat, *who)]

    def matching_seats(self, text: str, platform: str, seats: Collection[str]) -> list[str]:
        """Which of `seats` the text names: the seats of a mentioned person, the seat with this name, or the only seat
        whose name begins like this."""
        if person := mention(text):
            return [name for name in self.owned(platform, person[0]) if name in seats]
        starting = [name for name in seats if text and name.startswith(text)]
        return [text] if text in starting else starting * (len(starting) == 1)

    def none_of_yours(self, question: Question) -> Message:
        how = f'owner = {{ {question.platform} = "{question.user}" }}'
        return notice("No seat is yours", f"To make one yours, its configuration needs {how}.")


def mention(text: str) -> tuple[str, str] | None:
    """The id of the person that a word mentions, and their name there, empty where the chat does not say it."""
    match = _MENTION.fullmatch(text)
    return None if match is None else (match["id"].upper(), match["name"] or "")


def unavailable(request: Request) -> Answer:
    """The answer to a word that only a running bot can carry out."""
    return Answer(notice("Not here", f"“{request.word}” works only in the bot's chats."))
