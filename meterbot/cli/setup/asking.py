"""Who answers the questions: a person at the terminal, or the flags of a script. And what the flags said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from meterbot.core.errors import MeterbotError


class UnansweredError(MeterbotError):
    """Nobody is there to answer a question that no flag answers."""


class RefusedError(MeterbotError):
    """What was given does not work; the text says why and what to do."""


class MistakenError(RefusedError):
    """What a flag or the configuration says is not to be understood."""


@dataclass(frozen=True, slots=True)
class Given:
    """Where a flag says that a secret is: the name of a variable, or a file."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags said. None, or an empty text: nothing."""

    chats: tuple[str, ...] = ()
    """Of slack, discord and console."""
    slack_channel: str | None = None
    slack_bot_token: Given = Given()
    slack_app_token: Given = Given()
    discord_channel: str | None = None
    discord_token: Given = Given()
    seat: str | None = None
    source: str | None = None
    plan: str | None = None
    url: str | None = None
    """Where the seats' machines reach the bot."""
    bind: str | None = None
    credential: Given = Given()
    timezone: str | None = None
    keep: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    """Try nothing, and post no test alert."""


class Prompter(Protocol):
    """Answers questions, one after the other. `flag` is how a script answers the same."""

    def ask(self, question: str, flag: str, default: str | None = None) -> str: ...

    def choose(self, question: str, flag: str, choices: Sequence[str], default: str) -> str: ...

    def secret(self, question: str, flag: str) -> str:
        """Typed without being shown."""
        ...

    def agrees(self, question: str) -> bool: ...

    def hears(self, problem: str, *, mistaken: bool = False) -> None:
        """Of an answer that will not do, or that is none (`mistaken`): it is asked for again. Raises `RefusedError` or
        `MistakenError` where nobody would answer."""
        ...


class Nobody:
    """A script: a question without a default needs its flag, and nothing is asked twice."""

    def ask(self, question: str, flag: str, default: str | None = None) -> str:
        if default is not None:
            return default
        raise UnansweredError(f"{question}: nobody is at the terminal to say, so give {flag}")

    def choose(self, question: str, flag: str, choices: Sequence[str], default: str) -> str:  # noqa: ARG002 - the contract
        return default

    def secret(self, question: str, flag: str) -> str:
        return self.ask(question, flag)

    def agrees(self, question: str) -> bool:  # noqa: ARG002 - the contract
        return False

    def hears(self, problem: str, *, mistaken: bool = False) -> None:
        raise MistakenError(problem) if mistaken else RefusedError(problem)
