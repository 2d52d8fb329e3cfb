"""Cases of the wire, each through every source that can carry it: what is read, which events follow, what alerts say.

Reports of others are in tests/data/cases. Cases of our own are in tests/data/cases/own, a file for each kind.
"""

import ast
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meterbot.commands.reports import team_report
from meterbot.core.messages import Message
from meterbot.core.money import plain
from meterbot.rules.blocked import block_of
from meterbot.rules.settings import RuleSettings
from meterbot.store import Latest
from tests.wire.played import (
    CASES,
    NOON,
    SOURCES,
    Bodies,
    Ingested,
    Played,
    bodies,
    case,
    played,
    reading,
)

TESTS = Path(__file__).parents[1]
FEWEST = 3


def own_cases() -> Iterator[tuple[str, dict[str, Any], str]]:
    for file in sorted((CASES / "own").glob("*.json")):
        for each in json.loads(file.read_text("utf-8")):
            for source in each.get("sources", SOURCES):
                yield f"{file.stem}: {each['name']} ({source})", each, source


OWN = list(own_cases())


def readings_of(case: dict[str, Any]) -> list[Bodies]:
    return [
        bodies(NOON + timedelta(hours=each["hours"]), each["usage"], each.get("overage"))
        for each in case["readings"]
    ]


@pytest.mark.parametrize(
    ("case", "source"), [pytest.param(case, source, id=id_) for id_, case, source in OWN]
)
async def test_a_case_holds_through_every_source_that_can_carry_it(case: dict[str, Any], source: str) -> None:
    found = await played(source, case.get("plan"), readings_of(case), kinds=case.get("kinds", ()))
    expect = case["expect"]
    assert shown(found, expect) == {name: expect[name] for name in expect if name not in {"said", "unsaid"}}
    texts = "\n".join(written(message) for message in found.messages)
    for words in expect.get("said", ()):
        assert words in texts
    for words in expect.get("unsaid", ()):
        assert words not in texts


def shown(found: Played, wanted: dict[str, Any]) -> dict[str, Any]:
    """What was read last, and what followed from all of it, as far as the case says something of it."""
    last = found.snapshots[-1]
    extra = last.extra_usage
    facts = {
        "windows": {window.name: str(window.utilization) for window in last.windows},
        "used": None if extra is None or extra.used is None else f"{plain(extra.used)} {extra.used.currency}",
        "cap": None if extra is None or extra.cap is None else f"{plain(extra.cap)} {extra.cap.currency}",
        "blocked": block_of(extra, last.windows, last.fetched_at) is not None,
        "events": found.kinds,
        "spent": {code: plain(amount) for code, amount in found.spent().items()} if found.samples else {},
    }
    return {name: facts[name] for name in facts if name in wanted}


def written(message: Message) -> str:
    return "\n".join(
        [message.title, message.text, *(line for part in message.sections for line in part.lines)]
    )


def usage(used: int, cap: int | None = 5000, five_hour: int = 40) -> dict[str, Any]:
    extra = {"is_enabled": True, "monthly_limit": cap, "used_credits": used, "currency": "USD"}
    windows = {"five_hour": {"utilization": five_hour}, "seven_day": {"utilization": 50}}
    return {**windows, "extra_usage": extra}


def hourly(*usages: dict[str, Any]) -> list[Bodies]:
    return [bodies(NOON + timedelta(hours=number), each) for number, each in enumerate(usages)]


@pytest.mark.parametrize("source", SOURCES)
async def test_what_a_counter_returns_to_was_not_spent_again(source: str) -> None:
    amounts = [
        re.findall(r"(?:used|five_hour) (\d+)", each) for each in case("counter_dips_and_returns")["pushes"]
    ]
    readings = hourly(*(usage(int(used), five_hour=int(window)) for used, window in amounts))
    spent = (await played(source, "max_20x", readings)).spent()
    assert {code: plain(amount) for code, amount in spent.items()} == {"USD": "1.00"}


@pytest.mark.parametrize("source", SOURCES)
async def test_spend_without_a_cap_is_reported_with_the_default_levels(source: str) -> None:
    pushes = case("uncapped_seat_default_thresholds")["pushes"]
    used = [int(amount) for each in pushes for amount in re.findall(r"used (\d+)", each)]
    found = await played(source, "max_20x", hourly(*(usage(each, cap=None, five_hour=100) for each in used)))
    assert found.kinds == [["window_full"], ["threshold_crossed"], ["threshold_crossed"]]
    assert "passed $100.00: $106.31" in written(found.messages[-1])


@pytest.mark.parametrize("source", SOURCES)
async def test_a_member_who_is_blocked_is_told_to_ask_an_admin(source: str) -> None:
    given = case("team_member_blocked_remedy")
    found = await played(source, given["seat"]["plan"], [bodies(NOON, given["usage"])])
    (blocked,) = [message for message in found.messages if "BLOCKED" in message.title]
    assert "ask an owner or admin of the organization to raise the spend limit" in blocked.text
    assert not any("claude.ai/settings" in written(message) for message in found.messages)


@pytest.mark.parametrize("source", SOURCES)
async def test_a_window_that_is_full_after_its_reset_says_so_and_no_until(source: str) -> None:
    given = case("window_full_reset_in_the_past")
    (message,) = (await played(source, "max_20x", [bodies(NOON, given["usage"])])).messages
    assert "Its reset was due at" in message.text
    assert "but the window is still full" in message.text
    assert "until" not in message.text


MISSING = "extra_usage.used_credits: expected a number, got nothing"
GONE = [
    {"extra_usage": {"is_enabled": True, "monthly_limit": 5000, "used_credits": None, "currency": "USD"}},
    {"extra_usage": {"is_enabled": False, "monthly_limit": None, "used_credits": None, "currency": None}},
    {"extra_usage": None},
    {},
]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("gone", GONE)
async def test_an_amount_that_was_known_and_is_missing_is_drift_and_not_current(
    source: str, gone: dict[str, Any]
) -> None:
    """Also where the rest looks as if extra usage had never been set up: what was spent does not vanish."""
    windows = {"five_hour": {"utilization": 40}, "seven_day": {"utilization": 50}}
    readings = hourly(usage(1200), {**windows, **gone}, usage(1300))
    healths, notes, shown = [], [], []
    async with reading(source, "max_20x") as (seat, read):
        ingested = Ingested(seat, RuleSettings())
        for given in readings:
            ingested.read(await read(given), given.at)
            latest = [
                Latest(name, counter, known) for (name, counter), known in ingested.changes.latest.items()
            ]
            report = team_report(latest, ingested.changes.sources, [seat], given.at)
            notes.append(any(MISSING in row.known.snapshot.drift for row in latest))
            healths.append([(each.health.value, each.detail) for each in report.missing])
            shown.append([(row.used and plain(row.used), row.read_at, row.current) for row in report.rows])
    detail = f"an answer no longer says how much extra usage was spent ({MISSING})"
    # Of a pushed seat, the next push may be of another program.
    assert healths == [[], [] if source == "push" else [("drifted", detail)], []]
    assert notes == [False, True, False]
    first, _, last = (given.at for given in readings)
    assert shown == [[("12.00", first, True)], [("12.00", first, False)], [("13.00", last, True)]]


SPEND = {"used": {"amount_minor": 1200, "currency": "USD", "exponent": 2}, "limit": None, "enabled": True}
ROW = {"limit_type": "member", "is_enabled": True, "monthly_credit_limit": 5000, "used_credits": 1200}


@pytest.mark.parametrize(
    ("stated", "row", "field"),
    [
        ({"extra_usage": usage(1200)["extra_usage"]}, None, "extra_usage.used_credits"),
        ({"spend": SPEND, "extra_usage": usage(1200)["extra_usage"]}, None, "spend.used.amount_minor"),
        ({}, ROW, "overage.used_credits"),
    ],
)
async def test_the_drift_of_a_missing_amount_names_the_field_that_had_it(
    stated: dict[str, Any], row: dict[str, Any] | None, field: str
) -> None:
    windows = {"five_hour": {"utilization": 40}, "seven_day": {"utilization": 50}}
    given = [bodies(NOON, {**windows, **stated}, row), bodies(NOON + timedelta(hours=1), windows)]
    async with reading("claude_ai", "max_20x") as (seat, read):
        ingested = Ingested(seat, RuleSettings())
        for each in given:
            ingested.read(await read(each), each.at)
    source = ingested.changes.source(seat.name)
    assert (source.health.value, f"({field}: expected a number" in (source.detail or "")) == ("drifted", True)


async def test_a_pushed_team_seat_whose_usage_is_the_organizations_has_only_the_amounts_of_its_row() -> None:
    row = {"limit_type": "member", "is_enabled": True, "monthly_credit_limit": 5000, "currency": "USD"}
    given = [(1000, 10.0), (None, 10.0), (1200, 12.0), (None, 12.0)]
    async with reading("push", "team") as (seat, read):
        ingested, told = Ingested(seat, RuleSettings()), []
        for number, (own, expected) in enumerate(given):
            overage = None if own is None else {**row, "used_credits": own}
            body = bodies(NOON + timedelta(minutes=number), usage(900_000 + number, cap=800_000), overage)
            told += ingested.read(await read(body), body.at)
            (known,) = ingested.changes.latest.values()
            extra = known.snapshot.extra_usage
            assert extra is not None
            assert extra.used is not None
            assert (float(plain(extra.used)), block_of(extra, (), body.at)) == (expected, None)
    assert [event.kind.value for event in told] == ["charged_within_plan"]


def test_every_kind_has_several_cases_of_our_own() -> None:
    files = [*(CASES / "own").glob("*.json")]
    assert files
    for file in files:
        assert len(json.loads(file.read_text("utf-8"))) >= FEWEST, file.name


def test_every_case_is_loaded_by_a_test() -> None:
    """A file that is only named, in a comment or a text, is not loaded: a call `case("name")` is looked for."""
    called = {
        node.args[0].value
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "case"
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    files = {file.stem for file in CASES.glob("*.json")}
    assert files
    assert files - called == set()
