"""A `DiscordChat` on a simulated Discord, for the tests of both."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meterbot.chat import Answer, Form, Question
from meterbot.chat.discord.chat import DiscordChat
from meterbot.core.clock import Clock, SystemClock
from meterbot.core.errors import SendError
from meterbot.core.messages import Action, Field, Message, Section
from meterbot.core.models import Severity
from tests.contracts.discord_openapi import contract
from tests.simulator.discord import DiscordSimulator

DELIVERY = "0123456789abcdef"
FORM = Form(("paste", "ana"), "Hand in numbers", "Paste the JSON", "One object.")

POST_MESSAGE = "/channels/{channel_id}/messages"
ONE_MESSAGE = POST_MESSAGE + "/{message_id}"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"


def alert(**changes: Any) -> Message:
    return Message(
        **{
            "title": "ana is BLOCKED",
            "fallback": "ana is BLOCKED: $50.00 of $50.00 spent",
            "severity": Severity.CRITICAL,
            "text": "The cap is spent.",
            "fields": (Field("Spent", "$50.00"), Field("Until", "Thu May 1")),
            "sections": (Section(("ana              $50.00 / $50.00 (100%)",), "Seats", fixed=True),),
            "actions": (Action("ack:7", "Acknowledge"), Action("snooze:7", "Snooze 1 h")),
            "owner": {"discord": "42"},
            "footer": "read 10:00 UTC",
        }
        | changes
    )


def a_while_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=5)


async def refusal_of(sending: Awaitable[object]) -> SendError:
    """The error that the call ends with."""
    with pytest.raises(SendError) as raised:
        await sending
    return raised.value


class Answers:
    """Answers every question with `message`, and remembers what was asked; `paste` opens a form."""

    def __init__(self, message: Message | None = None, *, public: bool = False) -> None:
        self.message = message or alert(title="The team", owner={})
        self.public = public
        self.asked: list[Question] = []

    async def __call__(self, question: Question) -> Answer:
        self.asked.append(question)
        return Answer(self.message, self.public or "share" in question.words)

    def forms(self, question: Question) -> Form | None:
        return FORM if question.words[:1] == ("paste",) else None


class Notes:
    """The store's small notes, in memory."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}

    async def note(self, name: str) -> str | None:
        return self.held.get(name)

    async def set_note(self, name: str, value: str) -> None:
        self.held[name] = value


def chat_on(discord: DiscordSimulator, **changes: Any) -> DiscordChat:
    """A chat that is not started, with short time-outs and pauses."""
    notes = changes.pop("notes", None) or Notes()
    clock: Clock = changes.pop("clock", None) or SystemClock()
    given: dict[str, Any] = {
        "token": discord.token,
        "channel_id": int(discord.channel_id),
        "guild_id": int(discord.guild_id),
        "clock": clock,
        "note": notes.note,
        "set_note": notes.set_note,
        "api_url": discord.api_url,
        "patience": 5.0,
        "first_pause": 0.02,
        "identify_pause": 0.0,
    }
    return DiscordChat(**(given | changes))


@asynccontextmanager
async def running(
    discord: DiscordSimulator, answers: Answers | None = None, **changes: Any
) -> AsyncIterator[DiscordChat]:
    """A started chat with its command registered."""
    chat = chat_on(discord, **changes)
    answers = answers or Answers()
    await chat.start(answers, answers.forms)
    try:
        yield chat
    finally:
        await chat.close()


@asynccontextmanager
async def simulated(**given: Any) -> AsyncIterator[DiscordSimulator]:
    """A simulated Discord whose requests and answers are checked against Discord's own description, if that is
    present."""
    discord_says = contract()
    found: list[str] = []
    async with DiscordSimulator(**given) as discord:
        if discord_says is not None:
            discord.watch = lambda exchange: found.extend(discord_says.problems(exchange))
        yield discord
    assert found == []
    assert discord.unexpected == []
