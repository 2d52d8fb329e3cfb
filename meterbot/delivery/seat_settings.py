"""A seat owner's own settings, which replace the configured ones: levels and quiet hours. Pure."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import time, tzinfo
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from meterbot.core.models import ExtraUsage
from meterbot.core.money import show, zero
from meterbot.core.text import one_line
from meterbot.delivery.routing import Quiet
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import UNCAPPED_STEP, RuleSettings, Threshold, parse_threshold
from meterbot.rules.thresholds import levels_for, restated

MOST_LEVELS = 10
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHORT = 3
DAYS = tuple(name[:_SHORT] for name in _NAMES)
DEFAULT = "default"

_HOURS = re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)(?![\d:])")


@dataclass(frozen=True, slots=True)
class SeatSettings:
    """None: as configured."""

    thresholds: tuple[Threshold, ...] | None = None
    quiet: Quiet | None = None
    """Hours in which direct messages about the seat wait, unless they are at least as severe as it allows."""

    def over(self, settings: RuleSettings) -> RuleSettings:
        """The rules' settings for this seat."""
        return settings if self.thresholds is None else replace(settings, thresholds=self.thresholds)


def seats_of(memories: Iterable[str]) -> list[str]:
    """The seats of these stored names."""
    return [name.partition(":")[2] for name in memories if name.startswith(seat_settings_name(""))]


def of(seat: str, memories: Mapping[str, str]) -> SeatSettings:
    stored = memories.get(seat_settings_name(seat))
    return SeatSettings() if stored is None else load(stored)


def dump(settings: SeatSettings) -> str:
    quiet: dict[str, Any] | None = None
    if settings.quiet is not None:
        hours = (settings.quiet.start, settings.quiet.end)
        quiet = {
            "hours": [hour.isoformat("minutes") for hour in hours],
            "days": sorted(settings.quiet.days),
            "zone": settings.quiet.timezone.key,
        }
    levels = None if settings.thresholds is None else [level.level for level in settings.thresholds]
    return json.dumps({"thresholds": levels, "quiet": quiet})


def load(stored: str) -> SeatSettings:
    held = json.loads(stored)
    levels, quiet = held["thresholds"], held["quiet"]
    return SeatSettings(
        None if levels is None else tuple(map(parse_threshold, levels)),
        None
        if quiet is None
        else Quiet(
            time.fromisoformat(quiet["hours"][0]),
            time.fromisoformat(quiet["hours"][1]),
            days=frozenset(quiet["days"]),
            timezone=ZoneInfo(quiet["zone"]),
        ),
    )


def levels_in(written: str) -> tuple[Threshold, ...] | None:
    """`50%, 80%, $25.00`; None for `default`. Raises ValueError with a sentence."""
    parts = re.findall(r"[^\s,;]+(?:\s+[A-Za-z]{3}\b)?", written)
    if [part.lower() for part in parts] == [DEFAULT]:
        return None
    if not parts or len(parts) > MOST_LEVELS:
        raise ValueError(f"Write one to {MOST_LEVELS} levels, such as 50%, 80%, $25.00, or the word default.")
    return tuple(dict.fromkeys(map(_level, parts)))


def _level(part: str) -> Threshold:
    try:
        level = parse_threshold(part)
    except ValueError:
        said = f"“{one_line(part, 20)}” is not a level: write a percentage like 80% or an amount like $25.00."
        raise ValueError(said) from None
    if level.absurd:
        raise ValueError("This amount is too large. Type a smaller one.")
    if level.percent is not None and level.percent > 100:
        raise ValueError(
            f"“{level.level}” is above the cap, where a seat is already blocked: write 100% at most."
        )
    return level


def quiet_in(written: str, zone: tzinfo) -> Quiet | None:
    """`22:00-07:00 sat sun Europe/Berlin`, the zone the configured one where none is named; None for `none` and
    `default`. Raises ValueError with a sentence."""
    if written.strip().lower() in {"none", DEFAULT}:
        return None
    hours = _HOURS.search(written)
    rest = (written[: hours.start()] + written[hours.end() :] if hours else written).replace(",", " ").split()
    if odd := next((word for word in rest if re.search(r"\d:|:\d", word)), None):
        said = f"“{one_line(odd, 20)}” is not a time range: write it like 22:00-07:00, from 00:00 to 23:59."
        raise ValueError(said)
    named = {word: _days(word) for word in rest}
    days = frozenset(day for each in named.values() for day in each or ())
    zones = [word for word, each in named.items() if each is None]
    if (hours is None and not days) or len(zones) > 1:
        raise ValueError("Write hours like 22:00-07:00, perhaps with days and a time zone, or the word none.")
    start, end = (time(0), time(0)) if hours is None else (_clock(hours, 1), _clock(hours, 3))
    if hours is not None and start == end:
        raise ValueError("The end time must differ from the start time.")
    return Quiet(start, end, days, _zone(zones[0]) if zones else ZoneInfo(str(zone)))


def _days(word: str) -> list[int] | None:
    """Of `sat`, `saturday` or `mon-fri`; None for another word."""
    first, _, last = word.lower().partition("-")
    start, end = _day(first), _day(last if "-" in word else first)
    if start is None or end is None:
        return None
    return [(start + more) % 7 for more in range((end - start) % 7 + 1)]


def _day(word: str) -> int | None:
    """A day by its name or a unique beginning of it."""
    fitting = (day for day, name in enumerate(_NAMES) if len(word) >= _SHORT and name.startswith(word))
    return next(fitting, None)


def _clock(hours: re.Match[str], group: int) -> time:
    return time(int(hours[group]), int(hours[group + 1]))


def _zone(word: str) -> ZoneInfo:
    """A zone by its IANA name in upper or lower case, because commands arrive in lower case."""
    if word.lower() not in _zones():
        said = f"“{one_line(word, 40)}” is not a time zone: write it like Europe/Berlin."
        raise ValueError(said)
    return ZoneInfo(_zones()[word.lower()])


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones()}


def levels_said(levels: Sequence[Threshold]) -> str:
    """`50%, $25.00`"""
    said = [level.level if level.amount is None else show(level.amount) for level in levels]
    return ", ".join(said) or "none"


def levels_text(steps: Sequence[Threshold], held: Sequence[ExtraUsage | None] = ()) -> str:
    """The levels of a seat whose counters were read like this: default amounts are for those without a cap. Where that
    is not known: `80%, 95%; without a cap: $25.00, $50.00, $100.00, then every $100.00`."""
    always = [step for step in steps if not step.default]
    uncapped = [step for step in steps if step.default]
    if not uncapped:
        return levels_said(always)
    read = [extra for extra in held if extra is not None and extra.cap_known]
    known = bool(read) and len(read) == len(held)
    if known and all(extra.cap is not None for extra in read):
        return levels_said(always)
    alone = known and all(extra.cap is None for extra in read)
    unit = next((extra.used for extra in read if alone and extra.used is not None), UNCAPPED_STEP)
    amounts = [step for step in levels_for(steps, zero(unit), "none") if step.amount is not None]
    further = f", then every {show(restated(UNCAPPED_STEP.minor, unit))}"
    if alone:
        return levels_said(amounts) + further
    return f"{levels_said(always)}; without a cap: {levels_said(uncapped)}{further}"


def quiet_said(quiet: Quiet | None) -> str:
    """`22:00-07:00, sat, sun (Europe/Berlin)`"""
    if quiet is None:
        return "none"
    hours = [f"{quiet.start:%H:%M}-{quiet.end:%H:%M}"] if quiet.start != quiet.end else []
    days = [DAYS[day] for day in sorted(quiet.days)]
    return f"{', '.join([*hours, *days])} ({quiet.timezone.key})"
