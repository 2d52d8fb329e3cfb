"""Phrases for lines, alerts and answers: days, instants, durations, windows, counts. Instants are in UTC and are
shown in the zone that is passed; days have no leading zero."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from unicodedata import category

from meterbot.core.money import Money, rounded, show

_WINDOWS = {
    "five_hour": "5-hour",
    "seven_day": "7-day all",
    "seven_day_sonnet": "7-day Sonnet",
    "seven_day_opus": "7-day Opus",
}
WINDOW_ORDER = tuple(_WINDOWS)


def window_label(name: str) -> str:
    """`seven_day_design` → `7-day Design`; an unknown name is shown as it is, without underscores."""
    if name in _WINDOWS:
        return _WINDOWS[name]
    scope = name.removeprefix("seven_day_")
    words = scope.replace("_", " ").strip()
    return f"7-day {words.title()}" if scope != name and words else words or name


def day_text(value: date) -> str:
    """`Thu May 1`"""
    return f"{value:%a %b} {value.day}"


def local_day(at: datetime, tz: tzinfo) -> str:
    return day_text(at.astimezone(tz).date())


def moment(at: datetime, tz: tzinfo) -> str:
    """`Thu May 1 04:00`"""
    local = at.astimezone(tz)
    return f"{day_text(local.date())} {local:%H:%M}"


def stretch(start: datetime, end: datetime, tz: tzinfo, *, dated: bool = True) -> str:
    """`Thu Apr 9 09:12 – Fri Apr 10 16:40`, or without the date `Thu 09:12 – Fri 16:40`."""
    if dated:
        return f"{moment(start, tz)} – {moment(end, tz)}"
    return f"{start.astimezone(tz):%a %H:%M} – {end.astimezone(tz):%a %H:%M}"


def span(length: timedelta) -> str:
    """`45m`, `27h`, `3d`: minutes under an hour, hours under two days, full units only."""
    amount, unit = _units(length)
    return f"{amount}{unit}"


_PART = r"(\d{1,6})\s*(m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?|w(?:eeks?)?)"
_UNITS = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}


def parse_span(text: str) -> timedelta | None:
    """`30m`, `2 hours`, `2d`, `1w` or `1h30m`, of at least a minute and at most a year; None for anything else."""
    if not re.fullmatch(rf"({_PART}\s*)+", text, re.ASCII):
        return None
    parts = re.findall(_PART, text, re.ASCII)
    length = sum((int(number) * _UNITS[unit[0]] for number, unit in parts), timedelta())
    return length if timedelta(minutes=1) <= length <= timedelta(days=366) else None


def ahead(at: datetime, now: datetime) -> str:
    """` (in 3h)`, or nothing once it has passed."""
    return f" (in {span(at - now)})" if at > now else ""


def age(at: datetime, now: datetime) -> str:
    """`2 min ago`, `3 h ago`, `5 days ago`; `just now` for the last minute and for a clock that runs ahead."""
    amount, unit = _units(now - at)
    if amount < 1:
        return "just now"
    words = {"m": "min", "h": "h", "d": "days"}
    return f"{amount} {words[unit]} ago"


def _units(length: timedelta) -> tuple[int, str]:
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return minutes, "m"
    if minutes < 48 * 60:
        return minutes // 60, "h"
    return minutes // (24 * 60), "d"


def percent_text(value: Decimal) -> str:
    """`34%`, half up."""
    return f"{rounded(value, 0)}%"


def bar(percent: Decimal) -> str:
    """`▰▰▰▱▱▱▱▱▱▱ 30%`. The number is never clamped; the bar is full from 100% on, and not before."""
    full = 10 if percent >= 100 else min(int(rounded(max(percent, Decimal(0)) / 10, 0)), 9)
    return f"{'▰' * full}{'▱' * (10 - full)} {percent_text(percent)}"


def count(number: int, noun: str) -> str:
    """`1 seat`, `3 seats`"""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(names: Sequence[str], most: int = 10) -> str:
    """`ana`, `ana and bo`, `ana, bo and 12 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def sentence(text: str) -> str:
    """With a capital at the beginning and a full stop at the end."""
    return stopped(f"{text[:1].upper()}{text[1:]}")


def stopped(text: str) -> str:
    """With a full stop, unless it already has one."""
    return text if text.endswith((".", "…", "?")) else f"{text}."


def stamp(at: datetime) -> str:
    """For machines: `2026-04-30T10:00:00Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def amounts_text(sums: Iterable[Money]) -> str:
    """`$1,021.40 + €17.20`: never one number for two currencies."""
    return " + ".join(show(amount, grouped=True) for amount in sums)


def one_line(text: str, most: int = 200) -> str:
    """Foreign text on one line: control characters, line breaks and direction marks become spaces, and a long text is
    cut."""
    if not text.isprintable():
        text = "".join(" " if category(char)[0] in "CZ" else char for char in text)
    words = " ".join(text.split())
    return words if len(words) <= most else f"{words[: most - 1]}…"
