"""The door, with the real rules, messages and a real SQLite file."""

import sqlite3
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Text, delete, select, type_coerce, update
from sqlalchemy import event as listening
from structlog.testing import capture_logs

from meterbot.commands.readings import current_outlooks, current_report
from meterbot.commands.reports import team_report
from meterbot.core.deliveries import Delivery, DeliveryKind, Destination
from meterbot.core.inline import plain
from meterbot.core.messages import Message, Posted
from meterbot.core.models import (
    Balance,
    Counter,
    Event,
    EventKind,
    ExtraUsage,
    Health,
    Seat,
    SessionEnd,
    Snapshot,
    Window,
)
from meterbot.core.money import Money, of_major
from meterbot.core.operators import Rows
from meterbot.core.text import moment
from meterbot.delivery.alerts.message import post, renderer
from meterbot.delivery.grouping import needless
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import RoutingSettings
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.periodic_checks import PeriodicChecks
from meterbot.ingest.recording import Recorder
from meterbot.rules.fact_json import fact_money
from meterbot.rules.settings import Budget, RuleSettings
from meterbot.store import (
    Store,
    counter_states,
    delivery_claims,
    delivery_outcomes,
    event_log,
    forgetting,
    history,
    notes,
    source_states,
    tables,
)
from meterbot.store.database import open_store
from meterbot.store.delivery_claims import Claim
from tests.properties import examples
from tests.shared_store import file_of
from tests.store.examples import emptied

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
PLACES = (Destination("slack", "C1"), Destination("discord", "2"))


def later(**by: float) -> datetime:
    return NOW + timedelta(**by)


def seat(name: str = "ana", source: str = "claude_ai", **changes: object) -> Seat:
    return Seat(name=name, source=source, **changes)  # type: ignore[arg-type]  # a factory passes what it is given


def dollars(amount: str) -> Money:
    return Money(Decimal(amount) * 100, "USD", 2)


def snapshot(
    used: str | None = "0",
    at: datetime = NOW,
    *,
    of: str = "ana",
    cap: str | None = "50",
    account: str | None = "account-1",
    org: str | None = "org-1",
    health: Health = Health.OK,
    **changes: object,
) -> Snapshot:
    extra = (
        None
        if used is None
        else ExtraUsage(enabled=True, used=dollars(used), cap=None if cap is None else dollars(cap))
    )
    return Snapshot(
        seat=of,
        source="claude_ai",
        fetched_at=at,
        health=health,
        account_uuid=account,
        org_uuid=org,
        extra_usage=extra,
        extra_usage_read=used is not None,
        **changes,  # type: ignore[arg-type]  # a factory passes what it is given
    )


def failed(health: Health, at: datetime = NOW, of: str = "ana") -> Snapshot:
    return Snapshot(of, "claude_ai", at, health, detail="no answer")


def said(delivery: Delivery) -> Message:
    """Its words, as they would be sent now."""
    return renderer({"ana": seat()}, UTC, RoutingSettings())(delivery)


class Door:
    """An ingest on a new database, and what it woke."""

    def __init__(self, store: Store, *seats: Seat, rules: RuleSettings | None = None) -> None:
        self.store = store
        self.woken = 0
        configured = {one.name: one for one in seats or (seat(),)}
        self.recorder = Recorder(configured, PLACES, rules or RuleSettings())
        self.ingest = Ingest(store, self.recorder, self._wake)
        self.checks = PeriodicChecks(store, self.recorder, self._wake).run

    def _wake(self) -> None:
        self.woken += 1

    async def take(self, *snapshots: Snapshot, now: datetime | None = None) -> list[str]:
        """The kinds of the events that were new."""
        now = now or max(one.fetched_at for one in snapshots)
        return [event.kind.value for event in await self.ingest.store_snapshots(snapshots, now)]

    async def waiting(self, chat: str = "slack") -> list[Delivery]:
        """Everything queued for a chat, delivered in order."""
        found = []
        while (
            one := await self.store.run(
                lambda c: delivery_claims.claim(c, chat, Claim("w", later(days=300), 60)).delivery
            )
        ) is not None:
            found.append(one)
            await self.store.run(
                lambda c: delivery_outcomes.mark_delivered(c, one, Posted("C1", one.id), later(days=300))
            )
        return found


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


async def test_a_plan_that_is_another_than_the_accounts_is_logged_once(store: Store) -> None:
    door = Door(store, seat(plan="max_5x"))
    with capture_logs() as logged:
        for minute in range(3):
            await door.take(snapshot("1", later(minutes=minute), tier="pro"))
    assert [line["why"] for line in logged] == [
        "ana is configured with plan max_5x, and its account says pro"
    ]


async def test_a_snapshot_is_known_and_in_the_history_once_it_was_taken(store: Store) -> None:
    await Door(store).take(snapshot("17.20"))
    (row,) = await store.read(counter_states.read_latest)
    assert (row.seat, row.counter) == ("ana", Counter("account-1", "org-1"))
    assert row.known.extra_usage_at == NOW
    (point,) = await store.read(lambda c: history.read(c, [row.counter], NOW))
    assert (point.used, point.cap, point.blocked) == (dollars("17.20"), dollars("50"), False)


async def test_of_a_quiet_stretch_both_ends_are_kept_and_the_newest_reading_is_always_there(
    store: Store,
) -> None:
    door = Door(store)
    counter = Counter("account-1", "org-1")
    for minute in range(4):
        await door.take(snapshot("1", later(minutes=minute)))
    assert [one.at for one in await store.read(lambda c: history.read(c, [counter], NOW))] == [
        NOW,
        later(minutes=3),
    ]
    await door.take(snapshot("2", later(minutes=4)), snapshot(None, later(minutes=5)))
    points = [(one.at, one.used) for one in await store.read(lambda c: history.read(c, [counter], NOW))]
    assert points == [(NOW, dollars("1")), (later(minutes=3), dollars("1")), (later(minutes=4), dollars("2"))]


async def test_an_event_is_queued_once_for_every_destination(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    assert door.woken == 0
    assert await door.take(snapshot("1", later(minutes=1))) == ["spend_started"]
    assert door.woken == 1
    for chat in ("slack", "discord"):
        (post,) = await door.waiting(chat)
        assert post.kind is DeliveryKind.POST
        assert 16 <= len(post.id) <= 24
        assert post.id.isalnum()
        assert post.id == post.id.lower()
        assert "ana" in said(post).title


async def test_the_same_snapshot_again_changes_nothing(store: Store) -> None:
    door = Door(store)
    first, second = snapshot("0"), snapshot("1", later(minutes=1))
    await door.take(first, second)
    before = (
        await store.read(counter_states.read_latest),
        await store.read(source_states.read_sources),
        await store.read(lambda c: event_log.read_events(c, NOW)),
    )
    assert await door.take(second, now=later(minutes=9)) == []
    assert await door.take(first, now=later(minutes=9)) == []
    assert (
        await store.read(counter_states.read_latest),
        await store.read(source_states.read_sources),
        await store.read(lambda c: event_log.read_events(c, NOW)),
    ) == before
    assert len(await door.waiting()) == 1


async def test_snapshots_of_one_counter_fold_in_their_order_within_a_batch(store: Store) -> None:
    door = Door(store)
    ticks = [snapshot(str(used), later(minutes=used)) for used in (0, 10, 26, 41)]
    kinds = await door.take(*ticks)
    assert kinds == ["spend_started", "threshold_crossed", "threshold_crossed"]
    (row,) = await store.read(counter_states.read_latest)
    assert row.known.snapshot.fetched_at == later(minutes=41)
    assert len(await store.read(lambda c: history.read(c, [row.counter], NOW))) == 4


async def test_two_seats_with_one_counter_are_counted_once_and_both_shown(store: Store) -> None:
    door = Door(store, seat("ana"), seat("ana-work"))
    await door.take(snapshot("0"), snapshot("0", of="ana-work"))
    kinds = await door.take(snapshot("30", later(minutes=1)), snapshot("30", later(minutes=1), of="ana-work"))
    assert kinds == ["spend_started", "threshold_crossed"]
    rows = await store.read(counter_states.read_latest)
    assert [row.seat for row in rows] == ["ana", "ana-work"]
    assert len({row.counter for row in rows}) == 1
    assert {row.known.snapshot.fetched_at for row in rows} == {later(minutes=1)}
    assert {state.health for state in (await store.read(source_states.read_sources)).values()} == {Health.OK}


async def test_a_reading_without_an_account_stands_for_the_seat(store: Store) -> None:
    await Door(store).take(snapshot("1", account=None))
    assert [row.counter for row in await store.read(counter_states.read_latest)] == [
        Counter("seat:ana", "org-1")
    ]


async def test_a_reading_that_lost_its_account_still_belongs_to_it(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("1"))
    await door.take(snapshot("2", later(minutes=1), account=None))
    (row,) = await store.read(counter_states.read_latest)
    assert row.counter == Counter("account-1", "org-1")
    assert row.known.snapshot.extra_usage is not None
    assert row.known.snapshot.extra_usage.used == dollars("2")


async def test_an_organization_that_refuses_to_be_read_keeps_its_number_and_the_seat_counts_as_missing(
    store: Store,
) -> None:
    door = Door(store)
    await door.take(snapshot("20"), snapshot("3", org="org-2"))
    refused = snapshot(None, later(minutes=1), health=Health.REFUSED)
    await door.take(refused, snapshot("4", later(minutes=1), org="org-2"))
    report = team_report(
        await store.read(counter_states.read_latest),
        await store.read(source_states.read_sources),
        [seat()],
        later(minutes=1),
    )
    assert [str(total.used) for total in report.totals] == ["$24.00"]
    assert (report.current, report.seats) == (0, 1)
    assert [one.health for one in report.missing] == [Health.REFUSED]
    assert {row.read_at for row in report.rows} == {NOW, later(minutes=1)}


async def test_a_seat_that_became_another_account_no_longer_shows_the_old_one(store: Store) -> None:
    door = Door(store, seat(source="push"))
    await door.take(snapshot("20"))
    kinds = await door.take(snapshot("3", later(minutes=1), account="account-2", org="org-2"))
    assert "identity_changed" in kinds
    assert [row.counter for row in await store.read(counter_states.read_latest)] == [
        Counter("account-2", "org-2")
    ]
    assert len(await store.read(lambda c: history.read(c, [Counter("account-1", "org-1")], NOW))) == 1


async def test_an_organization_that_was_left_is_no_longer_shown(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("20"), snapshot("1", org="org-2"))
    assert len(await store.read(counter_states.read_latest)) == 2
    await door.take(snapshot("20", later(minutes=1)))
    assert [row.counter.org for row in await store.read(counter_states.read_latest)] == ["org-1"]


async def test_an_organization_that_could_not_be_read_this_time_stays(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("20"), snapshot("1", org="org-2"))
    await door.take(snapshot("20", later(minutes=1)), failed(Health.UNREACHABLE, later(minutes=1)))
    assert len(await store.read(counter_states.read_latest)) == 2


async def test_a_push_of_one_organization_leaves_the_others(store: Store) -> None:
    door = Door(store, seat(source="push"))
    await door.take(snapshot("20"))
    await door.take(snapshot("1", later(minutes=1), org="org-2"))
    assert len(await store.read(counter_states.read_latest)) == 2


async def test_an_organization_that_is_filtered_out_is_not_stored(store: Store) -> None:
    door = Door(store, seat(organizations=("org-2",)))
    await door.take(snapshot("20"))
    assert await store.read(counter_states.read_latest) == []


async def test_an_alert_that_ends_is_edited_and_gets_a_line_where_it_was_queued(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    assert "seat_blocked" in await door.take(snapshot("50", later(minutes=1)))
    posts = await door.waiting()
    blocked = next(post for post in posts if post.event.kind is EventKind.SEAT_BLOCKED)
    assert await door.take(snapshot("50", later(minutes=2), cap="200")) == [
        "seat_unblocked",
        "metering_changed",
    ]
    queued = await door.waiting()
    assert [one.kind for one in queued] == [DeliveryKind.EDIT, DeliveryKind.REPLY]
    edit, line = queued
    assert said(edit).title == f"Resolved: {said(blocked).title}"
    assert said(line).title.startswith("ana is no longer blocked: ")
    assert len({one.id for one in queued}) == 2
    (event,) = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, NOW))
        if one.kind is EventKind.SEAT_UNBLOCKED
    ]
    assert event.resolves == blocked.event.key


async def test_an_alert_raised_and_ended_in_one_batch_is_posted_and_then_edited(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("50", later(minutes=1)), snapshot("50", later(minutes=2), cap="200"))
    kinds = [one.kind for one in await door.waiting() if "block" in one.event.key]
    assert kinds == [DeliveryKind.POST, DeliveryKind.EDIT, DeliveryKind.REPLY]


async def test_a_raised_cap_ends_the_level_of_the_old_one_in_its_message(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    assert (await door.waiting())[-1].event.level == "80%"
    assert await door.take(snapshot("41", later(minutes=2), cap="100")) == ["metering_changed"]
    edit, reply = await door.waiting()
    message = post(edit.content, {}, UTC)
    assert message.title.startswith("Resolved: ana passed 80% of the cap")
    assert "the cap was" in message.text
    assert "Cap reached" not in str(message)
    assert reply.kind is DeliveryKind.REPLY


async def test_a_raised_cap_edits_the_message_of_the_old_level_although_changes_are_not_posted(
    store: Store,
) -> None:
    door = Door(store, rules=RuleSettings(kinds=RuleSettings().kinds - {EventKind.METERING_CHANGED}))
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    await door.waiting()
    await door.take(snapshot("41", later(minutes=2), cap="100"))
    (edit,) = await door.waiting()
    assert edit.kind is DeliveryKind.EDIT
    assert post(edit.content, {}, UTC).title.startswith("Resolved: ana passed 80% of the cap")


FULL = Window("five_hour", Decimal(100), later(hours=1))
ROOM = Window("five_hour", Decimal(3), later(hours=6))
ENDED = [
    (EventKind.SEAT_UNBLOCKED, [snapshot("50", later(minutes=1)), snapshot("50", later(hours=2), cap="200")]),
    (
        EventKind.WINDOW_RESET,
        [
            snapshot("0", later(minutes=1), windows=(FULL,), windows_read=True),
            snapshot("0", later(hours=2), windows=(ROOM,), windows_read=True),
        ],
    ),
    (
        EventKind.SOURCE_UP,
        [
            snapshot(None, later(minutes=1), org=None, health=Health.SESSION_EXPIRED),
            snapshot(None, later(hours=1), org=None, health=Health.SESSION_EXPIRED),
            snapshot("0", later(hours=2)),
        ],
    ),
]


TROUBLES = frozenset({EventKind.SEAT_BLOCKED, EventKind.WINDOW_FULL, EventKind.SOURCE_DOWN})


@pytest.mark.parametrize(("kind", "readings"), ENDED)
async def test_the_end_of_a_trouble_closes_its_post_although_nobody_wants_to_hear_of_it(
    store: Store, kind: EventKind, readings: list[Snapshot]
) -> None:
    door = Door(store, rules=RuleSettings(kinds=RuleSettings().kinds - {kind}))
    await door.take(snapshot("0"))
    for reading in readings[:-1]:
        await door.take(reading)
    (alert,) = {one.event.key for one in await door.waiting() if one.event.kind in TROUBLES}
    await door.take(readings[-1])
    closed = [one for one in await door.waiting() if one.event.resolves == alert]
    assert [one.kind for one in closed] == [DeliveryKind.EDIT]
    message = post(closed[0].content, {}, UTC)
    assert message.title.startswith("Resolved: ")
    assert "ack" not in {action.id.partition(":")[0] for action in message.actions}


@pytest.mark.parametrize(("kind", "readings"), ENDED)
async def test_the_end_of_a_trouble_is_posted_by_itself_where_the_trouble_is_not(
    store: Store, kind: EventKind, readings: list[Snapshot]
) -> None:
    door = Door(store, rules=RuleSettings(kinds=frozenset(EventKind) - TROUBLES))
    for reading in (snapshot("0"), *readings):
        await door.take(reading)
    (alone,) = [one for one in await door.waiting() if one.event.kind is kind]
    assert alone.kind is DeliveryKind.POST
    assert post(alone.content, {}, UTC).title


@pytest.mark.parametrize(("kind", "readings"), ENDED)
async def test_where_neither_a_trouble_nor_its_end_is_posted_nothing_is_stored(
    store: Store, kind: EventKind, readings: list[Snapshot]
) -> None:
    door = Door(store, rules=RuleSettings(kinds=frozenset(EventKind) - TROUBLES - {kind}))
    for reading in (snapshot("0"), *readings):
        await door.take(reading)
    stored = await store.read(lambda c: event_log.read_events(c, later(days=-1)))
    assert TROUBLES.isdisjoint(one.kind for one in stored)
    assert kind not in {one.kind for one in stored}


async def test_a_window_that_has_reset_is_posted_although_the_first_dollar_reported_it_full(
    store: Store,
) -> None:
    door = Door(store, rules=RuleSettings(kinds=frozenset(EventKind)))
    reset = later(hours=1)
    for used, full, at in (("0", 50, NOW), ("1", 100, later(minutes=1)), ("1", 0, later(hours=2))):
        window = Window("five_hour", Decimal(full), reset)
        await door.take(snapshot(used, at, windows=(window,), windows_read=True))
    waiting = await door.waiting()
    assert [one.kind for one in waiting if one.event.kind is EventKind.WINDOW_RESET] == [DeliveryKind.POST]
    assert EventKind.WINDOW_FULL not in {one.event.kind for one in waiting}


async def test_a_session_that_is_renewed_closes_the_posts_about_its_end(store: Store) -> None:
    door = Door(store)
    session = SessionEnd(later(days=2))

    async def ends(_: datetime) -> dict[str, SessionEnd]:
        return {"ana": session}

    checks = PeriodicChecks(store, door.recorder, lambda: None, session_ends=ends)
    await door.take(snapshot("0"))
    await checks.run(NOW)
    await checks.run(later(days=1))
    alerts = [one.event.key for one in await door.waiting() if one.event.kind is EventKind.SESSION_EXPIRING]
    assert len(alerts) == 2
    session = SessionEnd(later(days=2, seconds=3))
    assert await checks.run(later(days=1)) == []
    session = SessionEnd(later(days=29), estimated=True)
    assert len(await checks.run(later(days=1, minutes=1))) == 2
    assert await checks.run(later(days=1, minutes=2)) == []
    closed = await door.waiting()
    assert [(one.kind, one.event.resolves) for one in closed] == [(DeliveryKind.EDIT, key) for key in alerts]
    message = post(closed[0].content, {}, UTC)
    assert plain(message.title) == "Resolved: ana: the claude.ai session ends on Fri Apr 17 10:00"
    assert plain(message.text) == (
        "Thu Apr 16 10:01: ana: the claude.ai session probably ends on Thu May 14 10:00."
    )


async def test_a_session_alert_that_cannot_be_read_hides_no_silent_source(store: Store) -> None:
    door = Door(store, seat("ana"), seat("bo"))
    session = SessionEnd(later(days=2))

    async def ends(_: datetime) -> dict[str, SessionEnd]:
        return {"bo": session}

    checks = PeriodicChecks(store, door.recorder, lambda: None, session_ends=ends)
    await door.take(snapshot("0"), snapshot("0", of="bo", account="account-2"))
    assert [event.kind for event in await checks.run(NOW)] == [EventKind.SESSION_EXPIRING]
    spoil = update(tables.events).where(tables.events.c.kind == EventKind.SESSION_EXPIRING)
    bad = spoil.values(event=type_coerce('{"key":"of another version"}', Text))
    await store.run(lambda tx: tx.execute(bad))
    session = SessionEnd(later(days=29))
    with pytest.raises(ValidationError):
        await checks.run(later(days=1))
    down = select(tables.events.c.seat).where(tables.events.c.kind == EventKind.SOURCE_DOWN)
    assert {*await store.read(lambda c: c.scalars(down).all())} == {"ana", "bo"}


async def test_bought_credits_close_the_post_about_low_ones(store: Store) -> None:
    door = Door(store)
    for minute, cents in enumerate((400, 2500)):
        shot = snapshot("1", later(minutes=minute))
        assert shot.extra_usage is not None
        extra = replace(shot.extra_usage, balance=Balance(Money(Decimal(cents), "USD", 2)))
        await door.take(replace(shot, extra_usage=extra))
    posted, edit = [one for one in await door.waiting() if one.event.kind is EventKind.BALANCE_LOW]
    assert (posted.kind, edit.kind) == (DeliveryKind.POST, DeliveryKind.EDIT)
    message = post(edit.content, {}, UTC)
    assert message.title == "Resolved: ana has $4.00 in prepaid credits left"
    assert plain(message.text) == "Wed Apr 15 10:01: ana has $25.00 in prepaid credits left."


async def test_a_removed_cap_ends_the_level_of_the_old_one_although_it_crosses_an_amount(
    store: Store,
) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    await door.waiting()
    assert await door.take(snapshot("41", later(minutes=2), cap=None)) == [
        "threshold_crossed",
        "metering_changed",
    ]
    shown = [str(post(one.content, {}, UTC)) for one in await door.waiting() if one.kind is DeliveryKind.EDIT]
    assert all("passed 80% of the cap" in text and "Resolved" in text for text in shown)
    assert shown


async def test_a_raised_cap_ends_a_level_that_its_post_showed_from_the_start(store: Store) -> None:
    """Nothing was sent for the level itself, because the post of the first dollar came after it."""
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    first = await store.run(
        lambda c: delivery_claims.claim(c, "slack", Claim("w", later(days=300), 60)).delivery
    )
    assert first is not None
    at = later(days=300)
    await store.run(lambda c: delivery_outcomes.mark_delivered(c, first, Posted("C1", "1"), at))
    while (
        one := await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("w", at, 60)).delivery)
    ) is not None:
        assert needless(one)
        await store.run(partial(delivery_outcomes.mark_superseded, delivery=one, reason="needless", now=at))
    await door.take(snapshot("41", later(minutes=2), cap="100"))
    root = Posted("C1", "1")
    assert [(one.kind, one.root) for one in await door.waiting()] == [
        (DeliveryKind.EDIT, root),
        (DeliveryKind.REPLY, root),
    ]


async def test_an_end_that_is_posted_by_itself_can_be_formatted(store: Store) -> None:
    """The alert that it ends was never posted."""
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    await store.run(lambda c: c.execute(delete(tables.deliveries)))
    await door.take(snapshot("41", later(minutes=2), cap="100"))
    (alone,) = await door.waiting()
    assert post(alone.content, {}, UTC).title == "ana: the cap was raised from $50.00 to $100.00"


async def test_a_cap_that_is_lowered_below_the_spend_is_one_post(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0", cap="100"))
    await door.take(snapshot("41", later(minutes=1), cap="100"))
    await door.waiting()
    assert await door.take(snapshot("41", later(minutes=2), cap="40")) == [
        "seat_blocked",
        "threshold_crossed",
        "metering_changed",
    ]
    (alone,) = await door.waiting()
    message = post(alone.content, {}, UTC)
    assert "is BLOCKED" in message.title
    assert "The cap was lowered from $100.00 to $40.00." in message.text


async def test_a_raised_cap_that_leaves_the_level_reached_ends_nothing(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    await door.waiting()
    await door.take(snapshot("41", later(minutes=2), cap="51"))
    (alone,) = await door.waiting()
    assert (alone.kind, alone.event.kind) == (DeliveryKind.POST, EventKind.METERING_CHANGED)


async def test_a_level_before_a_block_is_over_once_the_cap_is_raised(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("41", later(minutes=1)))
    await door.take(snapshot("50", later(minutes=2)))
    await door.waiting()
    await door.take(snapshot("50", later(minutes=3), cap="200"))
    edits = [
        post(one.content, {}, UTC).title for one in await door.waiting() if one.kind is DeliveryKind.EDIT
    ]
    assert sorted(title.split(":")[0] for title in edits) == ["Resolved", "Resolved"]


async def test_a_muted_event_is_recorded_and_not_told(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("0"))
    await door.take(snapshot("50", later(minutes=1)))
    muted = {
        event.key
        for event in await store.read(lambda c: event_log.read_events(c, NOW))
        if event.muted_by is not None
    }
    assert muted
    assert muted.isdisjoint(one.event.key for one in await door.waiting())


async def test_a_crossed_threshold_tells_the_pace_and_when_the_cap_falls(store: Store) -> None:
    door = Door(store)
    for hour in range(12):
        await door.take(snapshot(str(hour), later(hours=2 * hour)))
    for minute in (10, 20, 30):
        await door.take(snapshot(str(11 + minute), later(hours=22, minutes=minute)))
    levels = [one for one in await door.waiting() if one.event.kind is EventKind.THRESHOLD_CROSSED]
    text = plain(post(levels[-1].content, {}, UTC).text)
    report = await current_report(store, [seat()], later(hours=22, minutes=30))
    (outlook,) = (await current_outlooks(store, report)).seats
    assert outlook.cap_at is not None
    assert text.endswith(
        f"At the pace of the last 24 hours, the cap is reached around {moment(outlook.cap_at, UTC)}."
    )


async def test_no_cap_is_said_to_fall_after_the_counter_starts_again(store: Store) -> None:
    door = Door(store)
    for hour in range(6):
        await door.take(snapshot(str(24.8 + hour / 20), later(days=14, hours=hour)))
    (post,) = [one for one in await door.waiting() if one.event.kind is EventKind.THRESHOLD_CROSSED]
    assert said(post).text.endswith("Pace: $0.05/h.")


async def test_a_budget_counts_every_counter_once_and_no_other_organization(store: Store) -> None:
    budget = Budget(of_major(Decimal(100), "USD"))
    door = Door(
        store,
        seat("ana"),
        seat("ana-work"),
        seat("bo"),
        seat("api", "admin_api"),
        rules=RuleSettings(budgets=(budget,)),
    )

    def tick(minute: int, ana: str, bo: str) -> list[Snapshot]:
        at = later(minutes=minute)
        return [
            snapshot(ana, at, cap="900"),
            snapshot(ana, at, of="ana-work", cap="900"),
            snapshot(bo, at, of="bo", account="account-2", cap="900"),
            snapshot("500", at, of="api", account="account-3", cap="900"),
        ]

    for minute, (ana, bo) in enumerate((("1", "1"), ("39", "40"))):
        await door.take(*tick(minute, ana, bo))
        assert await door.checks(later(minutes=minute)) == []
    await door.take(*tick(2, "40", "40"))
    (event,) = await door.checks(later(minutes=2))
    assert event.kind is EventKind.BUDGET_CROSSED
    assert event.facts["used"] == {"minor": "8000", "currency": "USD", "exponent": 2}
    assert event.facts["complete"] is True


# The source


async def test_a_failure_changes_the_source_and_keeps_what_was_known(store: Store) -> None:
    door = Door(store)
    await door.take(snapshot("17"))
    for minute in (1, 2):
        await door.take(failed(Health.SESSION_EXPIRED, later(minutes=minute)))
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.since, state.last_ok_at) == (Health.SESSION_EXPIRED, later(minutes=1), NOW)
    assert (state.failures, state.detail) == (2, "no answer")
    (row,) = await store.read(counter_states.read_latest)
    assert row.known.snapshot.extra_usage is not None
    await door.take(snapshot("18", later(minutes=3)))
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.since, state.failures, state.detail) == (Health.OK, later(minutes=3), 0, None)


async def test_the_worst_organization_speaks_for_the_source(store: Store) -> None:
    await Door(store).take(snapshot("1"), snapshot("1", org="org-2", health=Health.DRIFTED, detail="a field"))
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.detail, state.failures) == (Health.DRIFTED, "a field", 0)


async def test_the_next_due_time_is_stored_with_what_the_read_brought(store: Store) -> None:
    door = Door(store)
    await door.ingest.store_snapshots([snapshot("1")], NOW, {"ana": later(seconds=61)})
    assert (await store.read(source_states.read_sources))["ana"].next_due == later(seconds=61)
    await door.take(snapshot("2", later(seconds=61)))
    assert (await store.read(source_states.read_sources))["ana"].next_due == later(seconds=61)


async def test_a_silent_source_becomes_stale_and_then_down_by_waiting_alone(store: Store) -> None:
    door = Door(store, seat(interval=60))
    await door.take(snapshot("1"))
    await door.checks(later(minutes=3))
    assert (await store.read(source_states.read_sources))["ana"].health is Health.OK
    assert await door.checks(later(minutes=3, seconds=1)) == []
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.since) == (Health.STALE, later(minutes=3))
    (down,) = await door.checks(later(minutes=34))
    assert down.kind is EventKind.SOURCE_DOWN
    assert (fact_money(down.facts["last_used"]), down.facts["last_used_at"]) == (
        of_major(Decimal(1), "USD"),
        "2026-04-15T10:00:00Z",
    )
    assert await door.checks(later(minutes=35)) == []
    woken = door.woken
    assert await door.take(snapshot("1", later(minutes=36))) == ["source_up"]
    assert door.woken == woken + 1
    kinds = [one.kind for one in await door.waiting() if one.event.key.startswith("source")]
    assert kinds == [DeliveryKind.POST, DeliveryKind.EDIT, DeliveryKind.REPLY]


async def test_a_source_is_not_blamed_for_the_hours_in_which_nobody_asked_it(store: Store) -> None:
    await Door(store, seat(interval=60)).take(snapshot("1"))
    restarted, at = Door(store, seat(interval=60)), later(hours=5)
    assert await restarted.checks(at + timedelta(minutes=3), awake_since=at) == []
    assert (await store.read(source_states.read_sources))["ana"].health is Health.OK
    (down,) = await restarted.checks(at + timedelta(minutes=4), awake_since=at)
    assert down.kind is EventKind.SOURCE_DOWN


async def test_a_sweep_that_finds_nothing_new_writes_nothing(store: Store) -> None:
    door = Door(store, seat("ana"), seat("never-read"))
    await door.take(snapshot("1"))
    await door.checks(NOW)
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement.split(maxsplit=1)[0])

    listening.listen(store.engine, "before_cursor_execute", note)
    assert await door.checks(later(minutes=1)) == []
    assert set(statements) <= {"SELECT", "PRAGMA", "BEGIN"}
    assert list(await store.read(source_states.read_sources)) == ["ana"]


async def test_readings_are_taken_again_once_the_clock_was_set_back(store: Store) -> None:
    door = Door(store)
    counter = Counter("account-1", "org-1")
    await door.take(snapshot("1"))
    await door.take(snapshot("2", later(days=40)), now=later(days=40))
    assert await door.take(snapshot("50", later(minutes=1))) == []  # or the clock is behind now
    await store.run(lambda c: notes.confirm_clock(c, NOW))
    assert await door.take(snapshot("50", later(minutes=1))) == ["seat_blocked", "threshold_crossed"]
    (row,) = await store.read(counter_states.read_latest)
    assert row.known.extra_usage_at == later(minutes=1)
    points = await store.read(lambda c: history.read(c, [counter], NOW))
    assert [(one.at, one.used) for one in points] == [(NOW, dollars("1")), (later(minutes=1), dollars("50"))]
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.last_ok_at) == (Health.OK, later(minutes=1))
    assert await door.take(snapshot("50", later(minutes=2), cap="80")) == [
        "seat_unblocked",
        "metering_changed",
    ]


async def test_a_source_last_seen_in_the_future_becomes_stale_once_the_clock_was_set_back(
    store: Store,
) -> None:
    door = Door(store)
    await door.take(snapshot("2", later(days=40)), now=later(days=40))
    await door.checks(NOW)
    assert (await store.read(source_states.read_sources))["ana"].health is Health.OK
    await door.checks(later(minutes=4))
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.since) == (Health.STALE, later(minutes=3))


async def test_readings_that_arrive_days_late_leave_the_source_stale(store: Store) -> None:
    door = Door(store, seat(source="push", interval=900))
    assert await door.take(snapshot("1"), now=later(hours=80)) == ["source_down"]
    state = (await store.read(source_states.read_sources))["ana"]
    assert (state.health, state.last_ok_at) == (Health.STALE, NOW)
    backlog = [snapshot("1", later(hours=hour)) for hour in (1, 2, 3)]
    assert await door.take(*backlog, snapshot("1", later(hours=80))) == ["source_up"]
    assert (await store.read(source_states.read_sources))["ana"].health is Health.OK


async def test_a_future_dated_snapshot_changes_nothing(store: Store) -> None:
    door = Door(store)
    assert await door.take(snapshot("1", later(hours=1)), now=NOW) == []
    assert (await store.read(counter_states.read_latest), await store.read(source_states.read_sources)) == (
        [],
        {},
    )


@pytest.mark.parametrize("taken", [True, False])
async def test_a_seat_that_is_taken_away_beside_the_bot_is_in_no_sum_from_then_on(
    tmp_path: Path, *, taken: bool
) -> None:
    url, budget = f"sqlite:///{tmp_path}/meterbot.db", Budget(of_major(Decimal(100), "USD"))
    names = ("ana", "bo", "cy")

    def read(minute: int, **used: str) -> list[Snapshot]:
        at = later(minutes=minute)
        return [snapshot(amount, at, cap="500", of=name, account=name) for name, amount in used.items()]

    async with AsyncExitStack() as closing:
        bot, beside = await open_store(url, as_worker=True), await open_store(url)
        closing.push_async_callback(bot.close)
        closing.push_async_callback(beside.close)
        door = Door(bot, *map(seat, names), rules=RuleSettings(budgets=(budget,)))
        await door.take(*read(0, ana="1", bo="1", cy="1"))
        await door.take(*read(1, ana="1", bo="60", cy="10"))
        await door.checks(later(minutes=1))
        if taken:
            await beside.run(lambda c: forgetting.forget(c, "bo"))
        await door.take(*read(2, ana="45"))
        found = await door.checks(later(minutes=2))
        assert (EventKind.BUDGET_CROSSED in [event.kind for event in found]) is not taken


# Cost


async def test_the_number_of_statements_does_not_grow_with_the_number_of_seats(store: Store) -> None:
    names = [f"seat-{n}" for n in range(200)]
    budget = Budget(of_major(Decimal(10**6), "USD"))
    door = Door(store, *map(seat, names), rules=RuleSettings(budgets=(budget,)))
    statements: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    listening.listen(store.engine, "before_cursor_execute", note)

    async def cost(seats: list[str], minute: int, used: str) -> int:
        statements.clear()
        at = later(minutes=minute)
        await door.take(*[snapshot(used, at, of=name, account=f"account-{name}") for name in seats])
        return len(statements)

    await cost(names, 0, "0")
    one, many = await cost(names[:1], 1, "30"), await cost(names[1:], 2, "30")
    assert many == one <= 33


# Failure


async def test_nothing_is_written_or_woken_when_the_database_is_locked(own_store: Store) -> None:
    door = Door(own_store)
    await door.take(snapshot("0"))
    listening.listen(
        own_store.engine,
        "checkout",
        lambda connection, *_: connection.cursor().execute("PRAGMA busy_timeout = 0"),
    )
    other = sqlite3.connect(file_of(own_store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Exception, match="locked"):
        await door.take(snapshot("1", later(minutes=1)))
    assert door.woken == 0
    other.execute("ROLLBACK")
    other.close()
    assert await door.take(snapshot("1", later(minutes=1))) == ["spend_started"]


# Whatever comes


_readings = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(["0", "1", "30", "50", "60"]),
        st.sampled_from(["account-1", "account-2"]),
        st.sampled_from([Health.OK, Health.OK, Health.DRIFTED]),
    ),
    min_size=1,
    max_size=12,
)


@examples(15)
@given(_readings, st.lists(st.integers(1, 4), min_size=12, max_size=12))
async def test_batches_of_any_size_lead_to_the_same_events_and_deliveries(
    store: Store,
    readings: list[tuple[int, str, str, Health]],
    sizes: list[int],
) -> None:
    """Which readings share a transaction is chance; the alerts must not depend on it."""
    ticks = [
        snapshot(used, later(minutes=minute), account=account, of=account[-1], health=health)
        for minute, used, account, health in sorted(readings, key=lambda one: one[0])
    ]

    async def run(batches: list[list[Snapshot]]) -> tuple[list[Event], list[tuple[str, str]]]:
        door = Door(await emptied(store), seat("1", interval=3600), seat("2", interval=3600))
        for batch in batches:
            await door.take(*batch, now=later(minutes=41))
        events = await store.read(lambda c: event_log.read_events(c, later(days=-1)))
        fallbacks = [(one.id, said(one).fallback) for one in await door.waiting()]
        return events, fallbacks

    batches: list[list[Snapshot]] = []
    rest = ticks
    for size in sizes:
        batches, rest = [*batches, rest[:size]], rest[size:]
    assert await run([batch for batch in batches if batch]) == await run([[one] for one in ticks])


async def test_a_cap_that_will_fall_is_reported_with_what_the_database_knows_and_once(store: Store) -> None:
    door, kinds = Door(store), []
    for hour in range(14):
        kinds += await door.take(snapshot(str(hour), later(hours=hour)))
    assert kinds.count("cap_forecast") == 1
    (event,) = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, NOW))
        if one.kind is EventKind.CAP_FORECAST
    ]
    assert event.facts["pace"] == {"minor": "100", "currency": "USD", "exponent": 2}
    restarted = Door(store)
    assert "cap_forecast" not in await restarted.take(snapshot("14", later(hours=14)))


async def test_a_batch_of_many_readings_is_forecast_as_one_of_each_is(store: Store) -> None:
    readings = [snapshot(str(hour), later(hours=hour)) for hour in range(14)]
    assert (await Door(store).take(*readings)).count("cap_forecast") == 1


async def test_a_seat_that_does_not_change_asks_the_history_nothing(store: Store) -> None:
    door, asked = Door(store), []
    for hour in range(10):
        await door.take(snapshot("2", later(hours=hour)))

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    listening.listen(store.engine, "before_cursor_execute", note)
    await door.take(snapshot("2", later(hours=11)))
    quiet = len(asked)
    await door.take(snapshot("2.01", later(hours=12)))
    assert 2 * quiet < len(asked) + 2  # the rise asks, the standing still does not
    assert not any("FROM hours" in statement for statement in asked)


@pytest.mark.parametrize("rows", ["named", "self"])
async def test_a_closed_month_is_reported_as_one_report_of_all_seats(store: Store, rows: Rows) -> None:
    routing = RoutingSettings(redaction=Redaction(rows))
    seats = {name: seat(name, owner={"slack": f"U{name}"}) for name in ("ana", "bo")}
    recorder = Recorder(seats, PLACES[:1], RuleSettings(), routing)
    ingest = Ingest(store, recorder, lambda: None)
    checks = PeriodicChecks(store, recorder, lambda: None)

    async def read(ana: str, bo: str, at: datetime) -> None:
        shots = [snapshot(used, at, of=of, account=of) for of, used in (("ana", ana), ("bo", bo))]
        await ingest.store_snapshots(shots, at)
        await checks.run(at)

    may = datetime(2026, 5, 1, tzinfo=UTC)
    await read("0", "0", NOW)
    await read("3", "4", later(days=1))
    await read("0", "4", may + timedelta(minutes=2))
    reports = [one for one in await store.read(lambda c: event_log.read_events(c, may)) if one.seat is None]
    assert reports == []  # Bo's counter has not started again
    for minutes in (4, 6):
        await read("0", "0", may + timedelta(minutes=minutes))
    (report,) = [one for one in await store.read(lambda c: event_log.read_events(c, may)) if one.seat is None]
    own = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, may))
        if one.kind is EventKind.PERIOD_CLOSED and one.seat
    ]
    assert report.facts["totals"] == [{"minor": "700", "currency": "USD", "exponent": 2}]
    assert {one.muted_by for one in own} == {report.key if rows == "named" else None}
    assert (report.facts["seats"] is None) == (rows == "self")


@pytest.mark.parametrize(("final", "muted"), [("3", True), ("3.50", False)])
async def test_a_month_that_a_late_reading_ended_is_not_posted_again_after_the_report_had_its_amount(
    store: Store, final: str, *, muted: bool
) -> None:
    """The second case: a late reading raises the amount after the report."""
    seats = {name: seat(name, "push") for name in ("ana", "bo")}
    recorder = Recorder(seats, PLACES[:1], RuleSettings())
    ingest = Ingest(store, recorder, lambda: None)
    checks = PeriodicChecks(store, recorder, lambda: None)
    may = datetime(2026, 5, 1, tzinfo=UTC)

    async def push(of: str, used: str, read_at: datetime, now: datetime) -> None:
        await ingest.store_snapshots([snapshot(used, read_at, of=of, account=of)], now)
        await checks.run(now)

    for of in seats:
        await push(of, "0", NOW, NOW)
        await push(of, "3", later(days=1), later(days=1))
    minute, evening = timedelta(minutes=1), may + timedelta(hours=20)
    await push("bo", "0", may + minute, may + minute)
    if muted:
        await push("ana", "0", may + minute, evening)
    else:
        await checks.run(may + timedelta(hours=7))
        await push("ana", final, may - 30 * minute, evening)
    await push("ana", "0", evening + minute, evening + minute)
    events = await store.read(lambda c: event_log.read_events(c, may))
    (report,) = [one for one in events if one.seat is None and one.kind is EventKind.PERIOD_CLOSED]
    (own,) = [one for one in events if one.seat == "ana" and one.kind is EventKind.PERIOD_CLOSED]
    assert fact_money(own.facts["final"]) == dollars(final)
    assert own.muted_by == (report.key if muted else None)


async def test_the_report_of_a_month_has_the_plan_fees_of_the_answer_about_the_team(store: Store) -> None:
    """Configured prices, list prices where nothing is configured, and one fee for each account."""
    bo = seat("bo", plan="team", plan_price=dollars("150"))
    seats = {one.name: one for one in (seat("ana"), bo, seat("cy"), seat("ann"))}
    recorder = Recorder(seats, PLACES[:1], RuleSettings())
    ingest = Ingest(store, recorder, lambda: None)
    checks = PeriodicChecks(store, recorder, lambda: None)
    accounts = [("ana", "a", "max_20x"), ("ann", "a", "max_20x"), ("bo", "b", "team"), ("cy", "c", "pro")]
    may = datetime(2026, 5, 1, tzinfo=UTC)
    for used, at in (("0", NOW), ("3", later(days=1)), ("0", may + timedelta(minutes=2))):
        shots = [snapshot(used, at, of=of, account=account, tier=tier) for of, account, tier in accounts]
        await ingest.store_snapshots(shots, at)
        await checks.run(at)
    (report,) = [one for one in await store.read(lambda c: event_log.read_events(c, may)) if one.seat is None]
    fees = [{"minor": "37000", "currency": "USD", "exponent": 2}]
    assert (report.facts["fees"], report.facts["fees_listed"]) == (fees, True)
    answer = team_report(await store.read(counter_states.read_latest), {}, seats.values(), may)
    assert [total.plan_fees for total in answer.totals] == [dollars("370")]


async def test_the_only_seat_has_a_closing_of_its_own_and_no_report(store: Store) -> None:
    door, may = Door(store), datetime(2026, 5, 1, tzinfo=UTC)
    for used, at in (("0", NOW), ("3", later(days=1)), ("0", may), ("0", may + timedelta(hours=7))):
        await door.take(snapshot(used, at))
        await door.checks(at)
    (event,) = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, may))
        if one.kind is EventKind.PERIOD_CLOSED
    ]
    assert (event.seat, event.muted_by) == ("ana", None)


async def test_what_closes_too_late_for_the_report_or_without_one_is_reported_by_itself(store: Store) -> None:
    seats = {name: seat(name) for name in ("ana", "bo")}
    recorder = Recorder(seats, PLACES[:1], RuleSettings())
    ingest = Ingest(store, recorder, lambda: None)
    checks = PeriodicChecks(store, recorder, lambda: None)

    async def read(of: str, used: str, at: datetime) -> None:
        await ingest.store_snapshots([snapshot(used, at, of=of, account=of)], at)
        await checks.run(at)

    may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 3, tzinfo=UTC)
    for of in ("ana", "bo"):
        await read(of, "0", NOW)
        await read(of, "10", later(days=1))
    for hours in (1, 7):
        await read("ana", "0", may + timedelta(hours=hours))
    # Bo's machine was away over the end of the month.
    await read("bo", "30", later(days=15) - timedelta(hours=1))
    await read("bo", "0", may + timedelta(hours=8))
    closed = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, may))
        if one.kind is EventKind.PERIOD_CLOSED
    ]
    assert [(one.seat, one.muted_by is None) for one in closed] == [
        ("ana", False), (None, True), ("bo", True)
    ]  # fmt: skip
    # And nobody read anything for a month: nobody will report of it.
    await read("ana", "4", may + timedelta(days=1))
    await read("ana", "0", june + timedelta(days=31))
    (late,) = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, june))
        if one.kind is EventKind.PERIOD_CLOSED
    ]
    assert (late.seat, late.facts["period"], late.muted_by) == ("ana", "2026-05", None)


async def test_a_seat_that_did_not_change_for_a_month_is_in_its_report(store: Store) -> None:
    seats = {name: seat(name) for name in ("ana", "bo", "cy")}
    recorder = Recorder(seats, PLACES[:1], RuleSettings())
    ingest = Ingest(store, recorder, lambda: None)
    checks = PeriodicChecks(store, recorder, lambda: None)

    async def read(at: datetime, **used: str) -> None:
        shots = [snapshot(amount, at, of=of, account=of) for of, amount in used.items()]
        await ingest.store_snapshots(shots, at)
        await checks.run(at)

    may, june = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    await read(NOW, ana="0", bo="0", cy="0")
    for day in range(30):
        await read(may + timedelta(days=day, hours=9), ana=str(day), bo="0")
    await read(june + timedelta(hours=1), ana="0", bo="0", cy="0")
    await read(june + timedelta(hours=7), ana="0", bo="0", cy="0")
    (report,) = [
        one
        for one in await store.read(lambda c: event_log.read_events(c, june))
        if one.kind is EventKind.PERIOD_CLOSED and not one.seat
    ]
    assert report.facts["unknown"] == 1  # nobody read cy in May
    assert report.facts["seat_days"] == 62
    rows = report.facts["seats"]
    assert isinstance(rows, list)
    assert [row["seat"] for row in rows] == ["ana", "bo"]
