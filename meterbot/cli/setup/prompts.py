"""Who answers the questions of `meterbot init`: a person at the terminal, or the flags of a script."""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import typer

from meterbot.core.errors import MeterbotError


class RefusedError(MeterbotError):
    """An answer does not work; the text says why and what to do."""


class MistakenError(RefusedError):
    """A flag or the configuration has a mistake, or a script lacks a flag."""


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
    """A member's id, on the first of the chats; `operator` where there is only the console."""
    credential: SecretPlace = SecretPlace()
    url: str | None = None
    """Where the seats' machines reach the bot."""
    bind: str | None = None
    timezone: str | None = None
    keep: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    offline: bool = False
    """Contact no service, and post no test alert."""


class Terminal:
    """A person who reads and types. `flag` is the flag that answers the same in a script."""

    def ask(self, question: str, flag: str, default: str | None = None) -> str:  # noqa: ARG002 - for scripts
        return str(typer.prompt(question, default=default))

    def choose(self, question: str, flag: str, choices: Sequence[str], default: str) -> str:  # noqa: ARG002 - for scripts
        while True:
            answer = str(typer.prompt(f"{question} ({', '.join(choices)})", default=default)).strip()
            if answer in choices:
                return answer
            print(f"  one of {', '.join(choices)}, please")

    def ask_secret(self, question: str, flag: str) -> str:  # noqa: ARG002 - for scripts
        # typer's own prompt shows its question before it hides the input, and with it what is pasted meanwhile.
        return getpass.getpass(f"{question}, not shown: ")

    def confirm(self, question: str) -> bool:
        return bool(typer.confirm(question, default=False))

    def reject(self, problem: str, *, mistaken: bool = False) -> None:  # noqa: ARG002 - for scripts
        """Says what is wrong with an answer, which is then asked again; `mistaken`: it has the wrong form."""
        print(f"fail  {problem}")


class Script:
    """Nobody is at the terminal: a question without a default needs its flag, and nothing is asked twice."""

    def ask(self, question: str, flag: str, default: str | None = None) -> str:
        if default is not None:
            return default
        raise MistakenError(f"{question}: nobody is at the terminal to answer, so give {flag}")

    def choose(self, question: str, flag: str, choices: Sequence[str], default: str) -> str:  # noqa: ARG002 - as above
        return default

    def ask_secret(self, question: str, flag: str) -> str:
        return self.ask(question, flag)

    def confirm(self, question: str) -> bool:  # noqa: ARG002 - as above
        return False

    def reject(self, problem: str, *, mistaken: bool = False) -> None:
        raise MistakenError(problem) if mistaken else RefusedError(problem)
