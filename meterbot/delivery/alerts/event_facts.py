"""An event's facts read back from JSON, and the phrases that several alerts share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal

from meterbot.core.inline import instant as when
from meterbot.core.messages import Field
from meterbot.core.models import Event, EventKind, Seat
from meterbot.core.money import Money, percent, show
from meterbot.core.text import amounts_text, day_text, listed, one_line, percent_text, sentence, window_label
from meterbot.core.text import bar as percent_bar
from meterbot.delivery.alerts.remedies import Remedy
from meterbot.rules.fact_json import fact_money
from meterbot.rules.settings import parse_threshold

_NAME = 60
_WITH_LEVELS = frozenset({EventKind.THRESHOLD_CROSSED, EventKind.BUDGET_CROSSED})


@dataclass(frozen=True, slots=True)
class AlertText:
    """`title` says who, what and how much; `action` what to do; `details` what else the reader needs, in sentences.

    `seat_line` is the value of the seat's line. `evidence` is shown under Why? alone.
    """

    title: str
    action: str = ""
    details: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    seat_line: str = ""
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event and its seat. Every question answers None, or nothing, for a fact that is not known."""

    event: Event
    seat: Seat | None
    tz: tzinfo

    @property
    def who(self) -> str:
        name = self.event.seat if self.seat is None else self.seat.name
        if (member := self.text("member_name") or self.text("member")) is not None and name is not None:
            return f"{one_line(member, _NAME)} ({one_line(name, _NAME)})"
        return "The team" if name is None else one_line(name, _NAME)

    def text(self, fact: str) -> str | None:
        value = self.event.facts.get(fact)
        return one_line(value) if isinstance(value, str) and value else None

    def money(self, fact: str) -> Money | None:
        return fact_money(self.event.facts.get(fact))

    def shown(self, fact: str) -> str | None:
        """`$1,021.40`"""
        value = self.money(fact)
        return None if value is None else show(value, grouped=True)

    def amounts(self, fact: str) -> tuple[Money, ...]:
        values = self.event.facts.get(fact)
        found = [fact_money(value) for value in values] if isinstance(values, list) else []
        return tuple(amount for amount in found if amount is not None)

    def sums(self, fact: str) -> str:
        """`$1,021.40 + €17.20`"""
        return amounts_text(self.amounts(fact))

    def instant(self, fact: str) -> datetime | None:
        return instant(self.event.facts.get(fact))

    def when(self, fact: str) -> str | None:
        at = self.instant(fact)
        return None if at is None else when(at, self.tz)

    def until(self, fact: str) -> str | None:
        """An instant that lay ahead when the event happened."""
        at = self.instant(fact)
        return when(at, self.tz) if at is not None and at > self.event.at else None

    def items(self, fact: str) -> list[Mapping[str, object]] | None:
        """A list of objects. None is "not known"; an empty list is an answer."""
        values = self.event.facts.get(fact)
        return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else None

    def full_windows(self) -> str:
        """` (5-hour until Thu Apr 30 12:00 and 7-day all)`; nothing if none is known to be full."""
        named = []
        for window in self.items("full_windows") or []:
            name, resets = _window_name(window), instant(window.get("resets_at"))
            ahead = resets is not None and resets > self.event.at
            named.append(f"{name} until {when(resets, self.tz)}" if resets and ahead else name)
        return f" ({listed(named)})" if named else ""

    @property
    def percent(self) -> Decimal | None:
        """Percent of the cap, exact."""
        used, cap = self.money("used"), self.money("cap")
        return None if used is None or cap is None else percent(used, cap)

    def spent(self, *, share: bool = True) -> str | None:
        """`$42.00 of $50.00 (84%)`"""
        used, cap = self.shown("used"), self.shown("cap")
        if used is None or cap is None:
            return used
        percents = f" ({percent_text(self.percent)})" if share and self.percent is not None else ""
        return f"{used} of {cap}{percents}"

    def with_spent(self, title: str, *, share: bool = True) -> str:
        """The title with what was spent behind it."""
        spent = self.spent(share=share)
        return title if spent is None else f"{title}: {spent}"

    @property
    def whole(self) -> str:
        """What the amount is a part of."""
        return "budget" if self.event.kind is EventKind.BUDGET_CROSSED else "cap"

    def bar(self) -> tuple[Field, ...]:
        return () if self.percent is None else (Field(f"Used of {self.whole}", percent_bar(self.percent)),)

    def amount(self, name: str, fact: str) -> tuple[Field, ...]:
        value = self.shown(fact)
        return () if value is None else (Field(name, value),)

    def level(self) -> str:
        """`80% of the cap`, `$25.00`"""
        level = self.text("level") or "a threshold"
        return f"{level} of the {self.whole}" if "%" in level else _amount(level)

    def also_crossed(self) -> tuple[str, ...]:
        """The lower levels that the same rise crossed; at a first reading nothing was seen to cross."""
        values = self.event.facts.get("also")
        if self.event.kind not in _WITH_LEVELS or self.event.initial or not isinstance(values, list):
            return ()
        levels = [_amount(one_line(str(value))) for value in values]
        return (f"It also crossed {listed(levels)}.",) if levels else ()

    def month_end(self) -> tuple[str, ...]:
        if (period := self.text("period")) is None:
            return ()
        start = month_of(period)
        ends = date(start.year + start.month // 12, start.month % 12 + 1, 1)
        return (f"Extra usage starts again at 0 on {day_text(ends)} (UTC).",)

    def pace(self) -> tuple[str, ...]:
        """`Pace: $1.20/h.` `At the pace of the last 24 hours, the cap is reached around Thu Apr 30 18:30.`"""
        pace, at = self.shown("pace"), self.until("cap_eta")
        now = (f"Pace: {pace}/h.",) if pace else ()
        cap = (f"At the pace of the last 24 hours, the cap is reached around {at}.",) if at else ()
        return (*now, *cap)

    def remedy(self, remedy: Remedy) -> str:
        """What to do, by the seat's plan."""
        plan = self.seat.plan if self.seat is not None and self.seat.plan is not None else self.text("plan")
        return remedy.on(plan)


def _window_name(window: Mapping[str, object]) -> str:
    return window_label(one_line(str(window.get("window"))))


def window_levels(facts: EventFacts) -> str:
    """`5-hour at 42% and 7-day all at 12%`"""
    levels = [
        f"{_window_name(window)} at {percent_text(Decimal(str(window['utilization'])))}"
        for window in facts.items("windows") or []
        if window.get("utilization") is not None
    ]
    return listed(levels)


def in_sentences(*texts: str | None) -> tuple[str, ...]:
    """Those that are known, each with a capital and a full stop."""
    return tuple(sentence(text) for text in texts if text)


def instant(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def day_of(value: object) -> date | None:
    """None for what is no day, such as what another version wrote: one bad day must not cost a post about several."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def month_of(period: str) -> date:
    """The first day of `2026-05`, or of `2026-05.2`: the second period that began in it."""
    return date.fromisoformat(f"{period[:7]}-01")


def _amount(level: str) -> str:
    """`25.00 USD` → `$25.00`"""
    try:
        amount = parse_threshold(level).amount
    except ValueError:
        return level
    return level if amount is None else show(amount, grouped=True)
