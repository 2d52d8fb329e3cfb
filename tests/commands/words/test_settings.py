"""What people set for their own seats, and what comes of it: on a real store, through the real door."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from meterbot.chat import Answer, Question
from meterbot.commands.commands import Commands
from meterbot.commands.context import CommandContext
from meterbot.core.deliveries import Destination
from meterbot.core.models import Event, EventKind, ExtraUsage, Health, Seat, Snapshot
from meterbot.core.money import Money
from meterbot.core.operators import Operators
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import RoutingSettings
from meterbot.ingest.ingest import Ingest
from meterbot.ingest.recording import Recorder
from meterbot.rules.settings import DEFAULT_THRESHOLDS, RuleSettings, Threshold
from meterbot.store import Store, deliveries, forgetting
from tests.teams import money

pytestmark = pytest.mark.databases("sqlite")
"""What is said; the queries behind it are tested in tests/store on both databases."""

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
SEATS = {name: Seat(name, "claude_ai", owner={"slack": f"U{name.upper()}"}) for name in ("ana", "bo")}
CONFIGURED = (Threshold(percent=Decimal(50)), Threshold(percent=Decimal(80)))
BOSS = Operators({}, {"slack": frozenset({"SLEADS"})})


def context(store: Store, thresholds: Sequence[Threshold] = CONFIGURED) -> CommandContext:
    return CommandContext(
        store,
        SEATS,
        now=lambda: NOW,
        tz=ZoneInfo("Europe/Berlin"),
        version="1",
        redaction=Redaction(operators=BOSS),
        thresholds=thresholds,
    )


async def ask(
    store: Store, *words: str, by: str = "ana", text: str | None = None, groups: tuple[str, ...] = ()
) -> Answer:
    question = Question(words, "slack", f"U{by.upper()}", text=text, groups=groups)
    return await Commands(context(store)).answer(question)


async def lines(store: Store) -> tuple[str, ...]:
    (section,) = (await ask(store, "settings")).message.sections
    return section.lines


async def test_what_is_configured_holds_until_something_is_set(store: Store) -> None:
    assert await lines(store) == (
        "Thresholds: 50%, 80% (as configured)",
        "Quiet hours for direct messages: none",
    )
    shown = (await ask(store, "settings")).message
    assert [action.id for action in shown.actions] == ["settings:thresholds:ana", "settings:quiet:ana"]


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (ExtraUsage(enabled=True, used=money("1"), cap=money("100")), "50%, 80%, 95%"),
        (
            ExtraUsage(enabled=True, used=money("1"), cap=None),
            "$25.00, $50.00, $100.00, then every $100.00",
        ),
        (
            ExtraUsage(enabled=True, used=Money(Decimal(9), "JPY", 0), cap=None),
            "¥2500, ¥5000, ¥10000, then every ¥10000",
        ),
        (
            ExtraUsage(enabled=True, used=money("1"), cap=None, cap_known=False),
            "50%, 80%, 95%; without a cap: $25.00, $50.00, $100.00, then every $100.00",
        ),
    ],
)
async def test_the_default_levels_are_those_that_the_seat_s_cap_makes_valid(
    store: Store, extra: ExtraUsage, said: str
) -> None:
    await reads(store, extra, NOW)
    for words in (("settings",), ("settings", "ana")):
        answer = await Commands(context(store, DEFAULT_THRESHOLDS)).answer(Question(words, "slack", "UANA"))
        (section,) = answer.message.sections
        assert section.lines[0] == f"Thresholds: {said} (as configured)"


async def test_what_is_set_is_shown_and_can_be_undone(store: Store) -> None:
    said = await ask(store, "settings", "thresholds", "ana", text="30%, $25")
    assert said.message.text == "Thresholds: 30%, $25.00."
    again = await ask(store, "settings", "thresholds", "ana", text="30%, $25")
    assert again == said
    await ask(store, "settings", "quiet", "ana", "22:00-07:00", "sat")
    assert await lines(store) == (
        "Thresholds: 30%, $25.00",
        "Quiet hours for direct messages: 22:00-07:00, sat (Europe/Berlin)",
    )
    await ask(store, "settings", "thresholds", "ana", "default")
    await ask(store, "settings", "quiet", "ana", "none")
    assert (await lines(store))[0] == "Thresholds: 50%, 80% (as configured)"


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (("settings", "thresholds", "ana"), "much", "is not a level"),
        (("settings", "quiet", "ana"), "at night", "Write hours like"),
        (("settings", "quiet", "ana"), " ", "settings quiet ana"),
        (("settings", "colours", "ana", "blue"), None, "settings quiet ana"),
        (("settings", "ana", "thresholds", "50%"), None, "settings thresholds ana"),
        (("settings", "thresholds", "ana"), "$0.001", "is not a level"),
        (("settings", "thresholds", "ana"), "$99999999999999999999999999.00", "This amount is too large"),
    ],
)
async def test_what_is_not_understood_is_said_and_nothing_changes(
    store: Store, words: tuple[str, ...], text: str | None, said: str
) -> None:
    answer = await ask(store, *words, text=text)
    assert said in answer.message.text
    assert answer.invalid is (text is not None)
    assert (await lines(store))[0] == "Thresholds: 50%, 80% (as configured)"


async def test_a_seat_s_settings_are_for_its_owner_and_operators(store: Store) -> None:
    words = ("settings", "thresholds", "ana", "30%")
    for named in (words, ("settings", "thresholds", "nobody", "30%")):
        assert (await ask(store, *named, by="bo")).message.title == "Not yours to set"
    assert (await lines(store))[0] == "Thresholds: 50%, 80% (as configured)"
    assert (await ask(store, *words, by="zed", groups=("SLEADS",))).message.title == "Saved for ana"
    assert (await ask(store, "settings", by="zed")).message.title == "No settings"


async def test_one_seat_s_are_shown_to_who_may_set_them(store: Store) -> None:
    assert (await ask(store, "settings", "ana", by="bo")).message.title == "Not yours to set"
    assert (await ask(store, "settings", "nobody")).message.title == "Not yours to set"
    shown = (await ask(store, "settings", "ana", by="zed", groups=("SLEADS",))).message
    assert [action.id for action in shown.actions] == ["settings:thresholds:ana", "settings:quiet:ana"]
    assert shown == (await ask(store, "settings", "ana")).message
    assert shown.title == "Settings of ana"
    assert (await ask(store, "settings", "thresholds")) == await ask(store, "settings")


async def test_a_seat_may_be_called_like_a_form(store: Store) -> None:
    seats = {name: Seat(name, "claude_ai", owner={"slack": "UANA"}) for name in ("ana", "quiet")}
    words = ("settings", "quiet", "ana", "22:00-07:00")
    answer = await Commands(replace(context(store), seats=seats)).answer(Question(words, "slack", "UANA"))
    assert answer.message.title == "Saved for ana"


async def test_a_form_opens_for_who_may_write_into_it(store: Store) -> None:
    def form(*words: str, by: str = "ANA") -> object:
        return Commands(context(store)).form(Question(words, "slack", f"U{by}"))

    assert form("settings", "thresholds", "ana") is not None
    assert form("settings", "thresholds", "ana", by="BO") is None
    assert form("settings", "thresholds", "ana", "50%") is None
    assert form("settings") is None


# --- what comes of it


async def posted(store: Store, used: str, at: datetime, routing: RoutingSettings | None = None) -> list[str]:
    """The levels that a reading brings."""
    extra = ExtraUsage(enabled=True, used=money(used), cap=money("100"))
    return [str(event.level) for event in await reads(store, extra, at, routing)]


async def reads(
    store: Store, extra: ExtraUsage, at: datetime, routing: RoutingSettings | None = None
) -> Sequence[Event]:
    door = Ingest(
        store,
        Recorder(
            SEATS,
            [Destination("slack", "C1")],
            RuleSettings(
                thresholds=CONFIGURED, renewal_days=(), kinds=frozenset({EventKind.THRESHOLD_CROSSED})
            ),
            routing or RoutingSettings(),
        ),
        lambda: None,
    )
    read = Snapshot(
        "ana",
        "claude_ai",
        at,
        Health.OK,
        account_uuid="account",
        org_uuid="org",
        extra_usage=extra,
        extra_usage_read=True,
    )
    return await door.store_snapshots([read], at)


async def test_the_levels_of_a_seat_are_those_that_its_owner_set(store: Store) -> None:
    await posted(store, "1", NOW)
    await ask(store, "settings", "thresholds", "ana", "20%")
    assert await posted(store, "25", NOW + timedelta(minutes=1)) == ["20%"]
    assert await posted(store, "60", NOW + timedelta(minutes=2)) == []


async def test_direct_messages_wait_for_the_end_of_the_owner_s_quiet_hours_and_the_channel_does_not(
    store: Store,
) -> None:
    routing = RoutingSettings(redaction=Redaction("anonymous"))
    await posted(store, "1", NOW, routing)
    await ask(store, "settings", "quiet", "ana", "09:00-14:00")
    await posted(store, "60", NOW + timedelta(minutes=1), routing)
    held = {
        queue.channel: queue.held
        for queue in await store.read(lambda c: deliveries.read_queues(c, NOW + timedelta(minutes=2)))
    }
    assert held == {"C1": 0, "@UANA": 1}
    after = datetime.combine(NOW.date(), time(12, 1), UTC)  # 14:01 in Berlin
    assert {
        queue.channel: queue.held for queue in await store.read(lambda c: deliveries.read_queues(c, after))
    } == {"C1": 0, "@UANA": 0}


async def test_forgetting_a_seat_forgets_what_was_set_for_it(store: Store) -> None:
    await ask(store, "settings", "thresholds", "ana", "20%")
    assert await store.run(lambda c: forgetting.forget(c, "ana"))
    assert (await lines(store))[0] == "Thresholds: 50%, 80% (as configured)"
