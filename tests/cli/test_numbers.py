"""`meterbot status` and `meterbot pr`: how the bot is doing, and what it recorded, asked of its database."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterbot.cli import numbers
from meterbot.core.deliveries import DeliveryState, DestinationTrouble
from meterbot.store import Batch, Latest, delivery_claims, delivery_outcomes
from meterbot.store.database import open_store
from meterbot.store.delivery_claims import Claim
from tests.cli.test_cli import typed
from tests.store.examples import ANA, delivery, event, known, write

CONFIG = """
[http]
[[seats]]
name = "ana"
source = "push"
"""


def configured(folder: Path) -> list[str]:
    path = folder / "config.toml"
    path.write_text(f'database_url = "sqlite:///{folder}/meterbot.db"\n{CONFIG}')
    return ["--config", str(path)]


async def refused_by_slack(folder: Path) -> None:
    store = await open_store(f"sqlite:///{folder}/meterbot.db")
    now = datetime.now(UTC)
    await write(store, Batch(events=[event(at=now)], deliveries=[delivery("d1")]))
    claimed = await store.run(lambda c: delivery_claims.claim(c, "slack", Claim("w", now, 60)).delivery)
    assert claimed is not None
    await store.run(
        lambda c: delivery_outcomes.mark_waiting(
            c, claimed, DeliveryState.REFUSED, now, DestinationTrouble("not_in_channel", now, refused=True)
        )
    )
    await store.close()


def test_it_says_what_waits_where_and_which_source_is_silent(tmp_path: Path) -> None:
    asyncio.run(refused_by_slack(tmp_path))
    said = typed("status", *configured(tmp_path))
    assert said.exit_code == 0
    assert "No bot seems to be running: start it with meterbot run" in said.stdout
    assert "ana: never seen" in said.stdout
    assert "1 message waiting" in said.stdout
    assert "not_in_channel" in said.stdout


def test_as_json_it_is_one_document(tmp_path: Path) -> None:
    asyncio.run(refused_by_slack(tmp_path))
    document = json.loads(typed("status", "--json", *configured(tmp_path)).stdout)
    assert [(one["seat"], one["health"]) for one in document["sources"]] == [("ana", "never_seen")]
    (place,) = [one for one in document["destinations"] if one["chat"] == "slack"]
    assert (place["waiting"], place["trouble"]) == (1, "not_in_channel")
    assert document["processes"] == []
    assert document["last_tick"] is None


async def read_on_plan(folder: Path, tier: str) -> None:
    store = await open_store(f"sqlite:///{folder}/meterbot.db")
    await write(store, Batch(latest=[Latest("ana", ANA, known(tier=tier))]))
    await store.close()


def test_a_plan_that_is_not_the_accounts_is_named_in_both(tmp_path: Path) -> None:
    asyncio.run(read_on_plan(tmp_path, "max_20x"))
    words = configured(tmp_path)
    with Path(words[1]).open("a") as config:
        config.write('plan = "pro"\n')
    said = "ana is configured with plan pro, and its account says max_20x"
    assert said in typed("status", *words).stdout
    assert json.loads(typed("status", "--json", *words).stdout)["set_up"] == [said]


@pytest.mark.parametrize("more", ["", "[console]\nenabled = true\n"])
def test_a_destination_at_which_nothing_waits_is_named_too(tmp_path: Path, more: str) -> None:
    """The terminal, too, where no chat is configured."""
    (tmp_path / "config.toml").write_text(
        f'database_url = "sqlite:///{tmp_path}/meterbot.db"\n{more}{CONFIG}'
    )
    words = ["--config", str(tmp_path / "config.toml")]
    assert "console terminal: not running; nothing waiting" in typed("status", *words).stdout
    (place,) = json.loads(typed("status", "--json", *words).stdout)["destinations"]
    assert (place["chat"], place["channel"], place["waiting"]) == ("console", "terminal", 0)


def test_pull_requests_without_github_say_why_there_are_none(tmp_path: Path) -> None:
    month, one = typed("pr", *configured(tmp_path)), typed("pr", "12", *configured(tmp_path))
    assert (month.exit_code, one.exit_code) == (0, 1)
    for said in (month, one):
        assert "only to a bot with [github] in its configuration" in said.stderr


def test_a_long_replay_says_every_five_seconds_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = 100.0
    say = numbers.says_how_far(lambda: seconds)
    for number in range(0, 12_000, 1000):
        say(number, 12_000)
        seconds += 1
    assert capsys.readouterr().err == "5,000 of 12,000 readings\n10,000 of 12,000 readings\n"


def test_a_short_replay_prints_no_progress(tmp_path: Path) -> None:
    assert typed("replay", *configured(tmp_path)).stderr == ""
