"""Streams of readings as a service, a network and people would make them, against simple oracles."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from meterbot.core.models import Event, EventKind, ExtraUsage, Health, LastKnown, Snapshot
from meterbot.core.money import Money
from meterbot.rules.counter_rules import mark_duplicates, watch_counter
from meterbot.rules.increases import spend_between
from meterbot.rules.memory import CounterMemory, dump, load
from meterbot.rules.settings import RuleSettings, Threshold, parse_threshold
from tests.delivery.alerts.events import event
from tests.rules.builders import (
    HOUR,
    MINUTE,
    NOON,
    Watch,
    extra,
    snapshot,
    window,
)

CROSSED = EventKind.THRESHOLD_CROSSED
START = datetime(2026, 4, 27, tzinfo=UTC)
LEVELS = (50, 80, 95, 120)
AMOUNT = 3000
SETTINGS = RuleSettings(
    thresholds=(*(Threshold(percent=Decimal(level)) for level in LEVELS), parse_threshold("$30.00"))
)


@dataclass(frozen=True)
class Act:
    """What happens until the next reading, and what spoils that reading."""

    minutes: int
    does: str
    by: int
    spoilt: str


acts = st.builds(
    Act,
    minutes=st.sampled_from([1, 5, 60, 600, 2000]),
    does=st.sampled_from(["spend", "spend", "spend", "rest", "refund", "cap", "currency", "out", "in"]),
    by=st.integers(0, 40),
    spoilt=st.sampled_from(
        ["", "", "", "", "used", "cap", "why", "all", "stale", "repeated", "old", "future", "disagreeing"]
    ),
)
streams = st.lists(acts, max_size=40)


@dataclass
class Truth:
    """One seat at the service: minor units; the counter returns to 0 at the turn of the month."""

    at: datetime = START
    used: int = 0
    cap: int | None = 5000
    currency: str = "USD"
    out: bool = False
    reset: bool = False

    def act(self, act: Act) -> None:
        after = self.at + timedelta(minutes=act.minutes)
        self.reset = (after.year, after.month) != (self.at.year, self.at.month)
        if self.reset:
            self.used = 0
        self.at = after
        if act.does == "spend":
            self.used += act.by * 25
        elif act.does == "refund":
            self.used -= min(self.used, act.by * 10)
        elif act.does == "cap":
            self.cap = None if act.by == 0 else act.by * 500
        elif act.does == "currency":
            self.currency = "EUR" if self.currency == "USD" else "USD"
        elif act.does in {"out", "in"}:
            self.out = act.does == "out"

    def read(self) -> Snapshot:
        money = Money(Decimal(self.used), self.currency, 2)
        cap = None if self.cap is None else Money(Decimal(self.cap), self.currency, 2)
        metered = ExtraUsage(True, money, cap, currency=self.currency, out_of_credits=self.out)
        return snapshot(self.at, metered=metered, windows=(window(str(min(100, self.used // 50))),))


def spoil(clean: Snapshot, how: str) -> Snapshot:
    metered = clean.extra_usage
    assert metered is not None
    spoilt = {
        "used": replace(
            clean, extra_usage=replace(metered, used=None), drift=("extra_usage.used_credits: …",)
        ),
        "cap": replace(clean, extra_usage=replace(metered, cap=None, cap_known=False)),
        "why": replace(clean, extra_usage=replace(metered, out_of_credits=None, why_known=False)),
        "all": replace(clean, extra_usage=None, extra_usage_read=False, health=Health.DRIFTED),
        "stale": replace(clean, health=Health.STALE),
        "disagreeing": replace(clean, drift=("cap: usage 60.00, overage 50.00",)),
    }
    return spoilt.get(how, clean)


def readings(stream: list[Act], truth: Truth | None = None) -> Iterator[tuple[Snapshot, Act, datetime]]:
    """Every snapshot with the time of its arrival; some are followed by noise that must change nothing."""
    truth = truth or Truth()
    for act in stream:
        truth.act(act)
        clean = truth.read()
        yield spoil(clean, act.spoilt), act, clean.fetched_at
        other = replace(clean, extra_usage=extra("4000", "1"))
        if act.spoilt == "repeated":
            yield other, replace(act, spoilt="noise"), clean.fetched_at
        if act.spoilt == "old":
            yield (
                replace(other, fetched_at=clean.fetched_at - MINUTE),
                replace(act, spoilt="noise"),
                clean.fetched_at,
            )
        if act.spoilt == "future":
            yield (
                replace(other, fetched_at=clean.fetched_at + HOUR),
                replace(act, spoilt="noise"),
                clean.fetched_at,
            )


def oracle(stream: list[Act]) -> list[tuple[datetime, str, list[str]]]:
    """The levels as a person would tick them off on a calendar page, from the clean readings alone."""
    alerted: set[str] = set()
    page: str | None = None
    last: int | None = None
    last_currency = ""
    last_cap: tuple[int, str] | None = None
    expected = []
    for seen, act, _ in readings(stream):
        metered = seen.extra_usage
        if act.spoilt in {"noise", "stale", "all", "used"} or metered is None or metered.used is None:
            continue
        used, currency = int(metered.used.minor), metered.used.currency
        cap = int(metered.cap.minor) if metered.cap else None
        month = f"{seen.fetched_at + timedelta(minutes=5):%Y-%m}"
        opened = datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
        settled = seen.fetched_at >= opened + timedelta(hours=6)
        if page is None:
            page = "0" if used and not settled else month
        elif currency == last_currency and month > page:
            reset = last is not None and (used < last or last == 0 or (used > last and settled))
            page, alerted = (month, set()) if reset else (page, alerted)
        percents = {f"{level}%": cap is not None and used * 100 >= level * cap for level in LEVELS}
        if act.spoilt != "cap":
            raised = last_cap is not None and (cap is None or (cap > last_cap[0] and currency == last_cap[1]))
            alerted -= {level for level, over in percents.items() if raised and not over}
            # Above no cap there is nothing to raise it to.
            last_cap = None if cap is None else (cap, currency)
        order = sorted(
            (Decimal(level * (cap or 0)) / 100, 1, f"{level}%") for level in LEVELS if percents[f"{level}%"]
        )
        if currency == "USD" and used >= AMOUNT:
            order = sorted([*order, (Decimal(AMOUNT), 0, "30.00 USD")])
        new = [level for _, _, level in order if level not in alerted]
        top = max((level for level in LEVELS if f"{level}%" in alerted and percents[f"{level}%"]), default=0)
        news = [level for level in new if level.endswith("USD") or int(level[:-1]) > top]
        alerted |= set(new)
        if news:
            expected.append((seen.fetched_at, news[-1], news[:-1]))
        last, last_currency = used, currency
    return expected


def play(stream: list[Act], restarts: frozenset[int] = frozenset(), *, noise: bool = True) -> Watch:
    """The stream, with the memory going through its text form at the given places only."""
    watch = Watch(SETTINGS)
    memory, known = CounterMemory(), None
    for place, (seen, act, now) in enumerate(readings(stream)):
        if act.spoilt == "noise" and not noise:
            continue
        verdict = watch_counter(memory, known, seen, SETTINGS, now)
        assert verdict.changed == (act.spoilt != "noise")
        memory = load(CounterMemory, dump(verdict.memory)) if place in restarts else verdict.memory
        known = verdict.known
        watch.events += verdict.events
        watch.samples += [verdict.sample] if verdict.sample else []
    watch.memory = memory
    return watch


@given(streams)
def test_an_alert_comes_exactly_when_a_level_is_newly_reached(stream: list[Act]) -> None:
    alerted = [(e.at, e.level, e.facts["also"]) for e in play(stream).events if e.kind is CROSSED]
    assert alerted == oracle(stream)


@given(streams)
def test_no_key_is_ever_used_twice(stream: list[Act]) -> None:
    keys = [event.key for event in play(stream).events]
    assert len(keys) == len(set(keys))


@given(streams, st.frozensets(st.integers(0, 60)))
def test_restarts_change_nothing(stream: list[Act], restarts: frozenset[int]) -> None:
    assert play(stream, restarts).events == play(stream).events


@given(streams)
def test_old_repeated_and_future_snapshots_change_nothing(stream: list[Act]) -> None:
    assert play(stream).events == play(stream, noise=False).events


@given(streams)
def test_blocks_and_their_ends_alternate_and_belong_together(stream: list[Act]) -> None:
    blocks = [e for e in play(stream).events if e.kind in {EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED}]
    assert all(
        e.kind is (EventKind.SEAT_UNBLOCKED if i % 2 else EventKind.SEAT_BLOCKED)
        for i, e in enumerate(blocks)
    )
    assert all(b.resolves == a.key for a, b in pairwise(blocks) if b.kind is EventKind.SEAT_UNBLOCKED)


@given(streams)
def test_a_block_begins_with_proof_and_ends_with_proof_of_the_same_kind(stream: list[Act]) -> None:
    blocked = confirmed = False
    for seen, act, _ in readings(stream):
        metered = seen.extra_usage
        if act.spoilt in {"noise", "stale", "all"} or metered is None:
            continue
        used, cap = metered.used, metered.cap
        if metered.out_of_credits or (used and cap and 0 < used.minor >= cap.minor):
            confirmed = (blocked and confirmed) or act.spoilt != "why"
            blocked = True
        elif act.spoilt not in {"used", "cap"} and not (act.spoilt == "why" and confirmed):
            blocked = False
    assert (play(stream).memory.block is not None) == blocked


calm = st.builds(
    Act,
    minutes=st.sampled_from([1, 60, 700]),
    does=st.sampled_from(["spend", "spend", "refund", "rest"]),
    by=st.integers(0, 40),
    spoilt=st.just(""),
)


@given(st.lists(calm, min_size=1, max_size=60))
def test_what_was_spent_is_what_the_history_adds_up_to(stream: list[Act]) -> None:
    truth, spent = Truth(), 0
    before: int | None = None
    peak = 0
    for act in stream:
        truth.act(act)
        # A counter that was reset and is already as high again looks like one that was not reset.
        assume(not (truth.reset and before and truth.used >= before))
        if before is not None:
            spent += truth.used if truth.reset else max(0, truth.used - peak)
        before, peak = truth.used, truth.used if truth.reset else max(peak, truth.used)
    samples = play(stream).samples
    total = spend_between(samples, samples[0].at, truth.at)
    assert total is not None
    assert int(total["USD"].minor) == spent


# --- examples -----------------------------------------------------------------------------------------------------


def test_every_reading_with_an_amount_is_a_point_of_the_history() -> None:
    watch = Watch()
    for used in ["1", "1", None, "2"]:
        watch.uses(used)
    assert [(s.at - NOON) // MINUTE for s in watch.samples] == [1, 2, 4]


def test_a_seat_without_a_known_account_replaces_it() -> None:
    watch = Watch()
    watch.see(snapshot(NOON, metered=extra(), account_uuid=None))
    assert str(watch.samples[0].counter) == "seat:ana/org"


def test_a_snapshot_of_no_organization_concerns_no_counter() -> None:
    verdict = watch_counter(CounterMemory(), None, snapshot(org_uuid=None), RuleSettings(), NOON)
    assert (verdict.changed, verdict.known) == (False, None)


def test_a_stale_snapshot_tells_nothing_and_is_known_where_nothing_else_is() -> None:
    watch = Watch()
    assert watch.see(snapshot(metered=extra("49"), health=Health.STALE)) == []
    assert isinstance(watch.known, LastKnown)
    assert watch.known.snapshot.extra_usage == extra("49")


CHANGED = event(EventKind.METERING_CHANGED)


def posted(*events: Event) -> list[EventKind]:
    return [each.kind for each in mark_duplicates(events) if each.muted_by is None]


def test_spend_that_starts_because_a_window_is_full_is_one_post() -> None:
    assert posted(event(EventKind.SPEND_STARTED), event(EventKind.WINDOW_FULL)) == [EventKind.SPEND_STARTED]
    assert posted(event(EventKind.WINDOW_FULL)) == [EventKind.WINDOW_FULL]


def test_a_changed_cap_is_reported_by_the_block_its_end_or_the_level_that_it_crossed() -> None:
    for kind in (EventKind.SEAT_BLOCKED, EventKind.SEAT_UNBLOCKED, EventKind.THRESHOLD_CROSSED):
        reporter, muted = mark_duplicates([event(kind), CHANGED])
        assert reporter.facts["changes"] == CHANGED.facts["changes"]
        assert muted.muted_by == reporter.key


def test_a_level_that_is_not_posted_itself_reports_nothing() -> None:
    silent = replace(event(EventKind.THRESHOLD_CROSSED), muted_by="seat_blocked:1")
    assert posted(silent, CHANGED) == [EventKind.METERING_CHANGED]
    assert posted(CHANGED) == [EventKind.METERING_CHANGED]
