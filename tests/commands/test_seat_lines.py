from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.seat_lines import people_lines, seat_lines, snapshot_text, spend_value
from meterbot.commands.words.seat import seat_detail
from meterbot.core.models import ExtraUsage, Health, ReasonClass, Subscription
from meterbot.core.money import Money
from meterbot.core.operators import Rows
from meterbot.core.org_spend import OrgCosts, OrgEstimates, OrgLimits, OrgSpend, PersonLimit
from meterbot.rules.billing import next_charge
from meterbot.rules.blocked import block_of
from tests.commands.words.test_team import as_text
from tests.teams import (
    NOW,
    api_snapshot,
    extra,
    money,
    org_spend,
    reading,
    seat,
    snapshot,
    window,
)

BERLIN = ZoneInfo("Europe/Berlin")
MAY = datetime(2026, 5, 1, tzinfo=UTC)


def value_of(usage: ExtraUsage | None, now: datetime = NOW) -> str | None:
    """What follows the label `Extra usage` and the one space."""
    lines = seat_lines(snapshot(windows=(), subscription=None, extra_usage=usage), now, UTC)
    assert len(lines) <= 1
    return lines[0].removeprefix("Extra usage      ") if lines else None


def test_a_whole_seat_reads_like_this() -> None:
    shot = snapshot(
        windows=(
            window("seven_day_design", "0.04", None),
            window("seven_day_opus", "100", timedelta(days=3)),
            window("five_hour", "41", timedelta(hours=2)),
            window("seven_day", "78", timedelta(hours=-1)),
            window("seven_day_sonnet", "150.25", timedelta(minutes=59)),
        ),
        extra_usage=extra("50", "50", reason_class=ReasonClass.CAP, disabled_until=MAY),
    )
    assert seat_lines(shot, NOW, UTC) == (
        "5-hour            41.0% used    -> resets Thu Apr 30 12:00 (in 2h)",
        "7-day all         78.0% used    -> resets Thu Apr 30 09:00",
        "7-day Sonnet     150.3% used    -> resets Thu Apr 30 10:59 (in 59m)",
        "7-day Opus       100.0% used    -> resets Sun May 3 10:00 (in 3d)",
        "7-day Design       0.0% used",
        "Extra usage      $50.00 / $50.00 (100%)  BLOCKED until Fri May 1",
        "Next charge      2026-05-14",
    )


@pytest.mark.parametrize(
    ("usage", "value"),
    [
        (extra("4.20", "50"), "$4.20 / $50.00 (8%)"),
        (extra("17.20", None), "$17.20 used (no cap)"),
        (extra("17.20", None, cap_known=False), "$17.20 used (cap unknown)"),
        (extra("0", "50"), "$0.00 / $50.00 (0%)"),
        (extra("1.50", "0", enabled=False), "$1.50 / $0.00  BLOCKED"),
        (extra("0", "0"), "$0.00 / $0.00"),
        (extra(None, "50"), "unknown / $50.00"),
        (extra(None, None), "unknown (no cap)"),
        (extra(None, None, cap_known=False), "unknown (cap unknown)"),
        (extra("62.30", "60", "CAD"), "CA$62.30 / CA$60.00 (104%)  BLOCKED"),
        (extra("1234567.80", "10000000"), "$1234567.80 / $10000000.00 (12%)"),
        (extra("1500", "3000", "JPY"), "¥1500 / ¥3000 (50%)"),
        (extra("5.091", "20", "KWD"), "KWD 5.091 / KWD 20.000 (25%)"),
        (extra("12.345", "50"), "$12.35 / $50.00 (25%)"),
        (extra("52", "50", comparable=False), "$52.00 / $50.00 (104%)"),
        (extra("12", "50", reason_class=ReasonClass.BALANCE), "$12.00 / $50.00 (24%)  BLOCKED"),
        (extra("0", "50", enabled=False, out_of_credits=True), "$0.00 / $50.00 (0%)  BLOCKED"),
        (extra("3", "20", enabled=False, reason_class=ReasonClass.USER_OFF), "$3.00 / $20.00 (15%)"),
        (extra("0", "20", enabled=False, reason_class=ReasonClass.USER_OFF), None),
        (extra(None, None, enabled=False, reason_class=ReasonClass.NEVER_SET_UP), None),
        (extra("0", None, enabled=None, reason_class=ReasonClass.NEVER_SET_UP), None),
        (None, None),
    ],
)
def test_extra_usage_is_said_like_this(usage: ExtraUsage | None, value: str | None) -> None:
    assert value_of(usage) == value


def test_the_end_of_a_block_is_shown_while_it_is_ahead_and_in_the_configured_zone() -> None:
    usage = extra("50", "50", disabled_until=MAY)
    shot = snapshot(windows=(), subscription=None, extra_usage=usage)
    new_york = ZoneInfo("America/New_York")
    assert seat_lines(shot, NOW, new_york) == (
        "Extra usage      $50.00 / $50.00 (100%)  BLOCKED until Thu Apr 30",
    )
    assert value_of(usage, MAY) == "$50.00 / $50.00 (100%)  BLOCKED"


def test_a_date_without_a_block_is_not_shown() -> None:
    assert value_of(extra("1", "50", disabled_until=MAY)) == "$1.00 / $50.00 (2%)"


def test_a_window_of_unknown_use_is_not_shown_as_empty() -> None:
    shot = snapshot(windows=(window(used=None),), extra_usage=None, subscription=None)
    assert seat_lines(shot, NOW, BERLIN) == (
        "5-hour           unknown    -> resets Thu Apr 30 14:00 (in 2h)",
    )


@given(st.integers(-120, 0), st.integers(-120, 120))
def test_a_window_has_reset_since_exactly_when_it_did_between_reading_and_telling(
    read: int, resets: int
) -> None:
    shot = snapshot(windows=(window(resets=timedelta(minutes=resets)),), extra_usage=None, subscription=None)
    (line,) = seat_lines(shot, NOW, UTC, NOW + timedelta(minutes=read))
    assert ("has reset since (was 41.0% used)" in line) == (read < resets <= 0)
    assert ("-> resets" in line) != ("has reset since" in line)


def test_a_window_of_unknown_use_that_has_reset_since_says_so() -> None:
    shot = snapshot(windows=(window(used=None),), extra_usage=None, subscription=None)
    assert seat_lines(shot, NOW + timedelta(hours=2), UTC) == (
        "5-hour           has reset since (was unknown)",
    )


@pytest.mark.parametrize(
    ("subscription", "charge", "rows"),
    [
        (Subscription("active", date(2026, 5, 14)), date(2026, 5, 14), ["Next charge      2026-05-14"]),
        (Subscription("active", None), None, []),
        (
            Subscription("active", None, datetime(2026, 5, 14, 22, tzinfo=UTC)),
            date(2026, 5, 14),
            ["Next charge      2026-05-14"],
        ),
        (
            Subscription("active", date(2026, 5, 14), ends_on=date(2026, 5, 14)),
            None,
            ["Ends on          2026-05-14"],
        ),
        (
            Subscription("active", date(2026, 5, 14), ends_on=date(2027, 3, 3)),
            date(2026, 5, 14),
            ["Next charge      2026-05-14", "Ends on          2027-03-03"],
        ),
    ],
)
def test_the_next_charge_is_shown_unless_the_subscription_ends_first(
    subscription: Subscription, charge: date | None, rows: list[str]
) -> None:
    assert next_charge(subscription) == charge
    shot = snapshot(windows=(), extra_usage=None, subscription=subscription)
    assert list(seat_lines(shot, NOW, UTC)) == rows


def test_a_reading_as_text_names_the_seat_and_what_went_wrong() -> None:
    shot = snapshot(
        health=Health.DRIFTED, windows=(), subscription=None, org_name="Ana's\nteam", drift=("cap: a string",)
    )
    assert snapshot_text(shot, NOW, UTC) == (
        "ana (claude_ai), Ana's team, drifted\nExtra usage      $17.20 / $50.00 (34%)\ndrift: cap: a string"
    )


@st.composite
def usages(draw: st.DrawFn) -> ExtraUsage:
    amounts = st.none() | st.integers(0, 10**12).map(lambda minor: Money(Decimal(minor), "USD", 2))
    return replace(
        extra(),
        enabled=draw(st.sampled_from([True, False, None])),
        used=draw(amounts),
        cap=draw(amounts),
        cap_known=draw(st.booleans()),
        out_of_credits=draw(st.sampled_from([True, False, None])),
        spend_limit_reached=draw(st.sampled_from([True, False, None])),
        reason_class=draw(st.none() | st.sampled_from(list(ReasonClass))),
        disabled_until=draw(st.none() | st.sampled_from([NOW - timedelta(days=1), NOW, MAY])),
    )


@given(usages())
def test_blocked_is_in_the_line_exactly_while_the_seat_is_blocked(usage: ExtraUsage) -> None:
    value, block = value_of(usage), block_of(usage, (), NOW)
    assert ("  BLOCKED" in (value or "")) == (block is not None)
    assert (" until Fri May 1" in (value or "")) == (block is not None and usage.disabled_until == MAY)


@given(usages())
def test_money_that_was_spent_is_always_shown_and_the_unknown_never_as_zero(usage: ExtraUsage) -> None:
    value = value_of(usage)
    if usage.used is None:
        assert value is None or value.startswith("unknown")
    elif usage.used.minor > 0:
        assert value is not None
        assert value.startswith(str(money(f"{usage.used.major}")))


def test_the_stored_reading_of_a_pushed_seat_is_shown_with_its_age() -> None:
    pushed = snapshot(source="push", fetched_at=NOW - timedelta(hours=3))
    assert snapshot_text(pushed, NOW, UTC).splitlines()[0] == "ana (push), org-ana, ok, as sent 3 h ago"
    assert "sent" not in snapshot_text(snapshot(), NOW, UTC)


# --- an API organization --------------------------------------------------------------------------------------------


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
