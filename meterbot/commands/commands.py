"""What `/claude-spend` answers, the same on every chat. Answers come from the store, never from a fetch."""

from collections.abc import Awaitable, Callable, Mapping

from meterbot.chat import Answer, Form, Question
from meterbot.chat.command_words import WORDS
from meterbot.commands.context import CommandContext, Request, parse
from meterbot.commands.words import (
    forecast,
    help,  # noqa: A004 - the word
    history,
    home,
    invite,
    join,
    pull_requests,
    renewals,
    report,
    seat,
    settings,
    status,
    team,
)
from meterbot.core.log import get_logger
from meterbot.core.messages import Message, notice
from meterbot.core.models import Severity

FUNCTIONS: Mapping[str, Callable[[CommandContext, Request], Awaitable[Answer | Message]]] = {
    "team": team.answer,
    "me": seat.mine,
    "seat": seat.answer,
    "forecast": forecast.answer,
    "history": history.answer,
    "renewals": renewals.answer,
    "pr": pull_requests.answer,
    "why": lambda context, request: context.actions.why(request.question, request.words),
    "ack": lambda context, request: context.actions.acknowledge(request.question, request.words),
    "snooze": lambda context, request: context.actions.snooze(request.question, request.words),
    "mute": lambda context, request: context.actions.mute(request.question, request.words),
    "muted": lambda context, request: context.actions.muted(request.question, request.words),
    "unmute": lambda context, request: context.actions.muted(request.question, request.words),
    "settings": settings.answer,
    "join": join.join,
    "approve": join.approve,
    "invite": invite.answer,
    "report": report.answer,
    "status": status.answer,
    "help": help.answer,
    "home": home.answer,
}
"""The one registry. A message is public where the question asks for it. Each word's help, aliases and completions are
in `chat.command_words`."""

FORMS: Mapping[str, Callable[[CommandContext, Request], Form | None]] = {
    "settings": settings.form,
    "report": report.form,
}
"""The words that open a form."""

_TAKES_ARGUMENTS = {word.name: bool(word.arguments) for word in WORDS}

log = get_logger(__name__)


class Commands:
    def __init__(self, context: CommandContext) -> None:
        self.context = context

    def form(self, question: Question) -> Form | None:
        """The form that a question opens, from memory."""
        request = parse(question)
        form = FORMS.get(request.word)
        return None if form is None else form(self.context, request)

    async def answer(self, question: Question) -> Answer:
        """Never raises: a failure is logged with its traceback, and answered with a sentence."""
        request = parse(question)
        function = FUNCTIONS.get(request.word)
        if function is None or (request.arguments and not _TAKES_ARGUMENTS[request.word]):
            return Answer(help.unknown(self.context, request))
        try:
            if self.context.invitations is not None:
                await self.context.invitations.refresh()
            said = await function(self.context, request)
        except Exception:
            log.exception("answering a question failed", platform=question.platform, command=request.word)
            text = "Something went wrong while I answered this. Please try again in a minute; the log has the reason."
            return Answer(notice("No answer", text, Severity.WARNING), invalid=question.text is not None)
        return Answer(said, request.public) if isinstance(said, Message) else said
