"""What the door says by itself as time passes: reminders, and places that take no messages."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from meterbot.core.clock import ManualClock
from meterbot.core.deliveries import ActionKind, AlertAction, Destination
from meterbot.core.errors import Outcome, SendError
from meterbot.core.models import EventKind, Severity
from meterbot.delivery.alerts.message import renderer
from meterbot.delivery.routing import RoutingSettings
from meterbot.delivery.worker import DeliveryWorker
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.periodic_checks import PeriodicChecks
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import RuleSettings
from meterbot.store import FOR_EVER, Store, alert_actions, event_log, workers
from tests.e2e.wall import Wall
from tests.ingest.test_ingest import NOW, seat, snapshot

HOUR = timedelta(hours=1)
UTC = ZoneInfo("UTC")


class House:
    """A door, and walls that it tells."""

    def __init__(self, store: Store, routing: RoutingSettings, *walls: str) -> None:
        self.store, self.clock = store, ManualClock(NOW)
        self.walls = {name: Wall(name) for name in walls}
        seats = {"ana": seat(interval=1e7)}
        places = [Destination(name, "C1") for name in walls]
        recorder = Recorder(seats, places, RuleSettings(), routing)
        self.ingest = Ingest(store, recorder, lambda: None)
        self.checks = PeriodicChecks(store, recorder, lambda: None)
        self.notify = DeliveryWorker(
            store,
            self.walls,
            self.clock,
            worker="w",
            render=renderer(seats, UTC, routing),
            group_threshold=routing.group_threshold,
        )

    async def reads(self, used: str, cap: str = "50") -> None:
        await self.ingest.store_snapshots([snapshot(used, self.clock.now(), cap=cap)], self.clock.now())
        await self.passes(timedelta(0))

    async def passes(self, time: timedelta) -> None:
        self.clock.advance(time)
        await self.store.run(lambda c: workers.beat(c, "w", self.clock.now(), FOR_EVER))
        await self.checks.run(self.clock.now())
        await self.notify.drain()


def reminders(wall: Wall) -> list[str]:
    return [each.message.title for each in wall.standing if each.message.title.startswith("Reminder")]


async def test_a_seat_that_stays_blocked_is_reported_again_each_time_until_it_is_not(store: Store) -> None:
    house = House(store, RoutingSettings(repeat_interval=24 * HOUR), "wall")
    await house.reads("0")
    await house.passes(HOUR)
    await house.reads("50")
    for hours, number in ((23, 0), (2, 1), (1, 1), (24, 2)):
        await house.passes(hours * HOUR)
        assert len(reminders(house.walls["wall"])) == number
    assert reminders(house.walls["wall"])[0] == "Reminder: ana has been blocked for 25h ($50.00 of $50.00)."
    await house.reads("50", cap="200")
    await house.passes(48 * HOUR)
    assert len(reminders(house.walls["wall"])) == 2


async def test_by_default_nobody_is_reminded(store: Store) -> None:
    house = House(store, RoutingSettings(), "wall")
    await house.reads("0")
    await house.passes(HOUR)
    await house.reads("50")
    await house.passes(240 * HOUR)
    assert reminders(house.walls["wall"]) == []


@pytest.mark.parametrize("action", [ActionKind.ACK, ActionKind.MUTE])
async def test_a_block_that_is_acknowledged_or_muted_sends_no_reminder(
    store: Store, action: ActionKind
) -> None:
    house = House(store, RoutingSettings(repeat_interval=HOUR), "wall")
    await house.reads("0")
    await house.passes(HOUR)
    await house.reads("50")
    (blocked,) = await store.read(lambda c: event_log.open_alerts(c, [EventKind.SEAT_BLOCKED]))
    done = AlertAction(
        "a" * 20,
        blocked.key,
        action,
        house.clock.now(),
        "bo",
        "wall",
        "ana",
        blocked.kind,
        Severity.CRITICAL,
    )
    await store.run(lambda c: alert_actions.add(c, done))
    await house.passes(5 * HOUR)
    assert reminders(house.walls["wall"]) == []


async def test_a_place_that_refuses_is_reported_at_the_others_and_its_end_too(store: Store) -> None:
    house = House(store, RoutingSettings(), "slack", "discord")
    await house.reads("0")
    await house.passes(HOUR)
    slack, discord = house.walls["slack"], house.walls["discord"]
    slack.troubles.extend([SendError(Outcome.REFUSED, "not_in_channel")] * 2)
    await house.reads("1")
    await house.passes(timedelta(minutes=2))
    await house.passes(timedelta(minutes=2))
    assert [title for title in discord.titles() if "does not accept messages" in title] == [
        "Slack C1 does not accept messages"
    ]
    assert slack.standing == []
    for _ in range(3):
        await house.passes(timedelta(minutes=20))
    assert any("started extra usage" in title for title in slack.titles())
    (posted,) = [
        each for each in discord.standing if each.message.title == "Slack C1 does not accept messages"
    ]
    assert posted.edits[-1].title == "Resolved: Slack C1 does not accept messages"
    assert not any("does not accept messages" in title for title in slack.titles())


@pytest.mark.parametrize("update_in_place", [True, False])
async def test_a_raised_cap_ends_every_level_that_is_not_reached_any_more(
    store: Store, *, update_in_place: bool
) -> None:
    house = House(store, RoutingSettings(update_in_place=update_in_place), "slack")
    for used, cap in (("10", "50"), ("41", "50"), ("48", "50"), ("48", "100")):
        await house.reads(used, cap)
        await house.passes(HOUR)
    posts = [each for each in house.walls["slack"].standing if each.thread is None]
    assert [post.edits[-1].severity for post in posts] == [Severity.GOOD] * (1 if update_in_place else 2)
    assert await store.read(lambda c: event_log.open_alerts(c, [EventKind.THRESHOLD_CROSSED])) == []
