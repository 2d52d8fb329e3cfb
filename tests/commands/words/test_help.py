from datetime import UTC, datetime

import pytest

from meterbot.chat import Question
from meterbot.chat.command_words import HELP_WORDS
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.commands.words.help import help_message
from meterbot.store import Store


def test_help_lists_every_word_that_people_ask_with_what_it_does() -> None:
    (section,) = help_message().sections
    assert section.labels == tuple(word.usage for word in HELP_WORDS)
    assert section.lines == tuple(word.help for word in HELP_WORDS)
    assert not {"unmute SEAT", "home [TAB]"} & {*section.labels}


@pytest.mark.parametrize("asked", ["snooze", "snoozing"])
async def test_help_with_a_word_is_about_that_word(store: Store, asked: str) -> None:
    context = CommandContext(store, {}, now=lambda: datetime(2026, 4, 15, tzinfo=UTC), tz=UTC, version="1")
    answer = await Commands(context).answer(Question(("help", *asked.split()), "slack", "U1"))
    (section,) = answer.message.sections
    assert section.labels is not None
    if asked == "snoozing":
        assert len(section.labels) == len(HELP_WORDS)
    else:
        assert (section.labels, section.lines) == (
            ("snooze SEAT [TIME]",),
            ("snooze a seat's alerts for 30m, 2h, 2d, or until tomorrow",),
        )
