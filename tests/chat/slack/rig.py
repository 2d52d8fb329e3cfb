"""A SlackChat connected to a simulated workspace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from meterbot.chat import Answer, Form, Question
from meterbot.chat.slack.chat import SlackChat
from meterbot.core.messages import Action, Field, Message
from meterbot.core.models import Severity
from tests.simulator.slack import SlackSimulator

FORM = Form(("paste", "ana"), "Hand in numbers", "Paste the JSON", "One object.")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def alert(title: str = "ana is BLOCKED", **more: Any) -> Message:
    defaults: dict[str, Any] = {
        "fallback": f"{title}: cap spent",
        "severity": Severity.CRITICAL,
        "text": "Her next prompt is refused.",
        "fields": (Field("Spent", "$50.00 / $50.00"),),
        "actions": (Action("snooze:1h", "Snooze 1h"), Action("share:why", "Share")),
        "owner": {"slack": "U0123"},
    }
    return Message(title, **{**defaults, **more})


@dataclass
class Rig:
    """`asked` is every question that reached the answerer; its answer is `echo`. `paste` opens a form."""

    slack: SlackSimulator
    chat: SlackChat
    asked: list[Question] = field(default_factory=list)

    async def echo(self, question: Question) -> Answer:
        self.asked.append(question)
        words = " ".join(question.words)
        said = Message(f"You said {words}", words or "nothing", text=question.text or "")
        return Answer(said, public="share" in question.words, invalid=question.text == "wrong")

    def forms(self, question: Question) -> Form | None:
        return FORM if question.words[:1] == ("paste",) else None


def chat_of(slack: SlackSimulator, **settings: Any) -> SlackChat:
    defaults: dict[str, Any] = {
        "bot_token": slack.bot_token,
        "app_token": slack.app_token,
        "channel": slack.channel,
        "api_url": slack.api_url,
        "ping_interval": 0.3,
        "timeout": 5.0,
    }
    return SlackChat(**{**defaults, **settings})


@asynccontextmanager
async def rig(
    slack: SlackSimulator | None = None, *, start: bool = True, **settings: Any
) -> AsyncIterator[Rig]:
    """A chat and a Slack on loopback. Fails at the end if Slack would have refused anything."""
    async with slack or SlackSimulator() as workspace:
        made = Rig(workspace, chat_of(workspace, **settings))
        try:
            if start:
                await made.chat.start(made.echo, made.forms)
            yield made
        finally:
            await made.chat.close()
        assert workspace.unexpected == []
