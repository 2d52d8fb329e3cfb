"""`join`: the line with which a person's own machine sends their seat's numbers. In the chat, only they see it."""

import asyncio
from base64 import b32encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from meterbot.chat import Answer, Chat, Question
from meterbot.commands.own_seats import chosen
from meterbot.core.errors import Outcome, SendError
from meterbot.core.inline import link
from meterbot.core.json_values import json_of, value_of
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Section, button, notice
from meterbot.core.models import Seat, Severity
from meterbot.core.text import age
from meterbot.ingest.join_codes import make_code
from meterbot.store import Store, notes, push_tokens, seat_agents

AGENT_FILE = "meterbot-agent.py"
AGENT_FOLDER = "~/.local/share/meterbot"
UNINSTALL_LINE = f"python3 {AGENT_FOLDER}/{AGENT_FILE} uninstall"
WINDOWS_UNINSTALL_LINE = f"python $env:LOCALAPPDATA\\meterbot\\{AGENT_FILE} uninstall"


def unix_line(url: str, code: str) -> str:
    """Joins on macOS and Linux."""
    return f"curl -fsSL {url}/join/{code} | python3 -"


def windows_line(url: str, code: str) -> str:
    """Joins on Windows, in PowerShell."""
    return f"irm {url}/join/{code} | python -"


def dry_run_line(url: str) -> str:
    """Shows what would be sent; installs and sends nothing."""
    return f"curl -fsSL {url}/agent | python3 - --dry-run"


VERB = "join"
APPROVE = "approve"
APPROVAL_HOLDS = timedelta(days=1)
ASKED_AGAIN_AFTER = timedelta(hours=1)

_NEW = "new"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class JoinTerms:
    """What the operator has set. `url`: where the seats' machines reach this bot. `approvers`: platform → who may
    approve there; None: nobody has to. `configured`: the seats whose token's digest is configured. `agent_digest`: the
    SHA-256 of the agent that machines download, and `agent_version` its version."""

    url: str | None
    agent_digest: str = ""
    agent_version: str = ""
    approvers: Mapping[str, frozenset[str]] | None = None
    configured: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Request:
    """Who asked for a token, and since when that waits, or is approved."""

    platform: str
    user: str
    at: datetime
    approved: bool = False

    def of(self, question: Question) -> bool:
        return (self.platform, self.user) == (question.platform, question.user)


class JoinCommand:
    """Gives the seats' owners the line to connect a machine; `chats` are where requests are posted."""

    def __init__(
        self,
        seats: Mapping[str, Seat],
        store: Store,
        terms: JoinTerms,
        *,
        chats: Sequence[Chat],
        now: Callable[[], datetime],
    ) -> None:
        self._seats = seats
        self._store = store
        self._terms = terms
        self._chats = chats
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        """Of two codes made at once, one would be worthless before it is shown."""

    async def join(self, question: Question, words: Sequence[str]) -> Answer:
        """The line itself, or what is missing for it. Never public."""
        new = len(words) > 2 and words[-1] == _NEW
        named = " ".join(words[1:-1] if new else words[1:]) or None
        seat = chosen(self._seats, question.platform, question.user, VERB, named)
        if isinstance(seat, Message):
            return Answer(seat)
        if self._terms.url is None:
            missing = 'public_url = "https://…" under [http]'
            return Answer(
                notice(
                    "Not set up yet",
                    f"Ask the operator to configure the address at which your machine reaches meterbot: {missing}.",
                )
            )
        async with self._one_at_a_time:
            return Answer(await self._joined(seat, question, self._terms.url, new=new))

    async def connected(self) -> set[str]:
        """The seats for which a machine has a push token."""
        return {token.seat for token in await self._store.read(push_tokens.read)} | self._terms.configured

    async def old_agents(self, seats: Iterable[str]) -> list[str]:
        """Those of these seats whose machines run an older agent."""
        versions = await self._store.read(seat_agents.read)
        newest = self._terms.agent_version
        return [name for name in seats if versions.get(name, newest) != newest]

    async def _joined(self, seat: Seat, question: Question, url: str, *, new: bool) -> Message:
        now = self._now()
        if not new and (warning := await self._token_there(seat, now)):
            return warning
        if self._terms.approvers is not None:
            held = await self._held(seat, now)
            if held is None or not held.of(question) or not held.approved:
                return await self._wait_for_approval(seat, question, held, now)
            await self._hold(seat, None)
        code = await make_code(self._store, seat.name, now)
        log.info("a join code was made", seat=seat.name, platform=question.platform)
        return _line_message(seat.name, url.rstrip("/"), code, self._terms.agent_digest)

    async def _token_there(self, seat: Seat, now: datetime) -> Message | None:
        """The warning that a new token would replace an existing one."""
        made = [
            token.made_at for token in await self._store.read(push_tokens.read) if token.seat == seat.name
        ]
        if made:
            text = f"It was connected {age(made[0], now)}. If you connect another machine, the one before stops sending."
        elif seat.name in self._terms.configured:
            text = (
                "Its token is in the configuration. A machine that you connect gets a second one; both work."
            )
        else:
            return None
        title = f"{seat.name} is connected already"
        return Message(
            title, f"{title}. {text}", text=text, actions=button("Connect a machine", VERB, seat.name, _NEW)
        )

    # Where somebody has to approve.

    async def approve(self, question: Question, words: Sequence[str]) -> Answer:
        """Lets the owner who asked make a token. Everybody in the channel sees the answer."""
        name = " ".join(words[1:])
        if not self._may_approve(question):
            return Answer(notice("Not approved", "Only those named under [push] approvers may approve."))
        seat, now = self._seats.get(name), self._now()
        held = None if seat is None else await self._held(seat, now)
        if seat is None or held is None or held.approved:
            return Answer(notice("Nothing to approve", "Nobody is waiting for this any more."))
        await self._hold(seat, replace(held, at=now, approved=True))
        log.info(
            "a request to join was approved", seat=seat.name, platform=question.platform, by=question.user
        )
        text = f"The owner of {seat.name} can ask /claude-spend join {seat.name} again, within a day."
        return Answer(
            Message("Approved", f"Approved. {text}", Severity.GOOD, text, owner=seat.owner), public=True
        )

    def _may_approve(self, question: Question) -> bool:
        """The person at the terminal runs the bot."""
        approvers = (self._terms.approvers or {}).get(question.platform, frozenset())
        return question.platform == "console" or question.user in approvers

    async def _wait_for_approval(
        self, seat: Seat, question: Question, held: _Request | None, now: datetime
    ) -> Message:
        if held is not None and held.of(question) and now - held.at < ASKED_AGAIN_AFTER:
            return notice(
                "Waiting for approval",
                f"You asked {age(held.at, now)}. Once it is approved, ask again here.",
            )
        request = _Request(question.platform, question.user, now)
        await self._hold(seat, request)
        if not await self._post(seat, request):
            await self._hold(seat, None)
            text = "This needs approval, and I could not post the request just now. Please try again in a minute."
            return notice("Not asked for", text, Severity.WARNING)
        return notice(
            "Waiting for approval",
            "I posted your request where the alerts are. Once it is approved, ask this again here within a day.",
        )

    async def _post(self, seat: Seat, request: _Request) -> bool:
        """Whether the request was posted, as far as is known, on any chat."""
        title = f"The owner of {seat.name} asks to send its numbers"
        text = (
            f"They asked on {request.platform}. If you approve, they can make a token with which their machine sends "
            "numbers for this seat, and nothing else."
        )
        actions = button("Approve", APPROVE, seat.name)
        message = Message(title, f"{title}. {text}", Severity.INFO, text, actions=actions)
        arrived = False
        for chat in self._chats:
            mark = sha256(f"{seat.name}\n{chat.name}\n{request.at.isoformat()}".encode()).digest()
            try:
                await chat.post(b32encode(mark).decode().lower()[:20], chat.destination, message)
                arrived = True
            except SendError as error:
                log.warning(
                    "a request to join was not posted", seat=seat.name, chat=chat.name, reason=error.reason
                )
                arrived |= error.outcome is Outcome.IN_DOUBT
        return arrived

    async def _held(self, seat: Seat, now: datetime) -> _Request | None:
        """The request for a seat, unless it is too old."""
        stored = await self._store.read(lambda c: notes.read(c, notes.approval_of(seat.name)))
        # Earlier versions stored null when an approval was used up.
        request: _Request | None = None if stored is None else value_of(_Request | None, stored)
        return None if request is None or now - request.at >= APPROVAL_HOLDS else request

    async def _hold(self, seat: Seat, request: _Request | None) -> None:
        name = notes.approval_of(seat.name)
        if request is None:
            await self._store.run(lambda tx: notes.remove(tx, name))
        else:
            await self._store.run(lambda tx: notes.write(tx, name, json_of(_Request, request)))


def _line_message(seat: str, url: str, code: str, digest: str) -> Message:
    title = f"Connect {seat}"
    text = (
        "Run one line on the machine where you use Claude Code. It works once, within ten minutes, and only for "
        f"{seat}."
    )
    sections = (
        _line("macOS and Linux", unix_line(url, code)),
        _line("Windows (PowerShell)", windows_line(url, code)),
        Section(
            (
                f"{link(f'{url}/agent', 'the agent')}, one file of Python, SHA-256 {digest[:16]}…",
                f"{link(f'{url}/join/{code}', 'what it does')}, on a page",
            ),
            heading="Read it first",
        ),
        _line("See what it sends: numbers, every 15 minutes", dry_run_line(url)),
        _line("Stop and delete it", UNINSTALL_LINE),
    )
    return Message(title, f"{title}.", text=text, sections=sections)


def _line(heading: str, line: str) -> Section:
    return Section((line,), heading, fixed=True, verbatim=True)
