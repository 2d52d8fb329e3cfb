"""A seat whose spend its source does not show is unknown in every answer, and not one where nothing is metered."""

import json
from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from meterbot.commands.daily import DailySpend, days_of
from meterbot.commands.digest import DigestReader, Schedule, message
from meterbot.commands.outlooks import outlooks
from meterbot.commands.privacy import View
from meterbot.commands.report_json import snapshot_json, spend_json
from meterbot.commands.reports import team_report
from meterbot.commands.seat_lines import seat_lines
from meterbot.commands.words.forecast import forecast_answer
from meterbot.commands.words.history import history_answer
from meterbot.commands.words.renewals import renewals
from meterbot.commands.words.seat import seat_detail
from meterbot.commands.words.team import team
from meterbot.core.deliveries import Destination
from meterbot.core.inline import plain
from meterbot.core.models import Balance, ExtraUsage, Health, ReasonClass, Sample, Snapshot
from meterbot.rules.hours import Hour
from tests.teams import NOW, extra, money, reading, seat, snapshot, state

UNKNOWN = snapshot("ent", extra_usage=None, extra_usage_read=False)
NOT_METERED = snapshot("fay", extra_usage=None)
OFF = extra(None, None, enabled=False, reason_class=ReasonClass.NEVER_SET_UP)
NAMES = ("ana", "ent", "fay")


def seen(*names: str) -> View:
    shots = {"ana": snapshot("ana"), "ent": UNKNOWN, "fay": NOT_METERED}
    readings = [reading(shots[name]) for name in names]
    return View(
        team_report(readings, {name: state(name) for name in names}, [seat(name) for name in names], NOW)
    )


@pytest.mark.parametrize(
    ("shot", "known"),
    [
        (snapshot(), True),
        (NOT_METERED, True),
        (UNKNOWN, False),
        (snapshot(extra_usage=OFF), True),
        (snapshot(extra_usage=extra(None)), False),
        (snapshot(extra_usage=extra("4"), extra_usage_read=False), False),
        (Snapshot("bo", "claude_ai", NOW, Health.SESSION_EXPIRED), False),
    ],
)
def test_a_reading_says_for_machines_whether_the_amount_is_known(shot: Snapshot, *, known: bool) -> None:
    assert snapshot_json(shot, NOW, UTC)["known"] is known


def test_the_team_says_for_machines_whose_amount_is_in_no_total() -> None:
    made = json.loads(json.dumps(spend_json(seen(*NAMES).report, UTC)))
    assert {one["seat"]: (one["known"], one["extra_usage"] is None) for one in made["seats"]} == {
        "ana": (True, False),
        "ent": (False, True),
        "fay": (True, True),
    }
    assert made["unknown"] == ["ent"]
    assert (made["seats_current"], made["totals"][0]["used"]) == (2, "17.20")


def test_where_no_amount_is_known_there_is_no_sum_of_0() -> None:
    made = spend_json(seen("ent", "fay").report, UTC)
    assert made["totals"] == [
        {
            "currency": "USD",
            "used": None,
            "cap": None,
            "percent": None,
            "plan_fees": "400.00",
            "forecast": None,
        }
    ]
    nothing = spend_json(seen("fay").report, UTC)["totals"]
    assert isinstance(nothing, list)
    assert nothing[0]["used"] == "0.00"


def test_the_team_answer_has_it_as_unknown() -> None:
    answer = team(seen(*NAMES))
    assert {row[0]: (row[1], row[-1]) for row in answer.tables[0].rows} == {
        "ana": ("$17.20", ""),
        "ent": ("unknown", ""),
        "fay": ("", "not metered"),
    }
    assert "2 of 3 seats up to date; 1 unknown and not in the total" in answer.text


def test_the_seat_answer_has_it_as_unknown() -> None:
    def values(name: str) -> dict[str, str]:
        sections = seat_detail(seen(*NAMES), [name], ["me"]).sections
        return {
            label: line for part in sections for label, line in zip(part.labels, part.lines, strict=False)
        }

    assert values("ent")["Extra usage"] == "unknown"
    assert values("fay")["Extra usage"] == "not metered"


NOT_IN_SUMS = "The spend of 1 seat is not known and not in these numbers."


@pytest.mark.parametrize(("names", "lacks"), [(NAMES, True), (("ana", "fay"), False)])
def test_history_and_forecast_say_what_they_lack(names: tuple[str, ...], *, lacks: bool) -> None:
    view = seen(*names)
    counter = reading("ana").counter
    samples = [Sample(NOW - timedelta(hours=1), counter, money("17.20"), None, blocked=False)]
    forecast = forecast_answer(view, outlooks(view.report, samples, []))
    assert (NOT_IN_SUMS in forecast.text) is lacks
    history = history_answer(view, days(view), 7, ())
    assert (NOT_IN_SUMS in str(history.sections)) is lacks


def days(view: View) -> tuple[DailySpend, ...]:
    spent = money("2")
    return days_of(
        view, [Hour(NOW - timedelta(hours=2), reading("ana").counter, spent, spent, None, blocked=False)], 7
    )


@pytest.mark.parametrize(("names", "spent"), [(NAMES, "at least $15.00"), (("ana", "fay"), "$15.00")])
def test_a_digest_names_a_lower_bound(names: tuple[str, ...], spent: str) -> None:
    counter = reading("ana").counter
    samples = [
        Sample(NOW - timedelta(hours=hours), counter, money(used), None, blocked=False)
        for hours, used in ((30, "2.20"), (1, "17.20"))
    ]
    reader = DigestReader(Destination("slack", "C1"), Schedule("day"))
    assert (
        message(reader, seen(*names), samples, NOW - timedelta(days=1)).title
        == f"The team's day: {spent} spent"
    )


# --- prepaid credits


@pytest.mark.parametrize(
    ("balance", "line"),
    [
        (None, None),
        (Balance(money("12.40")), "Prepaid credits  $12.40 left"),
        (Balance(money("0")), "Prepaid credits  $0.00 left"),
        (Balance(money("1500", "JPY")), "Prepaid credits  ¥1500 left"),
        (Balance(money("12.40"), auto_reload=True), "Prepaid credits  $12.40 left (auto-reload on)"),
        (Balance(money("12.40"), shared=True), "Prepaid credits  $12.40 left (the organization's)"),
        (
            Balance(money("12.40"), at=NOW - timedelta(hours=3)),
            "Prepaid credits  $12.40 left (as of 3 h ago)",
        ),
    ],
)
def test_the_credits_that_are_left_stand_below_the_extra_usage(
    balance: Balance | None, line: str | None
) -> None:
    lines = seat_lines(snapshot(extra_usage=extra(balance=balance)), NOW, UTC)
    assert [one for one in lines if one.startswith("Prepaid")] == ([] if line is None else [line])


def test_the_team_has_a_column_for_credits_where_any_are_known() -> None:
    rich = reading(snapshot("ana", extra_usage=extra(balance=Balance(money("1234.50")))))
    poor = reading(snapshot("bo"))
    states, seats = {name: state(name) for name in ("ana", "bo")}, [seat("ana"), seat("bo")]
    (table,) = team(View(team_report([rich, poor], states, seats, NOW))).tables
    place = [column.name for column in table.columns].index("Credits")
    assert [row[place] for row in table.rows] == ["$1,234.50", ""]
    (table,) = team(View(team_report([poor], states, seats, NOW))).tables
    assert "Credits" not in [column.name for column in table.columns]


def test_the_credits_for_machines() -> None:
    def made(usage: ExtraUsage) -> dict[str, object]:
        found = snapshot_json(snapshot(extra_usage=usage), NOW, UTC)["extra_usage"]
        assert isinstance(found, dict)
        return {key: found[key] for key in ("balance", "balance_currency", "balance_read_at", "auto_reload")}

    left = Balance(money("12.40"), auto_reload=False, at=NOW)
    assert made(extra(balance=left)) == {
        "balance": "12.40",
        "balance_currency": "USD",
        "balance_read_at": "2026-04-30T10:00:00Z",
        "auto_reload": False,
    }
    assert set(made(extra()).values()) == {None}
    assert made(extra(balance=replace(left, amount=money("0"))))["balance"] == "0.00"


def test_no_answer_shows_the_credits_of_a_seat_that_its_reader_may_not_see() -> None:
    rich = reading(snapshot("ana", extra_usage=extra(balance=Balance(money("1234.50")))))
    report = team_report([rich], {"ana": state("ana")}, [seat("ana")], NOW)
    assert "1,234.50" not in plain(str(team(View(report, rows="self", public=True))))


def test_a_seat_that_is_not_read_names_the_field_that_has_changed_its_form() -> None:
    why = "an answer has changed its form (usage.limits: expected a list, got a string)"
    states = {"ana": state("ana", Health.DRIFTED, detail=why)}
    missing, *_ = team(View(team_report([reading()], states, [seat()], NOW))).sections
    assert why in plain(missing.lines[0])


def test_plan_fees_name_the_seats_whose_price_is_not_known() -> None:
    seats = [seat("ana"), replace(seat("cleo"), plan_price=None)]
    readings = [reading(), reading(snapshot("cleo"))]
    view = View(team_report(readings, {}, seats, NOW))
    assert "Plan fees on top: $200.00 (without cleo: its price is not known)" in team(view).text
    assert "Plan fees: $200.00 (without cleo: its price is not known)" in renewals(view).text
    assert spend_json(view.report, UTC)["plan_fees_unknown"] == ["cleo"]
    hidden = replace(view, rows="anonymous", own=frozenset({"ana"}))
    assert "(without 1 seat: its price is not known)" in team(hidden).text
    known = View(team_report(readings[:1], {}, seats[:1], NOW))
    assert "without" not in team(known).text
