"""What every step of `meterbot init` needs."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from meterbot.cli.check import as_text
from meterbot.cli.setup.prompts import Flags, Prompter
from meterbot.cli.setup.secrets import SecretCollector, failures_of, problem_of
from meterbot.core.findings import Check, Status


@dataclass(frozen=True, slots=True)
class SetupContext:
    """`endpoints`: the services' addresses; `program`: how to call meterbot here; `say` prints."""

    prompter: Prompter
    flags: Flags
    secrets: SecretCollector
    endpoints: Mapping[str, str]
    environ: Mapping[str, str]
    program: str
    now: Callable[[], datetime]
    say: Callable[[str], None]

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
            problem = _problem(question, answer, kind)
            mistaken = problem is not None
            if problem is None:
                failures = failures_of(check(answer))
                if not failures:
                    return answer
                problem = problem_of(failures)
                default = answer  # often something else must change first, such as an invitation
            self.prompter.reject(problem, mistaken=mistaken)
            answer = None


def _problem(question: str, answer: str, kind: TypeAdapter[Any]) -> str | None:
    try:
        kind.validate_python(answer)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        return f"{question}: {detail.get('ctx', {}).get('error', detail['msg'])}"
    return None
