"""The text about an API organization."""

from datetime import UTC
from decimal import Decimal

import pytest

from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.seat_lines import people_lines, seat_lines, snapshot_text, spend_value
from meterbot.commands.words.seat import seat_detail
from meterbot.core.money import Money
from meterbot.core.operators import Rows
from meterbot.core.org_spend import OrgCosts, OrgEstimates, OrgLimits, OrgSpend, PersonLimit
from tests.commands.words.test_team import as_text
from tests.teams import (
    NOW,
    api_snapshot,
    money,
    org_spend,
    reading,
    seat,
)


def limits(*people: PersonLimit, complete: bool = True) -> OrgLimits:
    return OrgLimits(people, complete, NOW)


def person(
    limit: str | None, used: str | None, *, name: str | None = "dev@example.com", old: bool = False
) -> PersonLimit:
    most, spent = (None if amount is None else money(amount) for amount in (limit, used))
    return PersonLimit("user_1", most, spent, name, used_old=old)


def lines(spend: OrgSpend) -> list[str]:
    return [*seat_lines(api_snapshot(spend), NOW, UTC)]


def test_each_ledger_has_its_own_line() -> None:
    assert lines(org_spend()) == [
        "API spend        $148.45 this month (cost report)",
        "Projection       $151.39 by the end of the month, at the average pace so far",
        "Claude Code use  $10.77 by 1 person (list-price estimate, not charged to seats)",
    ]


def test_what_was_not_read_is_unknown_and_what_is_incomplete_is_at_least() -> None:
    assert lines(OrgSpend("2026-04")) == ["API spend        unknown"]
    assert spend_value(OrgSpend("2026-10", costs=OrgCosts((), complete=False, read_at=NOW))) == "unknown"
    some = (money("3"), Money(Decimal(1200), "JPY", 0))
    part = org_spend(
        costs=OrgCosts(some, complete=False, read_at=NOW),
        estimates=OrgEstimates((), 0, complete=False, read_at=NOW),
    )
    assert lines(part) == [
        "API spend        at least $3.00 + ¥1,200 this month (cost report, incomplete)",
        "Claude Code use  unknown (list-price estimate, not charged to seats)",
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (limits(), "0 people"),
        (
            limits(person("500", "500"), person(None, "9"), person("0", "0")),
            "3 people, 1 at the limit, 1 unlimited",
        ),
        (limits(person("500", None), complete=False), "at least 1 person"),
    ],
)
def test_limits_are_counted_without_names(found: OrgLimits, said: str) -> None:
    assert lines(OrgSpend("2026-04", limits=found))[-1] == f"Spend limits     {said}"


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (person("500", "314.025"), "$314.03 / $500.00 (63%)"),
        (person("500", "314.025", old=True), "$314.03 / $500.00 (63%, the last known)"),
        (person("500", None), "unknown / $500.00"),
        (person(None, "1.20"), "$1.20 used (unlimited)"),
        (person(None, "1.20", old=True), "$1.20 used (unlimited, the last known)"),
        (person("0", "0"), "$0.00 / $0.00"),
    ],
)
def test_a_person_with_a_name_has_a_line_of_their_own(one: PersonLimit, said: str) -> None:
    assert people_lines(OrgSpend("2026-04", limits=limits(one))) == [f"dev@example.com: {said}"]


def test_a_person_without_a_name_has_none() -> None:
    assert people_lines(OrgSpend("2026-04", limits=limits(person("500", "1", name=None)))) == []


def test_people_are_printed_only_where_asked_for() -> None:
    assert "dev@example.com" not in snapshot_text(api_snapshot(), NOW, UTC)
    asked = snapshot_text(api_snapshot(), NOW, UTC, emails=True)
    assert "dev@example.com: $10.77 (list-price estimate, not charged to seats), 1 pull request" in asked


@pytest.mark.parametrize(("rows", "named"), [("named", True), ("anonymous", False), ("self", False)])
def test_names_are_shown_where_everyones_are(rows: Rows, named: bool) -> None:  # noqa: FBT001  # a parameter of the test
    report = team_report([reading(api_snapshot())], {}, [seat("api", "admin_api", None)], NOW)
    view = View(report, rows=rows, own=frozenset({"api"}))
    detail = seat_detail(view, ["api"], ("me",))
    labelled = [zip(section.labels, section.lines, strict=False) for section in detail.sections]
    text = as_text(detail)
    assert ("API spend", "$148.45 this month (cost report)") in [pair for pairs in labelled for pair in pairs]
    assert ("dev@example.com" in text) is named
