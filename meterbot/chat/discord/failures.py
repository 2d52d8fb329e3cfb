"""What Discord's errors mean for a message: sent or not, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from meterbot.core.errors import Outcome
from meterbot.core.text import one_line

NOT_DISCORD = "the answer is not from Discord: is a proxy in between?"


class NotDiscordError(Exception):
    """An answer makes no sense: it is a proxy's page, or half of an answer."""


FAILURES = (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError, NotDiscordError)
"""The exceptions that are caused outside the bot."""


@contextmanager
def parsing() -> Iterator[None]:
    """Turns errors of parsing an answer, here or in discord.py, into `NotDiscordError`. Used nowhere else, because
    elsewhere these errors are bugs of ours."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise NotDiscordError(NOT_DISCORD) from error


NEW_TOKEN = (
    "Discord rejects the bot's token: reset it on the Bot page of the developer portal,"  # noqa: S105 - advice
    " set DISCORD_TOKEN"
)
_UNKNOWN_CHANNEL, _UNKNOWN_MESSAGE = 10003, 10008
_MISSING_ACCESS, _MISSING_PERMISSIONS = 50001, 50013
_INVALID = {50006, 50035}
_GONE = {_UNKNOWN_MESSAGE, 50005}  # 50005: another application's message
_NO_DIRECT = {50007, 50278}
_ADVICE = {
    _UNKNOWN_CHANNEL: "Discord knows no such channel: check channel_id under [discord]",
    _UNKNOWN_MESSAGE: "the message is no longer in the channel",
    _MISSING_ACCESS: "the bot cannot see the channel: invite it with `meterbot discord invite`, give it View Channel",
    _MISSING_PERMISSIONS: "the bot may not write in the channel: give it Send Messages, Embed Links and"
    " Read Message History there",
}


def judge(error: BaseException) -> tuple[Outcome, str]:
    """What the error means if every earlier attempt was answered."""
    if isinstance(error, discord.RateLimited):
        return Outcome.NOT_SENT, "Discord asks for a pause"
    if isinstance(error, discord.LoginFailure):
        return Outcome.REFUSED, NEW_TOKEN
    if isinstance(error, discord.HTTPException):
        return _judge_answer(error.status, error.code, error.text)
    if isinstance(error, TimeoutError):
        return Outcome.NOT_SENT, "Discord did not answer in time"
    if isinstance(error, NotDiscordError):
        return Outcome.NOT_SENT, NOT_DISCORD
    return Outcome.NOT_SENT, f"Discord cannot be reached ({type(error).__name__})"


def reason_of(error: BaseException) -> str:
    """The text of one of `FAILURES`, in our own words."""
    return judge(error)[1]


def _judge_answer(status: int, code: int, text: str) -> tuple[Outcome, str]:
    if status == 429:
        return Outcome.NOT_SENT, "Discord asks for a pause"
    if status >= 500:
        return Outcome.NOT_SENT, f"Discord has a problem (status {status})"
    if status == 401:
        return Outcome.REFUSED, NEW_TOKEN
    return _judge_refusal(status, code, text)


def _judge_refusal(status: int, code: int, text: str) -> tuple[Outcome, str]:
    if code in _GONE:
        return Outcome.GONE, _ADVICE.get(code, "the message belongs to another application")
    if code in _NO_DIRECT:
        return Outcome.NO_DIRECT, "the person does not accept direct messages from the bot"
    if code in _INVALID or status == 413:
        # Discord's own words name the refused field.
        return Outcome.INVALID, f"Discord refuses the message: {one_line(text, 300)}"
    return Outcome.REFUSED, _ADVICE.get(code, f"Discord refuses (status {status}, code {code})")
