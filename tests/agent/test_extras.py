import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterbot.agent import extras
from meterbot.agent.trouble import SetupError
from tests.agent.rig import NOW, PUSH_TOKEN, Home, Meterbot, program

DECIDED = datetime(2026, 4, 20, 9, 55, tzinfo=UTC)


def pace_maker(home: Home, *rows: tuple[object, ...], config: str | None = '{"enabled": true}') -> Path:
    """The folder of a Claude Pace Maker that decided these."""
    directory = home.path / ".claude-pace-maker"
    directory.mkdir()
    with closing(sqlite3.connect(directory / "usage.db")) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "CREATE TABLE pacing_decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER NOT NULL, "
            "should_throttle INTEGER NOT NULL, delay_seconds INTEGER NOT NULL, session_id TEXT NOT NULL)"
        )
        database.executemany(
            "INSERT INTO pacing_decisions (timestamp, should_throttle, delay_seconds, session_id) VALUES (?, ?, ?, ?)",
            [(*row, "session-of-zoe") for row in rows],
        )
    if config is not None:
        (directory / "config.json").write_text(config)
    return directory


def ccusage(home: Home, reports: dict[str, str]) -> None:
    """A ccusage that prints these for its first words, fails for others, and notes how it was started."""
    program(
        home.path / "bin",
        "ccusage",
        f"""import json, os, sys
with open({str(home.path / "ran.jsonl")!r}, "a") as file:
    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=file)
words = " ".join(word for word in sys.argv[1:] if not word.startswith("-") and not word.isdigit())
reports = {reports!r}
print(reports[words]) if words in reports else sys.exit("no such command")
""",
    )


def month(**of: object) -> str:
    return json.dumps(
        {"monthly": [{"month": "2026-04", "totalCost": 1.0, **of}], "totals": {"totalCost": 99.0}}
    )


def gather(home: Home, *names: str) -> dict[str, object]:
    return extras.gather(names, home.machine, NOW, home.said.append)


def test_the_throttle_is_the_latest_decision(home: Home) -> None:
    pace_maker(
        home, (DECIDED.timestamp() - 900, 0, 0), (int(DECIDED.timestamp()), 1, 35), (1_700_000_000, 0, 0)
    )
    assert gather(home, "pace-maker") == {
        "throttle": {
            "tool": "claude-pace-maker",
            "as_of": "2026-04-20T09:55:00.000Z",
            "enabled": True,
            "throttling": True,
            "delay_seconds": 35,
        }
    }
    assert home.said == []


@pytest.mark.parametrize(
    ("config", "enabled", "throttling"),
    [
        ('{"enabled": false}', False, False),
        ("{", None, True),
        ("[]", None, True),
        ('{"enabled": 1}', None, True),
        (None, None, True),
    ],
)
def test_a_throttle_that_is_switched_off_holds_nobody_up(
    home: Home, config: str | None, enabled: object, throttling: object
) -> None:
    pace_maker(home, (int(DECIDED.timestamp()), 1, 35), config=config)
    (throttle,) = gather(home, "pace-maker").values()
    assert isinstance(throttle, dict)
    assert (throttle["enabled"], throttle["throttling"]) == (enabled, throttling)


def test_a_throttle_that_cannot_be_read_is_left_out_and_said(home: Home) -> None:
    assert gather(home, "pace-maker") == {}
    directory = pace_maker(home)
    assert gather(home, "pace-maker") == {}
    (directory / "usage.db").write_bytes(b"no database" * 100)
    assert gather(home, "pace-maker") == {}
    assert home.said == [
        "pace-maker is left out: Claude Pace Maker has no usage.db here",
        "pace-maker is left out: Claude Pace Maker has decided nothing yet",
        "pace-maker is left out: Claude Pace Maker's usage.db cannot be read",
    ]


def test_a_decision_that_is_no_number_is_left_out(home: Home) -> None:
    pace_maker(home, (int(DECIDED.timestamp()), "yes, as zoe@example.com said", 5))
    assert gather(home, "pace-maker") == {}


def test_looking_changes_nothing_of_pace_maker(home: Home) -> None:
    directory = pace_maker(home, (int(DECIDED.timestamp()), 1, 35))
    before = (directory / "usage.db").read_bytes()
    gather(home, "pace-maker")
    assert (directory / "usage.db").read_bytes() == before


def test_the_estimate_is_this_months_and_of_claude_code_alone(home: Home) -> None:
    ccusage(home, {"claude monthly": month(totalCost=123.456, modelsUsed=["claude-opus"])})
    assert gather(home, "ccusage") == {
        "list_price_estimate": {
            "source": "ccusage",
            "period": "2026-04",
            "amount_minor": 12346,
            "currency": "USD",
            "exponent": 2,
        }
    }
    ((arguments, env),) = map(json.loads, (home.path / "ran.jsonl").read_text().splitlines())
    assert arguments == ["claude", "monthly", "--json", "--offline", "--since", "20260401"]
    assert PUSH_TOKEN not in json.dumps(env)
    assert env["TZ"] == "UTC"  # the month of the counter


@pytest.mark.parametrize("name", ["2026-04", "202604"])
def test_an_older_ccusage_knows_only_claude_code(home: Home, name: str) -> None:
    ccusage(home, {"monthly": month(month=name, totalCost=7)})
    (estimate,) = gather(home, "ccusage").values()
    assert isinstance(estimate, dict)
    assert estimate["amount_minor"] == 700


@pytest.mark.parametrize(
    "report",
    [
        month(month="2026-03"),
        month(totalCost="1.0"),
        month(totalCost=-1),
        month(totalCost=1e12),
        month(agent="all", period="2026-04"),
        '{"monthly": [], "totals": {"totalCost": 0}}',
        '{"monthly": [3, null]}',
        '{"monthly": {}}',
        "[]",
        "No usage data found.",
        "",
    ],
)
def test_what_is_no_estimate_of_this_month_is_left_out_and_said(home: Home, report: str) -> None:
    ccusage(home, {"claude monthly": report, "monthly": report})
    assert gather(home, "ccusage") == {}
    assert home.said == ["ccusage is left out: ccusage reports nothing for 2026-04"]


def test_a_ccusage_that_is_not_there_is_said(home: Home) -> None:
    assert gather(home, "ccusage") == {}
    assert home.said == ["ccusage is left out: ccusage is not installed here"]


@pytest.mark.usefixtures("anthropic")
async def test_extras_go_along_only_when_they_are_wanted(home: Home, meterbot: Meterbot) -> None:
    pace_maker(home, (int(DECIDED.timestamp()), 1, 35))
    ccusage(home, {"claude monthly": month()})
    await home.pushing(dry_run=True, extras="ccusage, pace-maker")
    await home.pushing()
    shown, (push,) = json.loads(home.shown), meterbot.pushes
    assert shown["list_price_estimate"]["amount_minor"] == 100
    assert shown["throttle"]["delay_seconds"] == 35
    assert {"list_price_estimate", "throttle"} & push.document.keys() == set()
    assert "session-of-zoe" not in home.shown.decode()


def test_an_unknown_extra_is_refused() -> None:
    with pytest.raises(SetupError, match="--with tokens is not known: there are pace-maker, ccusage"):
        extras.chosen("ccusage,tokens")


def test_a_list_of_extras_may_be_written_as_one_likes() -> None:
    assert extras.chosen(" ccusage, pace-maker,,ccusage ") == ("ccusage", "pace-maker")
    assert extras.chosen("") == ()
