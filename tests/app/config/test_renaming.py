"""A key with a new name still works for a minor version, and its line is told."""

import re
from pathlib import Path

import pytest
from packaging.version import Version
from structlog.testing import capture_logs

import meterbot
from meterbot.app import build
from meterbot.app.config import Config, ConfigError, load
from meterbot.app.config.renaming import RENAMED, Renamed
from meterbot.cli.check.surroundings import old_keys
from meterbot.core.findings import Status
from tests.app.config.test_example import keys
from tests.app.config.writing import ANA, ENVIRON

# No key of this version has an old name: these stand in for one.
EARLIER = (
    Renamed((), "zone", "timezone", "9.2"),
    Renamed(("alerts",), "grace", "source_grace", "9.2"),
    Renamed(("alerts", "budgets"), "sum", "amount", "9.2"),
    Renamed(("seats",), "price", "plan_price", "9.2"),
    Renamed(("seats",), "colour", None, "9.2"),
)
OLD = """zone = "Europe/Berlin"
[alerts]
grace = "45m"
[[alerts.budgets]]
sum = "500.00"
[[seats]]
name = "ana"
source = "claude_ai"
session_key_env = "ANA_SESSION_KEY"
plan = "own"
price = "12.00"
colour = "blue"
"""


def read(text: str, renamed: tuple[Renamed, ...] = EARLIER) -> Config:
    return load(None, {**ENVIRON, "METERBOT_CONFIG_TOML": text}, Path("/nowhere"), renamed)


def told(config: Config) -> list[str]:
    return [str(old).removeprefix("METERBOT_CONFIG_TOML:") for old in config.old_keys]


def test_an_old_name_means_what_the_new_one_does() -> None:
    config = read(OLD)
    assert str(config.timezone) == "Europe/Berlin"
    assert config.alerts.source_grace.total_seconds() == 45 * 60
    assert str(config.alerts.budgets[0].amount) == "500.00"
    assert str(config.seats[0].plan_price) == "12.00"


def test_each_old_key_is_told_with_its_line_and_what_to_write() -> None:
    assert told(read(OLD)) == [
        "1:1 zone: is called timezone now: rename it, meterbot 9.2 refuses the old name",
        "3:1 alerts.grace: is called source_grace now: rename it, meterbot 9.2 refuses the old name",
        "5:1 alerts.budgets[0].sum: is called amount now: rename it, meterbot 9.2 refuses the old name",
        "11:1 seats[0].price: is called plan_price now: rename it, meterbot 9.2 refuses the old name",
        "12:1 seats[0].colour: does nothing any more: take it out, meterbot 9.2 refuses it",
    ]


def test_check_and_the_log_tell_of_old_keys() -> None:
    config = read(OLD)
    checks = [*old_keys(config)]
    assert [each.id for each in checks] == ["config_old_key"] * 5
    assert {each.status for each in checks} == {Status.WARN}
    with capture_logs() as logged:
        build._tell_old_keys(config)
    assert logged[0] == {
        "event": "old_key",
        "log_level": "warning",
        "where": "METERBOT_CONFIG_TOML:1:1",
        "key": "zone",
        "what": "is called timezone now: rename it, meterbot 9.2 refuses the old name",
    }


def test_nothing_is_told_of_a_file_of_today() -> None:
    assert told(read(ANA)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f'zone = "UTC"\ntimezone = "UTC"\n{ANA}',
            "1:1 zone: stands beside timezone, its new name: take it out",
        ),
        (f'zone = "Nowhere"\n{ANA}', "1:1 timezone: must be"),
        (f"alerts = 3\n{ANA}", "1:1 alerts: must be a table, got 3"),
    ],
)
def test_what_is_wrong_with_an_old_key_is_told_where_it_stands(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"METERBOT_CONFIG_TOML:{problem}")):
        read(text)


def test_a_key_that_is_refused_by_now_is_not_known_any_more() -> None:
    with pytest.raises(ConfigError, match=r"1:1 zone: is not a known key"):
        read(OLD, ())


def test_every_old_name_of_this_version_leads_to_a_key_and_is_not_overdue() -> None:
    known = {*keys(Config)}
    for each in RENAMED:
        table = ".".join(each.table)
        assert (table, each.old) not in known, f"{each.old} is a key again"
        assert each.new is None or (table, each.new) in known
        assert Version(each.until) > Version(meterbot.__version__), f"take {each.old} out of RENAMED"
