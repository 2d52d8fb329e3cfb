"""Who answers the questions of `meterbot init`: a person at the terminal, or the flags of a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from meterbot.core.errors import MeterbotError


class UnansweredError(MeterbotError):
    """No flag answers a question, and nobody is at the terminal."""


class RefusedError(MeterbotError):
    """An answer does not work; the text says why and what to do."""


class MistakenError(RefusedError):
    """A flag or the configuration has a mistake."""


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a flag says that a secret is: in an environment variable, or in a file."""

    env: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line's answers; None, or an empty value, if there is none."""

    chats: tuple[str, ...] = ()
    """Of slack, discord and console."""
    slack_channel: str | None = None
    slack_bot_token: SecretPlace = SecretPlace()
    slack_app_token: SecretPlace = SecretPlace()
    discord_channel: str | None = None
    discord_token: SecretPlace = SecretPlace()
    seat: str | None = None
    source: str | None = None
    plan: str | None = None
    owner: str | None = None
    """A member's id, on the first of the chats."""
    credential: SecretPlace = SecretPlace()
    url: str | None = None
    """Where the seats' machines reach the bot."""
    bind: str | None = None
    timezone: str | None = None
    keep: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    """Contact no service, and post no test alert."""


class Prompter(Protocol):
    """Answers one question after the other. `flag` is the flag that answers the same in a script."""

    def ask(self, question: str, flag: str, default: str | None = None) -> str: ...

    def choose(self, question: str, flag: str, choices: Sequence[str], default: str) -> str: ...

    def ask_secret(self, question: str, flag: str) -> str:
        """The answer is not shown while it is typed."""
        ...

    def confirm(self, question: str) -> bool: ...

    def reject(self, problem: str, *, mistaken: bool = False) -> None:
        """Says what is wrong with an answer, which is then asked again; `mistaken`: it has the wrong form. Raises
        `RefusedError` or `MistakenError` if nobody can answer again."""
        ...


class Script:
    """Nobody is at the terminal: a question without a default needs its flag, and nothing is asked twice."""

    def ask(self, question: str, flag: str, default: str | None = None) -> str:
        if default is not None:
            return default
        raise UnansweredError(f"{question}: nobody is at the terminal to answer, so give {flag}")

    def choose(self, question: str, flag: str, choices: Sequence[str], default: str) -> str:  # noqa: ARG002 - the contract
        return default

    def ask_secret(self, question: str, flag: str) -> str:
        return self.ask(question, flag)

    def confirm(self, question: str) -> bool:  # noqa: ARG002 - the contract
        return False

    def reject(self, problem: str, *, mistaken: bool = False) -> None:
        raise MistakenError(problem) if mistaken else RefusedError(problem)
