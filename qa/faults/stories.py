"""Small stories of a few seats, and what must be posted about each: by a simple model, not by the bot's rules.

A seat spends, passes levels of its cap, is blocked, has its cap raised, begins a new month, cannot be read and can be
again. Amounts are chosen so that no two readings look alike, and no percentage looks like a level by chance.
"""

import random
import re
from dataclasses import dataclass, field, replace

LEVELS = (50, 80, 95)
NAMES = ("ana", "bo", "cy", "dee")
CAP = 50_00

_PERCENTS = {0: (12, 31, 43), 50: (53, 61, 74), 80: (83, 88, 91), 95: (96, 97)}
_RAISE = (23, 10)
"""The ratio by which a cap is raised: the spend is then below every level again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Anthropic's counter of a seat, in cents."""

    used: int = 0
    cap: int = CAP
    blocked: bool = False
    readable: bool = True


UNBLOCKED = "no longer blocked|is BLOCKED.* Resolved "
"""In a message of its own, or in a line of a message about several facts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that must be posted about a seat, in words that match all of `marks` (patterns)."""

    seat: str
    marks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.seat}: {' … '.join(mark.replace(chr(92), '') for mark in self.marks)}"

    def is_in(self, text: str) -> bool:
        """Whether a message contains the fact. A message about several seats has a line for each."""
        others = [name for name in NAMES if name != self.seat and _word(name).search(text)]
        parts = text.splitlines() if others else [text]
        wanted = [_word(self.seat), *(re.compile(mark) for mark in self.marks)]
        return any(all(pattern.search(part) for pattern in wanted) for part in parts)


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"\b{name}\b")


@dataclass(frozen=True, slots=True)
class Step:
    """One change at Anthropic, the facts that follow, and the seconds after it."""

    seat: str
    what: str
    standing: Standing
    facts: tuple[Fact, ...]
    pause: float

    def __str__(self) -> str:
        at = self.standing
        stands = f"{at.used / 100:.2f} of {at.cap / 100:.2f}{', blocked' if at.blocked else ''}"
        return f"{self.seat} {self.what}: {stands}; then {self.pause:.0f} s"


@dataclass(frozen=True, slots=True)
class Story:
    """The seats, at first without any spend, and the steps in their order."""

    seats: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for step in self.steps for fact in step.facts)


@dataclass
class _Seat:
    """The model: the levels of a seat that were recorded in this period, whether they were posted or not."""

    name: str
    standing: Standing = Standing()
    recorded: set[int] = field(default_factory=set)
    started: bool = False

    def spend(self, used: int) -> tuple[Fact, ...]:
        amount = _amount(used)
        facts = [] if self.started else [self._fact("started extra usage", amount)]
        share = 100 * used / self.standing.cap
        crossed = [level for level in LEVELS if level <= share and level not in self.recorded]
        self.started = True
        self.recorded |= set(crossed)
        self.standing = replace(self.standing, used=used)
        return (*facts, *(self._fact(rf"(?<![\d.]){level}%", amount) for level in crossed))

    def block(self) -> tuple[Fact, ...]:
        self.recorded = set(LEVELS)  # stored and not posted: the block says more
        self.standing = replace(self.standing, used=self.standing.cap, blocked=True)
        return (self._fact("is BLOCKED", _amount(self.standing.cap)),)

    def lift(self) -> tuple[Fact, ...]:
        facts = [self._fact(UNBLOCKED)] if self.standing.blocked else []
        old = self.standing.cap
        new = old * _RAISE[0] // _RAISE[1]
        self.recorded = set()
        self.standing = replace(self.standing, cap=new, blocked=False)
        return (
            *facts,
            self._fact("raised", re.escape(f"${old / 100:,.2f}"), re.escape(f"${new / 100:,.2f}")),
        )

    def _fact(self, *marks: str) -> Fact:
        return Fact(self.name, marks)


def _amount(cents: int) -> str:
    """A pattern that finds the amount with or without a thousands separator."""
    return rf"\$(?:{re.escape(f'{cents / 100:,.2f}')}|{re.escape(f'{cents / 100:.2f}')})"


def tell(rng: random.Random, most: int = 7) -> Story:
    """A random story of at most `most` steps."""
    seats = NAMES[: min(rng.choice((1, 1, 1, 2, 2, 3, 4)), most // 2)]
    models = {name: _Seat(name) for name in seats}
    steps: list[Step] = []
    for _ in range(rng.randint(3, most)):
        model = models[rng.choice(seats)]
        what, facts = _happen(model, rng)
        pause = rng.choice((1.0, 1.0, 5.0, 40.0, 90.0, 240.0))
        steps.append(Step(model.name, what, model.standing, facts, pause))
    return Story(seats, tuple(steps))


def script(seats: tuple[str, ...], *acts: tuple[str, str, float]) -> Story:
    """A written story: for each step (seat, `blocked`, `lifted` or the dollars spent, the seconds after it)."""
    models = {name: _Seat(name) for name in seats}
    steps = []
    for name, what, pause in acts:
        model = models[name]
        facts = (
            {"blocked": model.block, "lifted": model.lift}[what]()
            if what.isalpha()
            else model.spend(_cents(what))
        )
        steps.append(Step(name, what, model.standing, facts, pause))
    return Story(seats, tuple(steps))


def _cents(dollars: str) -> int:
    return int(dollars.replace(".", ""))


def _happen(seat: _Seat, rng: random.Random) -> tuple[str, tuple[Fact, ...]]:
    at = seat.standing
    if at.blocked:
        return "has its cap raised", seat.lift()
    ahead = [
        percent for percents in _PERCENTS.values() for percent in percents if percent * at.cap > 100 * at.used
    ]
    if at.used and (not ahead or rng.random() < 0.25):
        return "is blocked", seat.block()
    if at.used and rng.random() < 0.1:
        return "has its cap raised", seat.lift()
    percent = rng.choice(ahead[:6])
    return "spends", seat.spend(percent * at.cap // 100 + rng.randint(1, at.cap // 200))
