"""docs/privacy.md is right about hosts, stored data and telemetry."""

import ast
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from discord.gateway import DiscordWebSocket
from sqlalchemy import BigInteger, Boolean, Integer

from meterbot.app.build import assembled
from meterbot.app.config import load
from meterbot.core.clock import ManualClock
from meterbot.rules.pull_requests import Merged
from meterbot.store import tables
from meterbot.store.column_types import Amount, Instant
from tests.app.config.writing import ENVIRON
from tests.docs.pages import PAGES, ROOT, codes, rows, table
from tests.pins import shipped

PAGE = "docs/privacy.md"

# --- hosts --------------------------------------------------------------------------------------------------------

CONTACTED = {host for host in codes(table(PAGES[PAGE], "host")) if "." in host}

NEVER_CONTACTED = {
    "schemas.microsoft.com": "the name of an XML vocabulary, in the task for Windows",
    "api.slack.com": "a page for people, where an app is made",
    "docs.slack.dev": "a page for people, named in a docstring",
    "*.slack.com": "a pattern for a firewall, in a remedy",
}


def literal_hosts(text: str) -> Iterator[str]:
    for url in re.findall(r"\b(?:https?|wss?)://[^\s\"'<>`)\]},]+", text):
        host = (urlsplit(url.partition("{")[0]).hostname or "").rstrip(".…")
        if host and not re.fullmatch(
            r"127\.\d+\.\d+\.\d+|localhost|0\.0\.0\.0|(?:.*\.)?example(?:\.com|\.org)?", host
        ):
            yield host


@cache
def named_hosts(path: Path) -> set[str]:
    return {host for text in texts(path) for host in literal_hosts(text)}


def texts(path: Path) -> Iterator[str]:
    """Every text in a program, without its comments."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


_GATEWAY = str(DiscordWebSocket.DEFAULT_GATEWAY.host)
"""discord.py's default, before a test replaces it."""
SOURCES = sorted((ROOT / "meterbot").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_program_names_no_host_but_the_documented_ones(path: Path) -> None:
    assert named_hosts(path) <= CONTACTED | NEVER_CONTACTED.keys(), (
        f"add the host to the table under Contacted in {PAGE}, with when it is asked; "
        "or to NEVER_CONTACTED in this file, with the reason, if nothing ever connects to it"
    )


def test_every_host_of_the_table_is_one_that_the_program_knows() -> None:
    known = {host for path in SOURCES for host in named_hosts(path)}
    known.add(_GATEWAY)
    assert known >= CONTACTED


EVERYTHING = """
database_url = "sqlite:///meterbot.db"
[slack]
channel = "C0123456789"
[discord]
channel_id = 222222222222222222
[http]
bind = "127.0.0.1:0"
[github]
token_env = "GITHUB_TOKEN"
[[seats]]
name = "ana"
source = "claude_ai"
session_key_env = "ANA_SESSION_KEY"
owner = { github = "ana" }
[[seats]]
name = "bo"
source = "claude_code"
token_env = "BO_TOKEN"
[[seats]]
name = "team-api"
source = "admin_api"
token_env = "ADMIN_KEY"
"""


async def test_with_every_source_and_chat_the_real_hosts_are_those_of_the_table(
    hosts_asked: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uses the default addresses, unlike all other tests. The gateways' names are looked up only after Discord and
    Slack have accepted the bot."""
    monkeypatch.chdir(tmp_path)
    tokens = {"BO_TOKEN": "sk-ant-oat01-planted-planted", "ADMIN_KEY": "sk-ant-admin01-planted-planted"}
    tokens["GITHUB_TOKEN"] = "github_pat_planted"
    config = load(None, {**ENVIRON, **tokens, "METERBOT_CONFIG_TOML": EVERYTHING}, tmp_path)
    clock = ManualClock(datetime(2026, 4, 15, 10, tzinfo=UTC))
    merged = Merged("acme/app", 812, "c0ffee", "ana", clock.now(), clock.now())
    async with assembled(config, clock) as bot:
        await bot.pull_requests.add(merged, "d1", clock.now())
        await bot.calculate_pull_requests()
        for _ in range(3):  # by then each seat's turn has come
            clock.advance(timedelta(minutes=20))
            await bot.tick()
            await bot.poller.drain()
    assert {*hosts_asked()} == CONTACTED - {"gateway.discord.gg", "wss-primary.slack.com"}


# --- what is stored -----------------------------------------------------------------------------------------------

STORED = {codes([row[0]])[0]: row for row in rows(PAGES[PAGE], "table")}


def test_every_table_of_the_database_is_reported_and_no_other() -> None:
    assert sorted(STORED) == sorted(tables.metadata.tables), (
        f"give every table of store/tables.py a row under Stored in {PAGE}: what is in it, its columns of text, "
        "and how long it is kept"
    )


@pytest.mark.parametrize("name", sorted(tables.metadata.tables))
def test_every_column_that_can_hold_a_word_is_reported(name: str) -> None:
    """A text may name a person; numbers, flags and instants cannot."""
    columns = tables.metadata.tables[name].columns
    worded = [column.name for column in columns if not isinstance(column.type, _WORDLESS)]
    documented = codes([STORED[name][2]])
    assert sorted(documented) == sorted(worded), (
        f"name the columns of {name} in its row under Stored in {PAGE}, and say there what they say about a person"
    )
    assert STORED[name][3], f"say in the row of {name} how long it is kept"


_WORDLESS = (BigInteger, Integer, Boolean, Instant, Amount)

# --- telemetry ----------------------------------------------------------------------------------------------------

REPORTING_HOME = {"analytics-python", "amplitude-analytics", "bugsnag", "datadog", "ddtrace", "google-analytics-data",
    "honeycomb-beeline", "logfire", "mixpanel", "newrelic", "opentelemetry-api", "opentelemetry-sdk", "posthog",
    "rollbar", "scarf-sdk", "segment-analytics-python", "statsd"}  # fmt: skip
"""Libraries whose purpose is to report how a program is used."""


def test_no_part_of_an_installation_is_there_to_report_home() -> None:
    assert not shipped() & REPORTING_HOME


def test_no_library_is_extended_by_a_plugin_that_nobody_asked_for() -> None:
    """pydantic loads every installed plugin, and passes it every value that is validated."""
    assert not [*metadata.entry_points(group="pydantic")]
