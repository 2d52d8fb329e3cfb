"""What every step of `meterbot init` needs, and what the steps add to the configuration."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import tomli
from pydantic import TypeAdapter, ValidationError

from meterbot.app.config import SCHEMA, Config, ConfigError
from meterbot.app.config.infrastructure import EndpointsConfig
from meterbot.app.config.loading import load_text
from meterbot.app.config.problems import sentence
from meterbot.cli.check import as_text
from meterbot.cli.seat_reads import Renewed
from meterbot.cli.setup.files import DraftTable, KeptSecret, Value, drafted
from meterbot.cli.setup.prompts import Flags, MistakenError, Script, Terminal
from meterbot.core.findings import Check, Status


@dataclass(slots=True)
class SetupContext:
    """`existing`: the text of the file at `path`, if there is one; `program`: how to call meterbot here; `say`
    prints."""

    flags: Flags
    prompter: Terminal | Script
    path: Path
    existing: str | None
    environ: Mapping[str, str]
    now: Callable[[], datetime]
    say: Callable[[str], None]
    program: str
    tables: list[DraftTable] = field(default_factory=list)
    """What is added to the file; `top` comes before its tables."""
    top: dict[str, Value] = field(default_factory=dict)
    secrets: list[KeptSecret] = field(default_factory=list)
    seats: list[str] = field(default_factory=list)
    """The names of the new seats."""
    url: str = ""
    """Where the machines of the seats that push reach the bot."""
    renewed: dict[str, Renewed] = field(default_factory=dict)
    """Seat → its session key, which claude.ai may have renewed when the seat was read."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Seat → its push token, where the bot's database is elsewhere and only the digest is in the configuration."""

    def text(self) -> str:
        """The whole file, with everything that was added so far."""
        return drafted(self.existing, SCHEMA.as_uri(), self.top, self.tables)

    def document(self) -> dict[str, Any]:
        return tomli.loads(self.text())

    def loaded(self, text: str, environ: Mapping[str, str]) -> Config:
        """Raises `MistakenError`."""
        here = not self.flags.offline
        try:
            return load_text(text, str(self.path), environ, self.path.parent, sign_in_here=here)
        except ConfigError as error:
            raise MistakenError(f"{error}\nnothing was written") from None

    def endpoints(self) -> dict[str, str]:
        """The services' addresses: from the flags, from the file, or the real ones. Raises `MistakenError`."""
        try:
            return dict(EndpointsConfig(**{**self.document().get("endpoints", {}), **self.flags.endpoints}))
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            name, why = str(detail["loc"][0]), sentence(detail, EndpointsConfig)
            where = "--endpoint" if name in self.flags.endpoints else f"{self.path}, [endpoints]"
            raise MistakenError(f"{where}: {name} {why}") from None

    def runs_elsewhere(self) -> bool:
        """Whether the bot, and its database, cannot be on this machine: it does not have the secrets."""
        return any(one.variable and not self.environ.get(one.variable) for one in self.secrets)

    def try_out(self, check: Callable[[], Coroutine[Any, Any, list[Check]]]) -> list[Check]:
        """Returns the result of a service. Prints what is right; with --offline, nothing is contacted."""
        if self.flags.offline:
            return []
        found = asyncio.run(check())
        if good := [each for each in found if each.status is not Status.FAIL]:
            self.say(as_text(good))
        return found

    def ask_for(
        self,
        question: str,
        flag: str,
        given: str | None,
        kind: TypeAdapter[Any],
        *,
        default: str | None = None,
        check: Callable[[str], list[Check]] = lambda _: [],
    ) -> str:
        """Asks until the answer has the form that the configuration needs and passes `check`. An empty default makes
        the question optional."""
        answer = given
        while True:
            if answer is None:
                answer = self.prompter.ask(question, flag, default)
            if not answer and default == "":
                return answer
            mistake = _mistake(question, answer, kind)
            problem = mistake or problem_of(check(answer))
            if not problem:
                return answer
            if not mistake:
                default = answer  # often something else must change first, such as an invitation
            self.prompter.reject(problem, mistaken=bool(mistake))
            answer = None


def _mistake(question: str, answer: str, kind: TypeAdapter[Any]) -> str:
    try:
        kind.validate_python(answer)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        # Every kind that is asked for has sentences of its own.
        return f"{question}: {detail['ctx']['error']}"
    return ""


def problem_of(found: list[Check]) -> str:
    """What failed, and what to do; empty if nothing did."""
    failures = (check for check in found if check.status is Status.FAIL)
    return "\n".join(f"{check.sentence} -> {check.remedy}" for check in failures)
