"""The other answers to `/claude-spend`: one seat, the renewals, how meterbot itself is doing, help."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from meterbot.chat.command_words import WORDS
from meterbot.commands.forecast import seat_heading
from meterbot.commands.org_lines import people_lines
from meterbot.commands.outlooks import NOWHERE, Outlooks
from meterbot.commands.report import MissingSeat, SeatRow, TeamReport
from meterbot.commands.seat_lines import seat_lines
from meterbot.commands.team_view import (
    charge_lines,
    price_of,
    row_note,
    row_value,
    upcoming,
    words_of,
)
from meterbot.commands.view import View
from meterbot.core.messages import Message, Section, buttons
from meterbot.core.models import Counter, Severity, by_counter
from meterbot.core.money import Money, show, totals
from meterbot.core.plans import plan_name
from meterbot.core.text import (
    age,
    amounts_text,
    count,
    day_text,
    listed,
    moment,
    one_line,
    sentence,
    span,
)
from meterbot.rules.blocked import Block
from meterbot.rules.hours import Hour, by_this_day, last_month
from meterbot.rules.renewals import next_charge

Hourly = Mapping[Counter, Sequence[Hour]]
"""The hours of each counter."""

_MOST_LINES = 25


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """Where alerts go, and how that place is doing. `up` is None when the chat is not running here; `trouble` is why
    the line of messages does not move."""

    chat: str
    channel: str
    up: bool | None = None
    since: datetime | None = None
    detail: str | None = None
    waiting: int = 0
    oldest: datetime | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One of several on the database, alive: its name, since when it runs, and whether it is the one that listens to
    Discord."""

    name: str
    since: datetime
    listens: bool = False


def seat_detail(
    view: View,
    names: Sequence[str],
    words: Sequence[str],
    headings: Outlooks = NOWHERE,
    hours: Sequence[Hour] = (),
) -> Message:
    """All that is known of these seats, in full. `words` asked for them and are what the buttons ask again. `headings`
    say where they are heading, the `hours` of this month and the one before what they had spent by this day of it."""
    report = view.report
    rows = [row for row in report.rows if row.seat.name in names]
    title = listed([one_line(name, 60) for name in names])
    blocked = any(row.block for row in rows)
    gone = {missing.seat: missing for missing in report.missing}
    unwell = any(name in gone for name in names)
    first = [f"{one_line(row.seat.name, 60)}: {_in_short(row, view)}" for row in rows]
    return Message(
        title=title,
        fallback="; ".join(first),
        severity=Severity.CRITICAL if blocked else Severity.WARNING if unwell else Severity.INFO,
        sections=tuple(
            part
            for row in rows
            for part in _seat_sections(
                row, view, _Ahead(headings, hours), gone.get(row.seat.name), titled=len(rows) > 1
            )
        ),
        actions=() if view.public else buttons(*words),
        footer=f"As of {moment(report.as_of, view.tz)}",
    )


def _in_short(row: SeatRow, view: View) -> str:
    return f"{row_value(row, view)}, {row_note(row, view)}"


@dataclass(frozen=True, slots=True)
class _Ahead:
    headings: Outlooks
    hours: Sequence[Hour]

    def sentences(self, row: SeatRow, view: View) -> list[str]:
        """Where a seat is heading."""
        found = [one for one in self.headings.seats if one.row is row]
        return [line for one in found for line in seat_heading(one, view)]


def _charge(row: SeatRow, view: View, hours: Sequence[Hour]) -> list[str]:
    """`Next charge Thu May 14: $200.00 (max_20x), and $17.20 spent so far this month; $12.10 by this day of March.`"""
    subscription = row.snapshot.subscription
    day = None if subscription is None else next_charge(subscription)
    today = view.report.as_of.astimezone(view.tz).date()
    spent = _so_far(row, by_counter(hours), view.report.as_of)
    price = "" if row.seat.plan_price is None else price_of(row.seat)
    if day is None or day < today:
        fee = [f"Plan fee on top: {price}."] if price else []
        return [*fee, *([f"Extra usage: {spent}."] if spent else [])]
    with_it = ", and ".join(part for part in (price, spent) if part)
    return [f"Next charge {day_text(day)}{': ' * bool(with_it)}{with_it}."]


def _seat_sections(
    row: SeatRow, view: View, ahead: _Ahead, gone: MissingSeat | None, *, titled: bool
) -> list[Section]:
    lines = list(seat_lines(row.snapshot, view.report.as_of, view.tz, row.windows_at))
    if row.pace is not None:
        per_hour, over = show(row.pace.per_hour, grouped=True), span(row.pace.over)
        lines.append(f"{'Rate':<16} {per_hour} an hour over the last {over}")
    if not row.metered and not row.beside:
        lines.append(f"{'Extra usage':<16} {row_value(row, view)}")
    heading = None
    several = sum(other.seat.name == row.seat.name for other in view.report.rows) > 1
    if titled:
        where = row.snapshot.org_name or (row.counter.org if row.counter else "never read")
        heading = one_line(row.seat.name, 60) + (f", {one_line(where, 60)}" if several else "")
    facts = [*ahead.sentences(row, view), *_facts(row, view, ahead, gone)]
    return [Section(tuple(lines), heading=heading, fixed=True), *_people(row, view), Section(tuple(facts))]


def _people(row: SeatRow, view: View) -> list[Section]:
    """Names are other people's: shown where everyone's are."""
    named = people_lines(row.snapshot.org_spend) if row.snapshot.org_spend and view.rows == "named" else []
    if len(named) > _MOST_LINES:
        named = [*named[:_MOST_LINES], f"and {len(named) - _MOST_LINES} more"]
    return [Section(tuple(named), heading="People")] if named else []


def _facts(row: SeatRow, view: View, ahead: _Ahead, gone: MissingSeat | None) -> list[str]:
    facts = [f"Read from {row.seat.source}: {row_note(row, view)}."]
    facts += _sharing(row, view)
    if row.block is not None:
        facts.append(block_sentence(row.block, view.tz))
    if gone is not None:
        facts.append(sentence(_ailment(gone, view.tz)))
    if row.snapshot.tier is not None:
        facts.append(f"Plan: {plan_name(row.snapshot.tier)}.")
    facts += _charge(row, view, ahead.hours)
    facts += _of_the_machine(row, view)
    return facts + [f"Note: {one_line(note)}" for note in _notes(row)]


def _of_the_machine(row: SeatRow, view: View) -> list[str]:
    """What only the seat's own machine knows: never spend, and never in a sum."""
    facts, estimate, throttle = [], row.snapshot.estimate, row.snapshot.throttle
    if estimate is not None:
        month = date.fromisoformat(f"{estimate.month}-01")
        facts.append(
            f"List-price estimate, not charged: {show(estimate.amount, grouped=True)} ({estimate.by}, {month:%B}). "
            "It prices the tokens in one machine's logs, most of which the plan covers; "
            "extra usage is what Anthropic counts beyond the plan, on every device."
        )
    if throttle is not None and throttle.on is not False:
        pause = f" by {throttle.delay_seconds:f} s a step" if throttle.delay_seconds else ""
        does = f"slows this machine down{pause}" if throttle.throttling else "does not slow this machine down"
        facts.append(f"{throttle.tool} {does} (as of {moment(throttle.decided_at, view.tz)}).")
    return facts


def _sharing(row: SeatRow, view: View) -> list[str]:
    """That other seats read the same counter, and what is known through which of them."""
    others = [
        other.seat.name
        for other in view.report.rows
        if other.counter == row.counter and row.counter is not None and other.seat.name != row.seat.name
    ]
    if not others or row.beside:
        return []

    def named(name: str) -> str:
        return one_line(name, 60) if view.may_see(name) else "another seat"

    told = [f"{words} ({named(row.through[part])})" for part, words in _PARTS.items() if part in row.through]
    read = f", known through others: {listed(told)}" if told else ""
    return [f"One account with {listed(list(dict.fromkeys(map(named, others))))}: counted once{read}."]


_PARTS = {
    "windows": "the windows",
    "spend": "the spend",
    "subscription": "the renewal",
    "block": "why it is blocked",
}


def _notes(row: SeatRow) -> list[str]:
    extra = row.snapshot.extra_usage
    notes = [f"the {what} is assumed, no answer states it" for what in (extra.assumed if extra else ())]
    if extra is not None and not extra.comparable:
        notes.append("the amount is before a discount, so it cannot be compared with the cap")
    if extra is not None and extra.reason is not None and row.block is None:
        notes.append(f"Anthropic's reason for switching it off: {extra.reason}")
    return [*notes, *row.snapshot.drift[:5], *row.snapshot.errors[:5]]


def block_sentence(block: Block, tz: tzinfo) -> str:
    """Which limit, how hard, and until when."""
    why = {
        "cap": "its extra usage cap is spent",
        "balance": "its prepaid credits are used up",
        "unknown": "Anthropic does not say why",
    }[block.reason]
    force = {
        True: "The plan's own quota is full too: the next prompt is refused.",
        False: "The plan's own quota still serves.",
        None: "Whether the plan's own quota still serves is unknown.",
    }[block.hard]
    until = "" if block.until is None else f" until {moment(block.until, tz)}"
    return f"Blocked{until}: {why}. {force}"


def renewals(view: View, hours: Sequence[Hour] = ()) -> Message:
    """Every known charge in order of time, with what was spent so far beside the month before; who ends, and how many
    are unknown."""
    report, hourly = view.report, by_counter(hours)
    rows = [row for row in report.rows if view.sees_rows_of(row.seat.name)]
    dated = upcoming(view)
    first = dated[:_MOST_LINES]
    lines = charge_lines(first, view, [_so_far_if_named(row, view, hourly) for _, row in first])
    if len(dated) > _MOST_LINES:
        lines.append(f"and {len(dated) - _MOST_LINES} more")
    sections = [Section(tuple(lines), heading="Next charges", fixed=True)] if lines else []
    endings = sorted(
        (row.snapshot.subscription.ends_on, row.seat.name)
        for row in rows
        if row.snapshot.subscription is not None
        and row.snapshot.subscription.ends_on is not None
        and view.may_see(row.seat.name)
    )
    if endings:
        ends = tuple(f"{day_text(on):<10}  {one_line(name, 60)}" for on, name in endings[:_MOST_LINES])
        sections.append(Section(ends, heading="Set to end", fixed=True))
    known = {row.seat.name for _, row in dated} | {name for _, name in endings}
    accounts = {row.counter for _, row in dated}
    unknown = [
        row for row in rows if not row.beside and row.seat.name not in known and row.counter not in accounts
    ]
    fees = [total.plan_fees for total in report.totals if total.plan_fees is not None]
    text = [f"Plan fees: {amounts_text(fees)}"] if fees else []
    text += _team_so_far(report, hourly)
    text += _unknown_renewals(unknown, view)
    return Message(
        title="Renewals",
        fallback=f"Renewals: {lines[0] if lines else 'no date is known'}",
        text="\n".join(text),
        sections=tuple(sections),
        actions=() if view.public else buttons("renewals"),
        footer="Plan fees are the configured prices, or else list prices",
    )


def _hours_of(row: SeatRow, hourly: Hourly) -> Sequence[Hour]:
    return () if row.counter is None else hourly.get(row.counter, ())


def _so_far_if_named(row: SeatRow, view: View, hourly: Hourly) -> str:
    """The day and the price of a charge tell whose it is to those who know: without a name there is no amount."""
    return _so_far(row, hourly, view.report.as_of) if view.may_see(row.seat.name) else ""


def _so_far(row: SeatRow, hourly: Hourly, now: datetime) -> str:
    """`$17.20 spent so far this month; $12.10 by this day of March`, as much of it as is known."""
    if row.used is None or row.outdated:
        return ""
    earlier = by_this_day(_hours_of(row, hourly), row.used, now)
    return _beside(show(row.used, grouped=True), [] if earlier is None else [earlier], now)


def _beside(used: str, earlier: Iterable[Money], now: datetime) -> str:
    before = amounts_text(earlier)
    return f"{used} spent so far this month" + (
        f"; {before} by this day of {last_month(now):%B}" if before else ""
    )


def _team_so_far(report: TeamReport, hourly: Hourly) -> list[str]:
    """The sums. Where one seat's month before is unknown, so is the team's."""
    counted = [(row, row.used) for row in report.rows if row.counted and row.used is not None]
    if not counted:
        return []
    earlier = [by_this_day(_hours_of(row, hourly), used, report.as_of) for row, used in counted]
    known = [amount for amount in earlier if amount is not None]
    sums = totals(known).values() if len(known) == len(earlier) else ()
    used = amounts_text(totals(used for _, used in counted).values())
    return [f"Extra usage: {_beside(used, sums, report.as_of)}"]


def _unknown_renewals(rows: Sequence[SeatRow], view: View) -> list[str]:
    """Whose next charge is not known, and why."""
    whose: dict[str, set[str]] = {}
    for row in rows:
        whose.setdefault(_why_unknown(row), set()).add(row.seat.name)
    lines = []
    for why, names in whose.items():
        named = [one_line(name, 60) for name in sorted(names)]
        seen = all(view.may_see(name) for name in names)
        who = listed(named) if seen else count(len(names), "seat")
        lines.append(f"Unknown for {who}: {why}.")
    return lines


def _why_unknown(row: SeatRow) -> str:
    if row.counter is None:
        return "not read yet"
    if row.snapshot.subscription is not None and next_charge(row.snapshot.subscription) is not None:
        return "the last known date has passed"
    if row.seat.source == "claude_ai":
        return "claude.ai names no date"
    return f"{row.seat.source} cannot tell it, so set renews_on in the configuration"


_TICK_LATE = timedelta(minutes=5)
"""It is told once a minute."""


def status(
    view: View,
    destinations: Sequence[DestinationStatus],
    version: str,
    remarks: Sequence[str] = (),
    processes: Sequence[WorkerStatus] = (),
    *,
    last_tick: datetime | None = None,
) -> Message:
    """How meterbot is doing: what it cannot read, what it cannot post, and what `remarks` say of its set-up.
    `processes`: where the database may be shared, those that work on it. `last_tick`: when one last looked after its
    seats, as it says once a minute."""
    report, tz, now = view.report, view.tz, view.report.as_of
    well = len({row.seat.name for row in report.rows}) - len(report.missing)
    sources = [f"{count(well, 'source')} ok"] if well else []
    sources += [_source_line(gone, tz) for gone in report.missing[:_MOST_LINES]]
    if len(report.missing) > _MOST_LINES:
        sources.append(f"and {len(report.missing) - _MOST_LINES} more that need attention")
    read = max((row.read_at for row in report.rows if row.read_at is not None), default=None)
    places = [_destination_line(place, now, tz) for place in destinations]
    troubled = bool(report.missing) or any(place.up is False or place.trouble for place in destinations)
    last = "Nothing has been read yet." if read is None else f"Last reading {age(read, now)}."
    # Whoever has a connection is the bot itself, and runs.
    outside = all(place.up is None for place in destinations)
    if outside and not processes and (last_tick is None or now - last_tick > _TICK_LATE):
        troubled = True
        ago = "" if last_tick is None else f", its last tick was {age(last_tick, now)}"
        last += f"\nNo bot seems to run{ago}: start it with meterbot run, or look at its log."
    elif last_tick is not None:
        last += f" Last tick {age(last_tick, now)}."
    return Message(
        title="meterbot status",
        fallback=f"meterbot {version}: {well} of {count(well + len(report.missing), 'source')} ok. {last}",
        severity=Severity.WARNING if troubled else Severity.GOOD,
        text=last,
        sections=(
            Section(tuple(sources) or ("none configured",), heading="Sources"),
            Section(tuple(places) or ("none configured",), heading="Destinations"),
            *([Section(_process_lines(processes, tz), heading="Processes")] if processes else []),
            *([Section(tuple(remarks), heading="Set-up")] if remarks else []),
        ),
        actions=() if view.public else buttons("status"),
        footer=f"meterbot {version}",
    )


def _process_lines(processes: Sequence[WorkerStatus], tz: tzinfo) -> tuple[str, ...]:
    return tuple(
        f"{one_line(each.name, 60)}: running since {moment(each.since, tz)}"
        + ("; listens to Discord" if each.listens else "")
        for each in processes
    )


def _source_line(gone: MissingSeat, tz: tzinfo) -> str:
    return f"{one_line(gone.seat, 60)}: {_ailment(gone, tz)}"


def _ailment(gone: MissingSeat, tz: tzinfo) -> str:
    """`session expired since Thu Apr 30 09:00 (the cookie is not accepted), next attempt Thu Apr 30 09:30. Sign in …`"""
    since = "" if gone.since is None else f" since {moment(gone.since, tz)}"
    detail = "" if gone.detail is None else f" ({one_line(gone.detail).rstrip('.')})"
    again = "" if gone.next_due is None else f", next attempt {moment(gone.next_due, tz)}"
    return f"{words_of(gone.health)}{since}{detail}{again}. {gone.remedy}"


def _destination_line(place: DestinationStatus, now: datetime, tz: tzinfo) -> str:
    since = "" if place.since is None else f" since {moment(place.since, tz)}"
    state = {True: f"connected{since}", False: f"not connected{since}", None: "not running here"}[place.up]
    parts = [state]
    if place.detail:
        parts.append(one_line(place.detail))
    if place.waiting:
        oldest = "" if place.oldest is None else f", the oldest queued {age(place.oldest, now)}"
        parts.append(f"{count(place.waiting, 'message')} waiting{oldest}")
    else:
        parts.append("nothing waiting")
    if place.trouble:
        parts.append(f"trouble: {one_line(place.trouble)}")
    where = f"{place.chat} {one_line(place.channel, 60)}".rstrip()
    return f"{where}: {'; '.join(parts)}"


def help_answer(unknown: str | None = None, guess: str | None = None) -> Message:
    """What can be asked; after a word that means nothing, the nearest one that does."""
    wide = max(len(word) for word, _ in WORDS)
    lines = tuple(f"/claude-spend {word:<{wide}}  {what}" for word, what in WORDS)
    text = "Add “share” to answer in the channel instead of to you alone."
    if unknown is not None:
        asked = f"I do not know “{one_line(unknown, 40)}”."
        text = f"{asked} Did you mean “{guess}”?\n{text}" if guess else f"{asked}\n{text}"
    return Message(
        title="What you can ask",
        fallback=text.splitlines()[0]
        if unknown
        else "/claude-spend: " + ", ".join(word or "team" for word, _ in WORDS),
        text=text,
        sections=(Section(lines, fixed=True),),
    )
