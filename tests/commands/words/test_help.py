from meterbot.chat.command_words import HELP_WORDS
from meterbot.commands.words.help import help_message


def test_help_lists_every_word_that_people_ask_with_what_it_does() -> None:
    (section,) = help_message().sections
    assert section.labels == tuple(word.usage for word in HELP_WORDS)
    assert section.lines == tuple(word.help for word in HELP_WORDS)
    assert not {"unmute SEAT", "home [TAB]"} & {*section.labels}
