import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from meterbot.app.health import BotHealth, ChatHealth
from meterbot.app.metrics import Metrics
from meterbot.app.web import HttpServer, application
from meterbot.chat import Connection
from meterbot.commands.reports import team_report
from meterbot.commands.team_report import SeatRow
from meterbot.core.counters import ProcessCounters
from meterbot.core.lease import GATEWAY
from meterbot.core.models import Counter, Health
from meterbot.store import Worker
from tests.teams import (
    NOW,
    api_snapshot,
    extra,
    reading,
    seat,
    snapshot,
    state,
)


def health(**changes: object) -> BotHealth:
    base: dict[str, object] = {
        "now": NOW,
        "version": "1.2.3",
        "database": True,
        "last_tick": NOW - timedelta(seconds=1),
        "chats": {
            "slack": ChatHealth(
                Connection(up=True),
                waiting=2,
                oldest=NOW - timedelta(minutes=3),
                held=3,
                trouble="not_in_channel",
            ),
            "discord": ChatHealth(Connection(up=False)),
        },
        "seats": {"ana": state(last_ok_at=NOW), "bo": state("bo", Health.CHALLENGED, last_ok_at=None)},
        "lag": timedelta(seconds=4),
        "workers": [Worker("web.1", NOW, ("seat:ana",)), Worker("web.2", NOW, (GATEWAY,))],
    }
    return BotHealth(**(base | changes))  # type: ignore[arg-type]  # a factory passes what it is given


def rows() -> tuple[SeatRow, ...]:
    """ana has a cap, her second seat the same counter; cleo has no cap, dan's is spent, the API organization is
    beside."""
    shots = [
        snapshot(),
        snapshot("ana-work", account_uuid="account-ana", org_uuid="org-ana"),
        snapshot("cleo", extra_usage=extra("3.50", None, "EUR")),
        snapshot("dan", extra_usage=extra("10", "10")),
        snapshot("eve", extra_usage=None, extra_usage_read=False),
        api_snapshot(),
    ]
    seats = [seat(shot.seat, shot.source) for shot in shots]
    readings = [reading(shot) for shot in shots]
    return team_report(readings, {shot.seat: state(shot.seat) for shot in shots}, seats, NOW, NOW.tzinfo).rows  # type: ignore[arg-type]


async def take_rows() -> Sequence[SeatRow]:
    return rows()


@asynccontextmanager
async def listening(metrics: Metrics, now: BotHealth) -> AsyncIterator[str]:
    async def take() -> BotHealth:
        return now

    listener = HttpServer(application(take, (), metrics), [("127.0.0.1", 0)])
    port = await listener.start()
    try:
        yield f"http://127.0.0.1:{port}/metrics"
    finally:
        await listener.close()


async def scrape(
    metrics: Metrics, now: BotHealth | None = None, headers: Mapping[str, str] | None = None
) -> str:
    async with (
        listening(metrics, now or health()) as url,
        aiohttp.ClientSession() as session,
        session.get(url, headers=headers) as response,
    ):
        assert response.status == 200
        return await response.text()


def series(text: str) -> dict[str, float]:
    """`name{labels}` → value, of what is ours."""
    found = {}
    for line in text.splitlines():
        if line.startswith("meterbot_"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


async def test_how_the_bot_is_doing() -> None:
    found = series(await scrape(Metrics()))
    (build,) = (name for name in found if name.startswith("meterbot_build_info"))
    assert re.fullmatch(r'meterbot_build_info\{python="3\.\d+\.\d+\S*",version="1\.2\.3"\}', build)
    counted = {name for name in found if name.startswith("meterbot_failed_items_created")}
    assert {name: value for name, value in found.items() if name not in {build, *counted}} == {
        "meterbot_ready": 1,
        "meterbot_database_up": 1,
        "meterbot_database_writable": 1,
        "meterbot_last_tick_timestamp_seconds": NOW.timestamp() - 1,
        "meterbot_poll_lag_seconds": 4,
        'meterbot_failed_items_total{kind="message"}': 0,
        'meterbot_failed_items_total{kind="reading"}': 0,
        'meterbot_failed_items_total{kind="pull_request"}': 0,
        'meterbot_chat_connected{chat="slack"}': 1,
        'meterbot_chat_connected{chat="discord"}': 0,
        'meterbot_deliveries_waiting{chat="slack"}': 2,
        'meterbot_deliveries_waiting{chat="discord"}': 0,
        'meterbot_deliveries_held{chat="slack"}': 3,
        'meterbot_deliveries_held{chat="discord"}': 0,
        'meterbot_deliveries_stuck{chat="slack"}': 1,
        'meterbot_deliveries_stuck{chat="discord"}': 0,
        'meterbot_deliveries_oldest_timestamp_seconds{chat="slack"}': NOW.timestamp() - 180,
        "meterbot_workers_alive": 2,
        'meterbot_gateway_held{worker="web.1"}': 0,
        'meterbot_gateway_held{worker="web.2"}': 1,
        'meterbot_seat_health{health="ok",seat="ana"}': 1,
        'meterbot_seat_health{health="challenged",seat="bo"}': 1,
        'meterbot_seat_last_read_timestamp_seconds{seat="ana"}': NOW.timestamp(),
    }


async def test_what_seats_spent_each_counter_once_and_unknown_is_no_series() -> None:
    found = series(await scrape(Metrics(rows=take_rows)))
    money = {
        name: value for name, value in found.items() if re.match("meterbot_seat_(spent|cap|blocked)", name)
    }
    assert money == {
        'meterbot_seat_spent{currency="USD",org="org-ana",seat="ana"}': 17.2,
        'meterbot_seat_spent{currency="EUR",org="org-cleo",seat="cleo"}': 3.5,
        'meterbot_seat_spent{currency="USD",org="org-dan",seat="dan"}': 10,
        'meterbot_seat_cap{currency="USD",org="org-ana",seat="ana"}': 50,
        'meterbot_seat_cap{currency="USD",org="org-dan",seat="dan"}': 10,
        'meterbot_seat_blocked{org="org-ana",seat="ana"}': 0,
        'meterbot_seat_blocked{org="org-cleo",seat="cleo"}': 0,
        'meterbot_seat_blocked{org="org-dan",seat="dan"}': 1,
        'meterbot_seat_spent_known{org="org-ana",seat="ana"}': 1,
        'meterbot_seat_spent_known{org="org-ana",seat="ana-work"}': 1,
        'meterbot_seat_spent_known{org="org-cleo",seat="cleo"}': 1,
        'meterbot_seat_spent_known{org="org-dan",seat="dan"}': 1,
        'meterbot_seat_spent_known{org="org-eve",seat="eve"}': 0,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"])
async def test_who_asks_through_a_proxy_sees_no_amounts(name: str) -> None:
    text = await scrape(Metrics(rows=take_rows), headers={name: "203.0.113.7"})
    assert "meterbot_ready" in text
    assert "17.2" not in text
    assert "meterbot_seat_spent{" not in text


async def test_who_has_the_token_sees_amounts_wherever_they_are() -> None:
    metrics = Metrics(rows=take_rows, token="planted-token-1")
    headers = {"Authorization": "Bearer planted-token-1", "X-Forwarded-For": "203.0.113.7"}
    assert "17.2" in await scrape(metrics, headers=headers)


async def test_nobody_is_named_by_an_address() -> None:
    assert "@" not in await scrape(Metrics(rows=take_rows))


async def test_a_seat_and_a_chat_that_are_removed_leave_no_series() -> None:
    everybody = list(rows())

    async def take() -> Sequence[SeatRow]:
        return everybody

    metrics = Metrics(ProcessCounters(), take)
    assert '"cleo"' in await scrape(metrics)
    everybody = [row for row in everybody if row.seat.name != "cleo"]
    text = await scrape(metrics, health(chats={}, seats={"ana": state()}))
    assert not [name for name in ("cleo", '"bo"', "discord", "slack") if name in text]


async def test_names_are_as_prometheus_likes_them() -> None:
    counters = ProcessCounters()
    counters.read("claude_ai", Health.OK, 0.2)
    counters.delivery("slack", "delivered")
    families = list(text_string_to_metric_families(await scrape(Metrics(counters, take_rows))))
    ours = [
        each for each in families if each.name.startswith("meterbot_") and not each.name.endswith("_created")
    ]
    names = [each.name for each in families]
    assert len(names) == len(set(names))
    for family in ours:
        assert family.documentation.endswith("."), family.name
        assert family.type != "unknown", family.name
        assert re.fullmatch(r"meterbot_[a-z_]+", family.name)
        totals = [sample.name for sample in family.samples if sample.name.endswith("_total")]
        assert bool(totals) == (family.type == "counter"), family.name
        assert {
            "seat",
            "org",
            "currency",
            "health",
            "chat",
            "source",
            "result",
            "outcome",
            "kind",
            "version",
            "python",
            "worker",
            "le",
        } >= {label for sample in family.samples for label in sample.labels}
    assert "process_resident_memory_bytes" in names
    assert "python_info" in names


async def test_while_the_database_is_away_the_rest_is_reported() -> None:
    async def fail() -> Sequence[SeatRow]:
        raise ConnectionError

    found = series(await scrape(Metrics(rows=fail), health(database=False, seats={})))
    assert found["meterbot_database_up"] == 0
    assert found["meterbot_ready"] == 0


def test_a_counter_of_two_seats_is_shown_under_the_one_that_counts() -> None:
    shared = [
        row.seat.name for row in rows() if row.counter == Counter("account-ana", "org-ana") and row.counted
    ]
    assert shared == ["ana"]
