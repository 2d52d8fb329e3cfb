"""What people do about alerts, from the click to the wall: a real store, the real door, and real notify."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from meterbot.chat import Answer, Chat, Question
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.core.clock import ManualClock
from meterbot.core.deliveries import DeliveryKind, Destination, NewDelivery
from meterbot.core.errors import Outcome, SendError
from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import (
    Event,
    EventKind,
    ExtraUsage,
    Health,
    Seat,
    Severity,
    Snapshot,
    Subscription,
)
from meterbot.core.money import Money
from meterbot.core.operators import Operators, Rows
from meterbot.delivery.actions import AlertActions
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import RoutingSettings
from meterbot.delivery.worker import DeliveryWorker
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings, Threshold
from meterbot.store import (
    FOR_EVER,
    Batch,
    Connection,
    Store,
    alert_actions,
    batches,
    deliveries,
    forgetting,
    workers,
)
from meterbot.store.database import open_store
from tests.chat.slack.rig import chat_of
from tests.e2e.wall import Standing, Wall
from tests.simulator.slack import SlackSimulator

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")

pytestmark = pytest.mark.databases("sqlite")
"""Most tests are about words and times. Those of what is stored, and of two at once, are marked to run on both."""
BOTH = pytest.mark.databases("sqlite", "postgresql")
SEATS = {
    name: Seat(name=name, source="claude_ai", owner={"slack": f"U{name.upper()}"}) for name in ("ana", "bo")
}
LEVELS = tuple(Threshold(percent=Decimal(level)) for level in (20, 30, 40, 50, 60, 70, 80, 90))
Do = Callable[[Question, list[str]], Awaitable[Answer]]


def dollars(amount: str) -> Money:
    return Money(Decimal(amount) * 100, "USD", 2)


@dataclass
class Room:
    """One worker on a database: what is read comes in by `spend`, what people do by `handling`."""

    store: Store
    clock: ManualClock
    chat: Chat
    tz: tzinfo = BERLIN
    worker: str = "one"
    redaction: Redaction = field(default_factory=Redaction)
    woken: int = 0
    ingest: Ingest = field(init=False)
    notify: DeliveryWorker = field(init=False)
    handling: AlertActions = field(init=False)

    def __post_init__(self) -> None:
        routing = RoutingSettings(redaction=self.redaction)
        self.ingest = Ingest(
            self.store,
            Recorder(
                SEATS,
                [Destination(self.chat.name, self.chat.destination)],
                RuleSettings(thresholds=LEVELS, renewal_days=()),
                routing,
            ),
            lambda: None,
        )
        self.notify = DeliveryWorker(
            self.store,
            {self.chat.name: self.chat},
            self.clock,
            worker=self.worker,
            render=renderer(SEATS, self.tz, routing),
        )
        self.handling = AlertActions(
            self.store, SEATS, self._wake, now=self.clock.now, tz=self.tz, redaction=self.redaction
        )

    def _wake(self) -> None:
        self.woken += 1

    async def spend(
        self, *used: str, of: str = "ana", cap: str = "50", subscription: Subscription | None = None
    ) -> None:
        """Reads these amounts of the cap, a minute apart, and posts their alerts."""
        for amount in used:
            now = self.clock.advance(timedelta(minutes=1))
            extra = ExtraUsage(enabled=True, used=dollars(amount), cap=dollars(cap))
            read = Snapshot(
                of,
                "claude_ai",
                now,
                Health.OK,
                account_uuid=f"account-{of}",
                org_uuid=f"org-{of}",
                extra_usage=extra,
                extra_usage_read=True,
                subscription=subscription,
                subscription_read=subscription is not None,
            )
            await self.ingest.store_snapshots([read], now)
        await self.deliver()

    async def deliver(self) -> None:
        await self.store.run(lambda c: workers.beat(c, self.worker, self.clock.now(), FOR_EVER))
        for left in reversed(range(20)):
            await self.notify.drain()
            self.clock.advance(timedelta(seconds=1))
            if all(
                queue.waiting == queue.held
                for queue in await self.store.read(lambda c: deliveries.read_queues(c, self.clock.now()))
            ):
                self.clock.advance(timedelta(seconds=left))
                return

    async def why_headings(self, which: str) -> list[str | None]:
        return [section.heading for section in (await self.do("why", which)).sections]

    async def do(self, *words: str, by: str = "bo") -> Message:
        """Somebody presses a button, or types; the result is posted."""
        do: dict[str, Do] = {
            "why": self.handling.why,
            "ack": self.handling.acknowledge,
            "snooze": self.handling.snooze,
            "mute": self.handling.mute,
            "muted": self.handling.muted,
            "unmute": self.handling.muted,
        }
        answer = await do[words[0]](asked(*words, by=by), list(words))
        assert not answer.public
        await self.deliver()
        return answer.message


def asked(*words: str, by: str = "bo") -> Question:
    return Question(words, "slack", f"U{by.upper()}", "C1", name=by)


@pytest.fixture
async def wall() -> Wall:
    return Wall()


@pytest.fixture
async def room(store: Store, wall: Wall) -> Room:
    return Room(store, ManualClock(NOW), wall)


def posts(wall: Wall) -> list[Standing]:
    return [each for each in wall.standing if each.thread is None]


def thread(wall: Wall, post: Standing) -> list[str]:
    return wall.titles(thread=post.delivery)


def shown(post: Standing) -> Message:
    return post.edits[-1] if post.edits else post.message


def buttons(message: Message) -> list[str]:
    return [action.id.partition(":")[0] for action in message.actions]


async def alerted(room: Room, wall: Wall) -> Standing:
    """The seat ana has begun to spend, and that is posted."""
    await room.spend("0", "1")
    (post,) = posts(wall)
    return post


# --- each action ------------------------------------------------------------------------------------------------------


@BOTH
async def test_an_acknowledgement_is_logged_in_the_thread_and_shown_on_the_post(
    room: Room, wall: Wall
) -> None:
    post = await alerted(room, wall)
    assert buttons(post.message)[:4] == ["ack", "snooze", "mute", "why"]
    said = await room.do("ack", post.delivery)
    assert said.title == "Acknowledged"
    (line,) = thread(wall, post)
    assert plain(line).startswith("Acknowledged for ana by bo on Wed Apr 15 12:")
    assert line in shown(post).text
    assert "ack" not in buttons(shown(post))
    assert room.woken == 1


@pytest.mark.parametrize("words", [("ack",), ("snooze", "1h"), ("mute",)], ids=["ack", "snooze", "mute"])
async def test_a_deed_pings_nobody(room: Room, wall: Wall, words: tuple[str, ...]) -> None:
    post = await alerted(room, wall)
    await room.do(words[0], post.delivery, *words[1:])
    (line,) = [each.message for each in wall.standing if each.thread == post.delivery]
    assert (line.owner, line.loud) == ({}, False)
    assert [what for what, _ in wall.calls] == ["post", "edit", "reply"]


@pytest.mark.parametrize("words", [("ack",), ("snooze", "1h"), ("mute",)], ids=["ack", "snooze", "mute"])
async def test_a_second_click_changes_nothing_and_says_what_was_done(
    room: Room, wall: Wall, words: tuple[str, ...]
) -> None:
    post = await alerted(room, wall)
    first = await room.do(words[0], post.delivery, *words[1:])
    again = await room.do(words[0], post.delivery, *words[1:], by="ana")
    assert again.title != first.title
    assert again.text == first.text
    assert "by bo" in again.text
    assert len(thread(wall, post)) == 1
    assert len(post.edits) == 1


@pytest.mark.parametrize("words", [("ack",), ("snooze", "1h"), ("mute",)], ids=["ack", "snooze", "mute"])
@BOTH
async def test_of_two_clicks_at_two_workers_at_the_same_moment_one_counts(
    room: Room, wall: Wall, database_url: str, words: tuple[str, ...]
) -> None:
    post = await alerted(room, wall)
    other_store = room.store if database_url.startswith("sqlite") else await open_store(database_url)
    other = Room(other_store, room.clock, wall, worker="other")
    try:
        said = await asyncio.gather(
            room.do(words[0], post.delivery, *words[1:]),
            other.do(words[0], post.delivery, *words[1:], by="ana"),
        )
    finally:
        if other_store is not room.store:
            await other_store.close()
    assert len({each.title for each in said}) == 2
    assert len({each.text for each in said}) == 1
    assert len(thread(wall, post)) == 1


@BOTH
async def test_of_two_who_undo_at_the_same_moment_one_is_told_that_it_was_undone_already(
    room: Room, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await alerted(room, wall)
    (undo,) = (await room.do("mute", post.delivery)).actions
    both_have_read, read = asyncio.Barrier(2), room.store.read

    async def read_together(work: Callable[[Connection], Any]) -> Any:
        found = await read(work)
        await both_have_read.wait()
        return found

    monkeypatch.setattr(room.store, "read", read_together)
    words = undo.id.split(":")
    said = await asyncio.gather(*(room.handling.muted(asked(*words, by=who), words) for who in ("ana", "bo")))
    monkeypatch.undo()
    assert sorted(answer.message.title for answer in said) == ["It was already undone", "Undone"]
    assert len({answer.message.text for answer in said}) == 1
    assert (await room.do("muted")).title == "Nothing is muted"


@BOTH
async def test_what_was_done_holds_after_a_restart(room: Room, wall: Wall, database_url: str) -> None:
    post = await alerted(room, wall)
    await room.do("mute", post.delivery)
    await room.store.close()
    reopened = await open_store(database_url)
    try:
        later = Room(reopened, room.clock, wall, worker="next")
        assert "Muted first extra usage for ana by bo" in (await later.do("muted")).text
        assert (await later.do("mute", post.delivery)).title == "It is already muted"
        assert (await later.do("ack", post.delivery)).title == "Acknowledged"
        assert (await later.do("why", post.delivery)).title == "Why this alert"
        assert [line.split()[0] for line in thread(wall, post)] == ["Muted", "Acknowledged"]
    finally:
        await reopened.close()


async def test_why_shows_the_rule_the_readings_and_the_period(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    said = await room.do("why", post.delivery)
    lines = [line for section in said.sections for line in section.lines]
    assert "Rule: first extra usage (spend_started)" in lines
    assert any(line.startswith("Compared: ") for line in lines)
    assert "Period: 2026-04 (UTC)" in lines
    assert room.woken == 0


async def test_why_of_a_post_about_several_names_the_newest_first(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.spend("11")
    said = await room.do("why", post.delivery)
    rules = [line for section in said.sections for line in section.lines if line.startswith("Rule: ")]
    assert rules == ["Rule: thresholds (threshold_crossed)", "Rule: first extra usage (spend_started)"]


# --- until when -----------------------------------------------------------------------------------------------------


async def test_a_snooze_without_a_time_asks_for_how_long(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    said = await room.do("snooze", post.delivery)
    assert said.title == "Snooze for how long?"
    assert said.text == (
        "Choose how long to snooze ana's alerts of this severity or lower, or type “snooze ana TIME” with a time such as "
        "30m, 2h or 2d (at most 366d)."
    )
    assert [action.id.rpartition(":")[2] for action in said.actions] == ["1h", "tomorrow"]
    assert await room.store.read(lambda c: alert_actions.holding(c, room.clock.now())) == []


@pytest.mark.parametrize(
    ("today", "until"),
    [
        (NOW, datetime(2026, 4, 16, 7, tzinfo=UTC)),
        (datetime(2026, 3, 28, 10, tzinfo=UTC), datetime(2026, 3, 29, 7, tzinfo=UTC)),
        (datetime(2026, 10, 24, 10, tzinfo=UTC), datetime(2026, 10, 25, 8, tzinfo=UTC)),
        (datetime(2026, 4, 15, 22, 30, tzinfo=UTC), datetime(2026, 4, 17, 7, tzinfo=UTC)),
    ],
    ids=["a day like others", "clocks forward", "clocks back", "after midnight here"],
)
async def test_tomorrow_is_nine_by_the_clock_on_the_wall(
    store: Store, wall: Wall, today: datetime, until: datetime
) -> None:
    room = Room(store, ManualClock(today), wall)
    post = await alerted(room, wall)
    said = await room.do("snooze", post.delivery, "tomorrow")
    (act,) = await store.read(lambda c: alert_actions.holding(c, room.clock.now()))
    assert act.until == until
    assert f"{until.astimezone(BERLIN):%H:%M}" == "09:00"
    assert "09:00" in said.text


async def test_an_hour_is_an_hour(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    began = room.clock.now()
    await room.do("snooze", post.delivery, "1h")
    (act,) = await room.store.read(lambda c: alert_actions.holding(c, room.clock.now()))
    assert act.until == began + timedelta(hours=1)


async def test_until_the_renewal_is_the_beginning_of_its_day_here(room: Room, wall: Wall) -> None:
    renews = Subscription("active", datetime(2026, 4, 20, tzinfo=UTC).date())
    await room.spend("0", "1", subscription=renews)
    (post,) = posts(wall)
    asks = await room.do("snooze", post.delivery)
    assert asks.actions[-1].label == "Until the renewal, Mon Apr 20"
    await room.do(*asks.actions[-1].id.split(":"))
    (act,) = await room.store.read(lambda c: alert_actions.holding(c, room.clock.now()))
    assert act.until == datetime(2026, 4, 19, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("2d", timedelta(days=2)),
        ("1h30m", timedelta(minutes=90)),
        ("3 days", timedelta(days=3)),
    ],
)
async def test_a_snooze_lasts_as_long_as_is_typed(store: Store, typed: str, length: timedelta) -> None:
    room = Room(store, ManualClock(NOW), Wall("slack"))
    await room.spend("1", "12")
    at = room.clock.now()
    said = await room.do("snooze", "an", *typed.split())
    assert said.title == "Snoozed"
    (action,) = await store.read(lambda c: alert_actions.holding(c, at))
    assert action.until is not None
    assert timedelta() <= action.until - at - length < timedelta(minutes=1)


async def test_a_typo_is_answered_with_the_nearest_seat_in_one_line(store: Store) -> None:
    room = Room(store, ManualClock(NOW), Wall("slack"))
    await room.spend("1", "12")
    said = await room.do("why", "anna")
    assert (said.title, said.text) == ("No such alert", "Did you mean “why ana”?")
    assert (await room.do("why", "a")).title != "No such alert"
    said = await room.do("mute", "renewls")
    assert (said.title, said.text) == ("No such alert", "Name the seat first, as in “mute ana renewals”.")
    assert (
        await room.do("why", "x7")
    ).text == "Name a seat, as in “why ana”, or press the button below the alert."


async def test_one_acknowledgement_of_several_alerts_is_one_line(store: Store) -> None:
    wall = Wall("slack")
    room = Room(store, ManualClock(NOW), wall)
    await room.spend("1", "12", "16")
    (post,) = posts(wall)
    before = len(thread(wall, post))
    await room.do("ack", "ana")
    assert sum("Acknowledged" in line for line in thread(wall, post)[before:]) == 1


async def test_a_renewal_that_nobody_knows_is_no_time(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    for how_long, why in (
        ("renewal", "The renewal of ana is not known."),
        ("forever", "“forever” is not a time."),
    ):
        said = await room.do("snooze", post.delivery, how_long)
        assert (said.title, said.text.startswith(why)) == ("Snooze for how long?", True)
        assert "at most 366d" in said.text
    assert await room.store.read(lambda c: alert_actions.holding(c, room.clock.now())) == []


@BOTH
async def test_a_longer_snooze_counts_beside_a_shorter_one_and_not_the_other_way_round(
    room: Room, wall: Wall
) -> None:
    post = await alerted(room, wall)
    assert (await room.do("snooze", post.delivery, "1h")).title == "Snoozed"
    assert (await room.do("snooze", post.delivery, "tomorrow")).title == "Snoozed"
    assert (await room.do("snooze", post.delivery, "1h")).title == "It is already snoozed"
    assert len(thread(wall, post)) == 2


# --- what it does to what comes -------------------------------------------------------------------------------------


@BOTH
async def test_a_snooze_holds_back_what_is_no_more_severe_and_sends_it_afterwards(
    room: Room, wall: Wall
) -> None:
    post = await alerted(room, wall)
    await room.spend("11")
    await room.do("snooze", post.delivery, "1h")
    before = thread(wall, post)
    await room.spend("16")
    assert thread(wall, post) == before
    assert "30%" in shown(post).title  # an edit notifies nobody
    room.clock.advance(timedelta(minutes=50))
    await room.deliver()
    assert thread(wall, post) == before
    room.clock.advance(timedelta(minutes=10))
    await room.deliver()
    assert thread(wall, post) == [*before, "ana passed 30% of the cap: $16.00 of $50.00 (32%)."]
    assert len(posts(wall)) == 1


async def test_a_snooze_lets_what_is_louder_pass(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.do("snooze", post.delivery, "1h")
    await room.spend("11")
    assert thread(wall, post)[-1] == "ana passed 20% of the cap: $11.00 of $50.00 (22%)."
    await room.spend("50")
    assert posts(wall)[-1].message.title == "ana is BLOCKED: $50.00 of $50.00"


async def test_a_snooze_is_of_its_seat_only(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.do("snooze", post.delivery, "1h")
    await room.spend("0", "1", of="bo")
    assert [each.message.title.split()[0] for each in posts(wall)] == ["ana", "bo"]


@BOTH
async def test_a_mute_silences_that_kind_of_that_seat_only_until_it_is_undone(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.spend("11")
    assert len(thread(wall, post)) == 1
    assert "thresholds" in (await room.do("mute", post.delivery, "threshold_crossed")).text
    before = thread(wall, post)
    await room.spend("16")
    assert thread(wall, post) == before
    await room.spend("0", "1", of="bo")
    await room.spend("11", of="bo")
    assert thread(wall, posts(wall)[-1]) == ["bo passed 20% of the cap: $11.00 of $50.00 (22%)."]
    listed = await room.do("muted")
    assert "Muted thresholds for ana by bo" in listed.text
    assert (await room.do(*listed.actions[0].id.split(":"))).title == "Undone"
    assert (await room.do(*listed.actions[0].id.split(":"))).title == "Nothing to undo"
    await room.spend("21")
    assert len(thread(wall, post)) == len(before) + 1
    assert (await room.do("muted")).title == "Nothing is muted"
    assert "muted" not in shown(post).text


async def test_of_an_alert_that_tells_of_several_rules_it_is_asked_which(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.spend("11")
    which = await room.do("mute", post.delivery)
    assert which.title == "Mute which rule?"
    assert [choice.label for choice in which.actions] == ["first extra usage", "thresholds"]
    assert which.actions[1].typed == "mute ana thresholds"
    assert (await room.do("muted")).title == "Nothing is muted"
    muted = await room.do(*which.actions[1].id.split(":"))
    assert muted.text.startswith("Muted thresholds for ana by bo")


async def test_a_rule_is_named_by_its_beginning_and_a_typo_of_one_is_answered_in_one_line(
    room: Room, wall: Wall
) -> None:
    await alerted(room, wall)
    await room.spend("11")
    for typo in ("treshold", "threshold_crosed"):
        assert (await room.do("mute", "ana", typo)).text.endswith("Did you mean “thresholds”?")
    assert (await room.do("muted")).title == "Nothing is muted"
    assert (await room.do("mute", "an", "thresh")).text.startswith("Muted thresholds for ana by bo")
    said = await room.do("mute", "ana", "first", "extra", "usage")
    assert said.text.startswith("Muted first extra usage for ana by bo")


async def test_a_snooze_of_a_typo_names_the_word_that_was_meant(room: Room, wall: Wall) -> None:
    await alerted(room, wall)
    said = await room.do("snooze", "ana", "tomorow")
    assert said.text.startswith("“tomorow” is not a time. Did you mean “snooze ana tomorrow”?")
    assert [choice.typed for choice in said.actions] == ["snooze ana 1h", "snooze ana tomorrow"]


async def test_of_a_post_about_several_seats_a_name_means_that_seat_alone(room: Room, wall: Wall) -> None:
    blocked, down = EventKind.SEAT_BLOCKED, EventKind.SOURCE_DOWN
    events = [
        Event(f"{kind} {seat}", kind, NOW, Severity.CRITICAL, "so it is", seat)
        for seat in ("ana", "bo", None)
        for kind in (down, blocked)
    ]
    posts_ = [NewDelivery(each.key, each.key, "wall", "C1", DeliveryKind.POST) for each in events]
    await room.store.run(lambda c: batches.write(c, Batch(events=events, deliveries=posts_)))
    await room.deliver()
    assert len(posts(wall)) == 1
    for name, seat in (("ana", "ana"), ("bo", "bo"), ("team", None)):
        said = await room.do("mute", name, "seat_blocked")
        (act, *_) = reversed(await room.store.read(lambda c: alert_actions.holding(c, room.clock.now())))
        assert (said.title, act.seat) == ("Muted", seat)
    assert (await room.do("snooze", "ana", "2h")).text.startswith("Snoozed for ana")
    assert await room.why_headings("bo") == ["bo is BLOCKED", "bo cannot be read"]


@BOTH
async def test_what_is_muted_is_undone_by_its_seat_or_by_its_number(room: Room, wall: Wall) -> None:
    await alerted(room, wall)
    await room.do("mute", "ana")
    (undo,) = (await room.do("muted")).actions
    assert undo.typed == "unmute ana"
    assert (await room.do("unmute", "an")).title == "Undone"
    await room.do("snooze", "ana", "1h")
    await room.do("snooze", "ana", "1d")
    listed = await room.do("unmute", "ana")
    assert [action.typed for action in listed.actions] == ["unmute 1", "unmute 2"]
    assert (await room.do("unmute", "2")).title == "Undone"
    assert len(await room.store.read(lambda c: alert_actions.holding(c, room.clock.now()))) == 1


async def test_a_rule_that_an_alert_does_not_tell_of_is_not_muted_by_it(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    for alert in (post.delivery, "ana"):
        which = await room.do("mute", alert, "window_full")
        assert "has no alert “window_full”" in which.text
        assert [choice.label for choice in which.actions] == ["first extra usage"]
    assert (await room.do("muted")).title == "Nothing is muted"
    assert (await room.do("ack", "bo")).text == "bo has no open alert."


async def test_a_rule_of_the_team_is_distinguished_from_the_same_of_a_seat(room: Room, wall: Wall) -> None:
    closed = [
        Event(f"closed {seat}", EventKind.PERIOD_CLOSED, NOW, Severity.INFO, "a new month", seat)
        for seat in ("ana", "bo", None)
    ]
    events = [*closed, Event("budget", EventKind.BUDGET_CROSSED, NOW, Severity.INFO, "50%")]
    posts_ = [NewDelivery(each.key, each.key, "wall", "C1", DeliveryKind.POST) for each in events]
    await room.store.run(lambda c: batches.write(c, Batch(events=events, deliveries=posts_)))
    await room.deliver()
    (post,) = posts(wall)
    which = await room.do("mute", post.delivery)
    chosen = {choice.label: choice.id.replace(":", " ").split() for choice in which.actions}
    muted = await room.do(*chosen["monthly reports of the team"])
    assert muted.text.startswith("Muted monthly reports by bo")
    muted = await room.do(*chosen["monthly reports of ana"])
    assert muted.text.startswith("Muted monthly reports for ana by bo")


async def test_every_way_back_has_a_label_of_its_own(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.do("mute", post.delivery)
    await room.do("snooze", post.delivery, "1h")
    listed = await room.do("muted")
    assert [line[:3] for line in listed.text.splitlines()] == ["1. ", "2. "]
    assert [back.label for back in listed.actions] == [
        "Undo 1. ana, first extra usage",
        "Undo 2. ana, snooze",
    ]


async def test_why_says_the_result_of_its_delivery(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    lines = [line for section in (await room.do("why", post.delivery)).sections for line in section.lines]
    assert [plain(line) for line in lines if line.startswith("Delivery: ")] == [
        "Delivery: wall C1, Wed Apr 15 12:02"
    ]


async def test_a_muted_kind_leaves_the_other_kinds_of_the_seat(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.do("mute", post.delivery)
    await room.spend("50")
    assert posts(wall)[-1].message.title == "ana is BLOCKED: $50.00 of $50.00"


@BOTH
async def test_what_is_over_cannot_be_acknowledged(room: Room, wall: Wall) -> None:
    await alerted(room, wall)
    await room.spend("50")
    blocked = posts(wall)[-1]
    await room.spend("50", cap="100")
    assert shown(blocked).title.startswith("Resolved: ")
    assert buttons(shown(blocked)) == ["why", "seat"]
    assert (await room.do("ack", blocked.delivery)).title == "It is over"
    assert await room.store.read(lambda c: alert_actions.holding(c, room.clock.now())) == []


# --- which alert ----------------------------------------------------------------------------------------------------


async def test_an_alert_is_named_by_its_seat_too(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.spend("0", "1", of="bo")
    assert (await room.do("ack", "ana")).title == "Acknowledged"
    assert len(thread(wall, post)) == 1
    assert thread(wall, posts(wall)[1]) == []


async def test_a_seat_whose_newest_event_was_muted_is_that_of_its_alert_that_stands(
    room: Room, wall: Wall
) -> None:
    post = await alerted(room, wall)
    await room.spend("11")
    await room.do("mute", post.delivery, "threshold_crossed")
    await room.spend("16")
    assert await room.why_headings("ana") == await room.why_headings(post.delivery)


@pytest.mark.parametrize("action", ["why", "ack", "snooze", "mute"])
async def test_what_is_not_known_is_answered_clearly(room: Room, wall: Wall, action: str) -> None:
    await alerted(room, wall)
    assert (await room.do(action)).title == "Which alert?"
    for unknown in ("a" * 20, "nobody", "bo"):
        assert (await room.do(action, unknown, "1h")).title == "No such alert"
    assert await room.store.read(lambda c: alert_actions.holding(c, room.clock.now())) == []


@BOTH
async def test_an_alert_that_was_forgotten_is_answered_clearly(room: Room, wall: Wall) -> None:
    post = await alerted(room, wall)
    await room.store.run(lambda c: forgetting.forget(c, "ana"))
    for action in ("why", "ack", "mute"):
        assert (await room.do(action, post.delivery)).title == "No such alert"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("ana", "Nothing is snoozed or muted for ana."),
        ("an", "Nothing is snoozed or muted for ana."),
        ("team", "Nothing is snoozed or muted for the team."),
        ("zoe", "Name a seat, as in “unmute ana”; “muted” lists what you can undo."),
        ("a" * 20, "This snooze or mute has already ended."),
    ],
)
async def test_undoing_what_is_not_muted_is_answered_clearly(room: Room, named: str, said: str) -> None:
    answer = await room.do("unmute", named)
    assert (answer.title, answer.text) == ("Nothing to undo", said)


@pytest.mark.parametrize("words", [("snooze", "ana", "1h"), ("mute", "ana")])
async def test_no_hint_shows_an_id(room: Room, wall: Wall, words: tuple[str, ...]) -> None:
    await alerted(room, wall)
    (undo,) = (await room.do(*words)).actions
    assert undo.typed == "unmute ana"
    assert (await room.do(*undo.typed.split())).title == "Undone"


async def test_a_thread_that_is_gone_is_posted_again_and_found_by_the_name_of_its_seat(
    room: Room, wall: Wall
) -> None:
    post = await alerted(room, wall)
    await room.spend("2")
    wall.troubles.extend([SendError(Outcome.GONE, "message_not_found")] * 2)  # the edit and the line
    await room.spend("11")
    _, second = posts(wall)
    assert second.message.title == "ana passed 20% of the cap: $11.00 of $50.00 (22%)"
    assert thread(wall, post) == []
    assert await room.why_headings("ana") == await room.why_headings(second.delivery)
    await room.do("ack", "ana")
    assert len(thread(wall, second)) == 1
    await room.spend("16")
    assert len(posts(wall)) == 2
    assert thread(wall, second)[-1] == "ana passed 30% of the cap: $16.00 of $50.00 (32%)."


# --- on Slack -------------------------------------------------------------------------------------------------------


async def test_on_slack_a_double_click_and_a_repeated_delivery_have_one_effect(store: Store) -> None:
    clock = ManualClock(NOW)
    async with SlackSimulator(clock=lambda: clock.now().timestamp()) as slack:
        chat = chat_of(slack)
        room = Room(store, clock, chat)
        commands = Commands(
            CommandContext(
                store, SEATS, now=clock.now, tz=BERLIN, version="1", chats=(chat,), wake=room._wake
            )
        )
        await chat.start(commands.answer, commands.form)
        try:
            await room.spend("0", "1")
            (post,) = slack.messages()
            ack = next(each["value"] for each in post.buttons() if each["value"].startswith("ack:"))
            pressed = await slack.press(post, ack)
            assert "Acknowledged" in (await slack.answer(pressed)).text
            await slack.deliver(pressed, retry=1)
            assert "Acknowledged" in (await slack.answer(await slack.press(post, ack))).text
            await room.deliver()
        finally:
            await chat.close()
        (line,) = slack.replies(post)
        assert line.text.startswith("Acknowledged for ana by u0123")
        assert "<@" not in str(line.payload)
        assert line.payload["reply_broadcast"] is False
        assert line.text.partition(" on ")[0] in str(
            post.blocks
        )  # the instant behind it is each reader's own there
        assert not any(each["value"].startswith("ack:") for each in post.buttons())
        assert slack.unexpected == []


# --- Privacy


@pytest.mark.parametrize("action", ["why", "ack", "snooze", "mute"])
async def test_only_the_owner_and_operators_do_something_about_an_alert_that_does_not_say_whose_it_is(
    store: Store, action: str
) -> None:
    wall = Wall("slack")
    operators = Operators({"slack": frozenset({"UBOSS"})})
    room = Room(store, ManualClock(NOW), wall, redaction=Redaction("anonymous", operators))
    await room.spend("1", "12")
    shared = next(each for each in posts(wall) if each.channel == "C1")
    assert "A seat" in shared.message.title

    assert (await room.do(action, shared.delivery, "1h", by="bo")).title == "Not shown"
    assert (await room.do("muted", by="bo")).title == "Nothing is muted"
    for by in ("ana", "boss"):
        assert (await room.do(action, shared.delivery, "1h", by=by)).title != "Not shown"
    everything = [
        message for each in wall.standing if each.channel == "C1" for message in (each.message, *each.edits)
    ]
    assert not [message for message in everything if "ana" in str(message) or "boss" in str(message)]


@pytest.mark.parametrize("action", ["why", "ack", "snooze", "mute"])
async def test_whether_a_seat_has_an_alert_is_shown_to_nobody_else(store: Store, action: str) -> None:
    room = Room(store, ManualClock(NOW), Wall("slack"), redaction=Redaction("self"))
    before = await room.do(action, "ana", "1h", by="bo")
    await room.spend("1", "12")
    assert await room.do(action, "ana", "1h", by="bo") == before
    assert before.title == "Not shown"


@pytest.mark.parametrize("rows", ["self", "anonymous"])
@pytest.mark.parametrize("action", ["why", "ack", "snooze", "mute", "unmute"])
async def test_whether_there_is_such_a_seat_is_shown_to_nobody_else(
    store: Store, action: str, rows: Rows
) -> None:
    room = Room(store, ManualClock(NOW), Wall("slack"), redaction=Redaction(rows))
    answers = [await room.do(action, named, "1h", by="bo") for named in ("ana", "an", "anna", "zoe")]
    assert [answer.title for answer in answers] == ["Not shown"] * 4
    assert all(answer == answers[0] for answer in answers)
    gone = await room.do(action, "a" * 20, "1h", by="bo")
    assert gone.title == ("Nothing to undo" if action == "unmute" else "No such alert")


async def test_what_is_snoozed_is_shown_to_those_whom_it_concerns(store: Store) -> None:
    wall = Wall("slack")
    room = Room(store, ManualClock(NOW), wall, redaction=Redaction("self"))
    await room.spend("1", "12")
    mine = posts(wall)[0]
    assert {each.channel for each in wall.standing} == {"@UANA"}
    snoozed = await room.do("snooze", mine.delivery, "1h", by="ana")
    assert (await room.do("muted", by="ana")).title == "Snoozed and muted"
    assert (await room.do("muted", by="bo")).title == "Nothing is muted"
    assert (await room.do(*snoozed.actions[0].id.split(":"), by="bo")).title == "Nothing to undo"
    assert (await room.do("unmute", "ana", by="bo")).title == "Not shown"
