"""`join` and `approve`: the line with which a person's own machine sends their seat's numbers. Only they see it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meterbot.chat import Answer, Question
from meterbot.commands.context import CommandContext, Request, unavailable
from meterbot.commands.join_lines import UNINSTALL_LINE, JoinTerms, dry_run_line, unix_line, windows_line
from meterbot.commands.seat_admin import toml_block
from meterbot.core.deliveries import short_id
from meterbot.core.errors import Outcome, SendError
from meterbot.core.inline import link
from meterbot.core.json_values import json_of, value_of
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, Section, button, notice
from meterbot.core.models import Health, Seat, Severity
from meterbot.core.text import age, listed, one_line
from meterbot.ingest.pushes import PUSH, make_code
from meterbot.store import Store, notes, push_tokens, source_states

APPROVAL_HOLDS = timedelta(days=1)
ASKED_AGAIN_AFTER = timedelta(hours=1)

_NEW = "new"
_MOST_BUTTONS = 6

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Approval:
    """Who asked for a token, and since when that waits, or is approved."""

    platform: str
    user: str
    at: datetime
    approved: bool = False

    def of(self, question: Question) -> bool:
        return (self.platform, self.user) == (question.platform, question.user)


async def join(context: CommandContext, request: Request) -> Answer:
    """The line itself, or what is missing for it. Never public."""
    terms, words = context.join_terms, request.arguments
    if terms is None:
        return unavailable(request)
    new = len(words) > 1 and words[-1] == _NEW
    seat = pushed_seat(context, request, words[:-1] if new else words)
    if isinstance(seat, Message):
        return Answer(seat)
    if terms.url is None:
        missing = 'public_url = "https://…" under [http]'
        text = f"Ask the operator to configure the address at which your machine reaches meterbot: {missing}."
        return Answer(notice("Not set up yet", text))
    # Of two codes made at once, one would be worthless before it is shown.
    async with context.one_join_at_a_time:
        return Answer(await _joined(context, terms, terms.url.rstrip("/"), seat, request.question, new=new))


def pushed_seat(context: CommandContext, request: Request, words: Sequence[str]) -> Seat | Message:
    """The person's own pushed seat: the named one, or the only one. Otherwise the answer: a choice, with buttons that
    ask the same word for each seat, or what the configuration lacks."""
    theirs = context.owned(request.question.platform, request.question.user)
    own = [name for name in theirs if context.seats[name].source == PUSH]
    if not own:
        return _read_by_the_bot(theirs) if theirs else _no_pushed_seat(request.question)
    name = " ".join(words)
    if name in own or (not name and len(own) == 1):
        return context.seats[name or own[0]]
    title = f"“{one_line(name, 40)}” is not one of your pushed seats" if name else "Which seat?"
    text = f"Choose one of {listed(own)}."
    asked = [action for each in own[:_MOST_BUTTONS] for action in button(each, request.word, each)]
    return replace(notice(title, text), actions=tuple(asked))


def _read_by_the_bot(names: Sequence[str]) -> Message:
    whose = listed([one_line(name, 60) for name in names])
    return notice(
        "Nothing to send",
        f"The bot reads {whose} itself. To let your own machine send instead, ask the operator to set "
        'source = "push" for that seat and to restart the bot.',
    )


def _no_pushed_seat(question: Question) -> Message:
    block = toml_block("your-name", {question.platform: question.user})
    text = (
        "Ask an operator to type “/claude-spend invite NAME @you”, where NAME is the name of your new seat. Or the "
        "operator can add this to the configuration, with that name, and restart meterbot:"
    )
    section = Section(tuple(block.splitlines()), fixed=True)
    return replace(notice("You have no pushed seat", text), sections=(section,))


async def _joined(
    context: CommandContext, terms: JoinTerms, url: str, seat: Seat, question: Question, *, new: bool
) -> Message:
    now = context.now()
    if not new and (warning := await _token_there(context.store, terms, seat.name, now)):
        return warning
    if terms.approvers is not None:
        held = await _held(context.store, seat.name, now)
        if held is None or not held.of(question) or not held.approved:
            return await _wait_for_approval(context, seat.name, question, held, now)
        await _release(context.store, seat.name)
    code = await make_code(context.store, seat.name, now)
    log.info("a join code was made", seat=seat.name, platform=question.platform)
    return _line_message(seat.name, url, code, terms.agent_digest)


async def _token_there(store: Store, terms: JoinTerms, seat: str, now: datetime) -> Message | None:
    """The warning that a new token would replace an existing one."""
    made = [token.made_at for token in await store.read(push_tokens.read) if token.seat == seat]
    sources = await store.read(lambda c: source_states.read_sources(c, [seat]))
    has_sent = seat in sources and sources[seat].health is not Health.NEVER_SEEN
    title = f"{seat} is connected already" if has_sent else f"{seat} has a token already"
    silent = "" if has_sent else ", and no machine has used it yet"
    if made and has_sent:
        text = f"It was connected {age(made[0], now)}. If you connect another machine, the current one stops sending."
    elif made:
        text = (
            f"The token was made {age(made[0], now)}{silent}. Connecting a machine makes a new token; the old one stops "
            "working."
        )
    elif seat in terms.configured:
        text = (
            f"Its token is in the configuration{silent}. A machine that you connect gets its own token; both tokens "
            "work."
        )
    else:
        return None
    again = button("Connect a machine", "join", seat, _NEW)
    return replace(notice(title, text), actions=again)


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


# --- where somebody has to approve --------------------------------------------------------------------------------


async def approve(context: CommandContext, request: Request) -> Answer:
    """Lets the owner who asked make a token. Everybody in the channel sees the answer."""
    if context.join_terms is None:
        return unavailable(request)
    question = request.question
    approvers = (context.join_terms.approvers or {}).get(question.platform, frozenset())
    if question.platform != "console" and question.user not in approvers:
        return Answer(notice("Not approved", "Only those named under [push] approvers may approve."))
    seat, now = context.seats.get(" ".join(request.arguments)), context.now()
    held = None if seat is None else await _held(context.store, seat.name, now)
    if seat is None or held is None or held.approved:
        return Answer(notice("Nothing to approve", "Nobody is waiting for this any more."))
    await _hold(context.store, seat.name, replace(held, at=now, approved=True))
    log.info("a request to join was approved", seat=seat.name, platform=question.platform, by=question.user)
    text = f"The owner of {seat.name} can ask /claude-spend join {seat.name} again, within a day."
    return Answer(replace(notice("Approved", text, Severity.GOOD), owner=seat.owner), public=True)


async def _wait_for_approval(
    context: CommandContext, seat: str, question: Question, held: _Approval | None, now: datetime
) -> Message:
    title = "Waiting for approval"
    if held is not None and held.of(question) and now - held.at < ASKED_AGAIN_AFTER:
        return notice(title, f"You asked {age(held.at, now)}. Once it is approved, ask again here.")
    asked = _Approval(question.platform, question.user, now)
    await _hold(context.store, seat, asked)
    if not await _post(context, seat, asked):
        await _release(context.store, seat)
        text = "This needs approval, and I could not post the request just now. Please try again in a minute."
        return notice("Not asked for", text, Severity.WARNING)
    text = (
        "I posted your request where the alerts are. Once it is approved, ask this again here within a day."
    )
    return notice(title, text)


async def _post(context: CommandContext, seat: str, asked: _Approval) -> bool:
    """Whether the request was posted, as far as is known, on any chat."""
    text = (
        f"They asked on {asked.platform}. If you approve, they can make a token with which their machine sends "
        "numbers for this seat, and nothing else."
    )
    said = notice(f"The owner of {seat} asks to send its numbers", text)
    message = replace(said, actions=button("Approve", "approve", seat))
    arrived = False
    for chat in context.chats:
        delivery = short_id(seat, chat.name, asked.at.isoformat())
        try:
            await chat.post(delivery, chat.destination, message)
            arrived = True
        except SendError as error:
            log.warning("a request to join was not posted", seat=seat, chat=chat.name, reason=error.reason)
            arrived |= error.outcome is Outcome.IN_DOUBT
    return arrived


async def _held(store: Store, seat: str, now: datetime) -> _Approval | None:
    """The request for a seat, unless it is too old."""
    stored = await store.read(lambda c: notes.read(c, notes.approval_of(seat)))
    # An earlier version stored null once a request was used up.
    asked: _Approval | None = None if stored is None else value_of(_Approval | None, stored)
    return None if asked is None or now - asked.at >= APPROVAL_HOLDS else asked


async def _hold(store: Store, seat: str, asked: _Approval) -> None:
    await store.run(lambda tx: notes.write(tx, notes.approval_of(seat), json_of(_Approval, asked)))


async def _release(store: Store, seat: str) -> None:
    await store.run(lambda tx: notes.remove(tx, notes.approval_of(seat)))
