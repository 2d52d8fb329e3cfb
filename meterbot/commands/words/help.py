"""`help`, and the answer to a typo."""

from collections.abc import Sequence
from difflib import get_close_matches

from meterbot.chat import Answer
from meterbot.chat.command_words import HELP_WORDS, CommandWord
from meterbot.commands.context import CommandContext, Request
from meterbot.core.messages import Message, Section, notice
from meterbot.core.text import one_line

_BY_NAME = {name: word for word in HELP_WORDS for name in (word.name, *word.aliases)}


async def answer(_context: CommandContext, request: Request) -> Answer:
    named = [_BY_NAME[word] for word in request.arguments[:1] if word in _BY_NAME]
    return Answer(help_message(words=named or HELP_WORDS))


def help_message(text: str = "", words: Sequence[CommandWord] = HELP_WORDS) -> Message:
    """Words that people can ask, by default every one. `text` is shown before the list."""
    listed = Section(tuple(word.help for word in words), labels=tuple(word.usage for word in words))
    names = ", ".join(word.name for word in words)
    share = "Type these after /claude-spend. Only you see the answer, unless you add “share”."
    return Message(
        title="What you can ask",
        fallback=text or f"/claude-spend: {names}",
        text=f"{text}\n{share}".lstrip(),
        sections=(listed,),
    )


def unknown(context: CommandContext, request: Request) -> Message:
    """One line with the nearest word; the whole list where nothing is near."""
    asked = f"I do not know “{one_line(' '.join(request.words), 40)}”."
    near = [_BY_NAME[each].name for each in get_close_matches(request.word, _BY_NAME, n=1)]
    if request.word in context.seen(request.question):
        near = [f"seat {request.word}"]
    return (
        notice(asked, f"Did you mean “{near[0]}”? Type “help” for the list.") if near else help_message(asked)
    )
