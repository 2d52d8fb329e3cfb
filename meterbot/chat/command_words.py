"""The words after `/claude-spend`, for help, completion and the commands themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CommandWord:
    """`arguments` is how help shows them; a word without any takes none. `examples` are offered as completions. A
    word without `help` is used only by buttons."""

    name: str
    help: str = ""
    arguments: str = ""
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """`history [DAYS] [NAME]`"""
        return f"{self.name} {self.arguments}".rstrip()


WORDS = (
    CommandWord("team", "the team: totals, blocked seats, every seat, missing seats"),
    CommandWord("me", "your own seats", aliases=("mine",)),
    CommandWord("seat", "one seat in full", "NAME"),
    CommandWord("forecast", "pace, the end of the month, when caps and windows are full"),
    CommandWord(
        "history",
        "spend per day (7d, 30d or 90d), as a chart and in numbers",
        "[DAYS] [NAME]",
        examples=("history 7d", "history 30d", "history 90d", "history me"),
    ),
    CommandWord("renewals", "which subscription is charged when", aliases=("renewal",)),
    CommandWord("pr", "what a merged pull request cost, or all of this month", "[NUMBER]", aliases=("prs",)),
    CommandWord("why", "why a seat's newest open alert was sent", "SEAT"),
    CommandWord(
        "ack",
        "acknowledge a seat's newest open alert: no more reminders",
        "SEAT",
        aliases=("acknowledge", "acknowledged"),
    ),
    CommandWord("snooze", "snooze a seat's alerts for 30m, 2h, 2d, or until tomorrow", "SEAT [TIME]"),
    CommandWord("mute", "mute the type of a seat's newest open alert", "SEAT"),
    CommandWord("muted", "list snoozes and mutes, and undo them", aliases=("snoozed", "mutes")),
    CommandWord(
        "settings",
        "the thresholds and quiet hours of your own seats",
        "[NAME]",
        aliases=("thresholds", "levels", "quiet"),
    ),
    CommandWord("join", "the command that lets your own machine send your seat's numbers", "[NAME]"),
    CommandWord("invite", "operators only: ask people to connect their machines", "NAME [@PERSON]"),
    CommandWord("report", "paste your seat's numbers by hand", "[NAME]"),
    CommandWord("status", "meterbot's own health: sources, destinations, version"),
    CommandWord("help", "list these words, or explain one", "[WORD]"),
    CommandWord("home", arguments="[TAB]"),
    CommandWord("unmute", arguments="SEAT"),
    CommandWord("approve", arguments="NAME"),
)
"""Every word, and `share`, which posts the answer in the channel."""

HELP_WORDS = tuple(word for word in WORDS if word.help)
COMPLETIONS = tuple(text for word in HELP_WORDS for text in (word.examples or (word.name,)))
