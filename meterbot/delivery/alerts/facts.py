"""An event's facts read back from JSON, and the phrases that several alerts share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from decimal import Decimal

from meterbot.core.messages import Field
from meterbot.core.models import Event, EventKind, Seat
from meterbot.core.money import Money, percent, show
from meterbot.core.text import amounts_text, day_text, listed, moment, one_line, percent_text, window_label
from meterbot.rules import fact_money, parse_threshold

USAGE_SETTINGS = "in claude.ai under Settings, Usage"
_NAME = 60


@dataclass(frozen=True, slots=True)
class Words:
    """`meaning` are facts in sentences, the weightiest first; `advice` is what to do, and when it ends. `whole` is the
    whole fact in one sentence, where the title alone does not say it."""

    title: str
    meaning: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    whole: str | None = None


@dataclass(frozen=True, slots=True)
class EventFacts:
    """An event and whose it is. Every question answers None for a fact that is not known."""

    event: Event
    seat: Seat | None
    tz: tzinfo

    @property
    def who(self) -> str:
        name = self.event.seat if self.seat is None else self.seat.name
        return "The team" if name is None else one_line(name, _NAME)

    @property
    def share(self) -> Decimal | None:
        """Percent of the cap, exact."""
        used, cap = self.money("used"), self.money("cap")
        return None if used is None or cap is None else percent(used, cap)

    def text(self, fact: str) -> str | None:
        value = self.event.facts.get(fact)
        return one_line(value) if isinstance(value, str) and value else None

    def money(self, fact: str) -> Money | None:
        return fact_money(self.event.facts.get(fact))

    def amounts(self, fact: str) -> str:
        """`$1,021.40 + €17.20`; nothing where it is not known."""
        values = self.event.facts.get(fact)
        found = [fact_money(value) for value in values] if isinstance(values, list) else []
        return amounts_text(amount for amount in found if amount is not None)

    def moment(self, fact: str) -> str | None:
        at = instant(self.event.facts.get(fact))
        return None if at is None else moment(at, self.tz)

    def items(self, fact: str) -> list[Mapping[str, object]] | None:
        """A list of objects. None is "not known"; an empty list is an answer."""
        values = self.event.facts.get(fact)
        return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else None

    def spent(self) -> tuple[Field, ...]:
        """`$42.00 of $50.00 (84%)`"""
        used, cap = self.money("used"), self.money("cap")
        if used is None:
            return ()
        of = "" if cap is None else f" of {show(cap, grouped=True)}"
        share = "" if self.share is None else f" ({percent_text(self.share)})"
        return (Field("Spent", f"{show(used, grouped=True)}{of}{share}"),)

    def amount(self, name: str, fact: str) -> tuple[Field, ...]:
        value = self.money(fact)
        return () if value is None else (Field(name, show(value, grouped=True)),)

    def level(self) -> str:
        """`80% of its cap`, `$25.00`"""
        level = self.text("level") or "a level"
        return (
            f"{level} of its {'budget' if self.seat is None else 'cap'}" if "%" in level else _amount(level)
        )

    def also(self) -> tuple[str, ...]:
        """The lower levels that the same tick crossed. A renewal's are days, and none of them was passed."""
        values = self.event.facts.get("also") if self.event.kind in _OF_LEVELS else None
        levels = [_amount(one_line(str(value))) for value in values] if isinstance(values, list) else []
        return (f"It passed {listed(levels)} at once.",) if levels else ()

    def month_end(self) -> tuple[str, ...]:
        period = self.text("period")
        return (
            ()
            if period is None
            else (f"The counter starts again at 0 on {day_text(month_after(period))} (UTC).",)
        )


_OF_LEVELS = {EventKind.THRESHOLD_CROSSED, EventKind.BUDGET_CROSSED}


def windows(full: Iterable[Mapping[str, object]], tz: tzinfo) -> str:
    """`5-hour, resets Thu Apr 30 12:00; 7-day all`"""
    said = []
    for window in full:
        name, resets = window_name(window), instant(window.get("resets_at"))
        said.append(name if resets is None else f"{name}, resets {moment(resets, tz)}")
    return "; ".join(said)


def window_name(window: Mapping[str, object]) -> str:
    return window_label(one_line(str(window.get("window"))))


def instant(value: object) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def day_of(value: object) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else None


def month_of(period: str) -> date:
    """The first day of `2026-05`, or of `2026-05.2`: the second period that began in it."""
    return date.fromisoformat(f"{period[:7]}-01")


def month_after(period: str) -> date:
    start = month_of(period)
    return date(start.year + start.month // 12, start.month % 12 + 1, 1)


def _amount(level: str) -> str:
    """`25.00 USD` → `$25.00`"""
    try:
        amount = parse_threshold(level).amount
    except ValueError:
        return level
    return level if amount is None else show(amount, grouped=True)
