"""What every step of `meterbot init` has at hand."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from meterbot.cli.check import as_text
from meterbot.cli.setup.asking import Prompter, Wishes
from meterbot.cli.setup.secrets import Keeper, failures_of, problem_of
from meterbot.core.findings import Check, Status

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Desk:
    """`endpoints`: where the services are; `say` prints."""

    person: Prompter
    wishes: Wishes
    keeper: Keeper
    endpoints: Mapping[str, str]
    now: Callable[[], datetime]
    say: Callable[[str], None]

    def tried(self, asking: Callable[[], Coroutine[Any, Any, list[Check]]]) -> list[Check]:
        """What a service says, told as it comes; nothing where nobody is to be asked."""
        if self.wishes.offline:
            return []
        found = asyncio.run(asking())
        if good := [check for check in found if check.status is not Status.FAIL]:
            self.say(as_text(good))
        return found

    def answered(
        self,
        question: str,
        flag: str,
        given: str | None,
        kind: TypeAdapter[Any],
        *,
        default: str | None = None,
        tried: Callable[[str], list[Check]] = lambda _: [],
    ) -> str:
        """An answer of the kind that the configuration takes, and that does not fail when it is tried."""
        answer = given
        while True:
            if answer is None:
                answer = self.person.ask(question, flag, default)
            problem = _problem(question, answer, kind)
            mistaken = problem is not None
            if problem is None:
                failures = failures_of(tried(answer))
                if not failures:
                    return answer
                problem = problem_of(failures)
                default = answer  # often it is not the answer that has to change, as with an invitation
            self.person.hears(problem, mistaken=mistaken)
            answer = None


def _problem(question: str, answer: str, kind: TypeAdapter[Any]) -> str | None:
    try:
        kind.validate_python(answer)
    except ValidationError as error:
        said = error.errors(include_url=False, include_input=False)[0]
        return f"{question}: {said.get('ctx', {}).get('error', said['msg'])}"
    return None
