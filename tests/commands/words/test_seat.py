from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from meterbot.chat.text_forms import section_lines, without_natives
from meterbot.commands.outlooks import outlooks
from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.words.renewals import renewals
from meterbot.commands.words.seat import seat_detail
from meterbot.core.inline import plain
from meterbot.core.messages import Message, notice
from meterbot.core.models import (
    Counter,
    Estimate,
    ExtraUsage,
    Health,
    ReasonClass,
    Severity,
    SourceState,
    Throttle,
    WindowPoint,
)
from meterbot.core.money import Money
from meterbot.rules.hours import Hour
from tests.teams import (
    NOW,
    Reading,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
    window,
)

BERLIN = ZoneInfo("Europe/Berlin")


MINUTE = timedelta(minutes=1)


MAY = datetime.fromisoformat("2026-05-01T00:00:00Z")


BLOCKED = extra("50", "50", reason_class=ReasonClass.CAP, disabled_until=MAY)


def view(*readings: Reading, source: SourceState | None = None, **more: object) -> View:
    names = sorted({each.seat for each in readings} or {"ana"})
    states = {name: state(name) for name in names} | ({} if source is None else {source.seat: source})
    plain = View(team_report(readings, states, [seat(name) for name in names], NOW), BERLIN)
    return replace(plain, **more)  # type: ignore[arg-type]  # a factory passes what it is given


def body(message: Message) -> str:
    parts = [message.text] if message.text else []
    for section in without_natives(message, 120).sections:
        parts += [f"[{section.heading}]"] if section.heading else []
        parts += section_lines(section)
    return plain("\n".join(parts))


def march(name: str, cents: int) -> list[Hour]:
    """So much on the first of March, and as much again in its last hour."""
    counter, amount = Counter(f"account-{name}", f"org-{name}"), Money(Decimal(cents), "USD", 2)
    days = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 31, 23, tzinfo=UTC))
    return [Hour(at, counter, amount, amount, None, blocked=False) for at in days]


def test_one_seat_in_full() -> None:
    shot = snapshot("bo", extra_usage=BLOCKED, windows=(window(used="100"),))
    message = seat_detail(view(reading(shot, ago=timedelta(minutes=1))), ["bo"], ("seat", "bo"))
    assert message.title == "bo: $50.00 / $50.00 (100%)  BLOCKED until Fri May 1"
    assert message.severity is Severity.CRITICAL
    assert body(message) == (
        "5-hour           100.0% used    -> resets Thu Apr 30 14:00 (in 2h)\n"
        "Extra usage      $50.00 / $50.00 (100%)  BLOCKED until Fri May 1\n"
        "Next charge      2026-05-14\n"
        "Read from claude_ai: 1 min ago.\n"
        "Blocked until Fri May 1 02:00: its extra usage cap is reached. "
        "The plan's own quota is full too: the next prompt is refused.\n"
        "Next charge Thu May 14: $200.00 (Max 20x), and $50.00 spent so far this month."
    )
    assert message.fallback == "bo: $50.00 / $50.00 (100%)  BLOCKED until Fri May 1, 1 min ago"
    assert [action.id for action in message.actions] == ["refresh:seat:bo", "share:seat:bo"]


@pytest.mark.parametrize(
    ("usage", "windows", "sentence"),
    [
        (
            extra("1", "50", reason_class=ReasonClass.BALANCE),
            (window(),),
            "Blocked: its prepaid credits are used up. The plan's own quota still works.",
        ),
        (
            extra(None, "50", out_of_credits=True),
            (window(),),
            "Blocked: Anthropic does not say why. The plan's own quota still works.",
        ),
    ],
)
def test_why_a_seat_is_blocked(usage: ExtraUsage, windows: tuple[()], sentence: str) -> None:
    shot = snapshot(extra_usage=usage, windows=windows)
    assert sentence in body(seat_detail(view(reading(shot)), ["ana"], ("me",)))


def test_a_block_whose_windows_are_unknown_claims_nothing_about_them() -> None:
    shot = snapshot(extra_usage=BLOCKED, windows=(), windows_read=False)
    text = body(seat_detail(view(reading(shot)), ["ana"], ("me",)))
    assert "It is not known whether the plan's own quota still works." in text


def test_an_ailing_seat_says_what_ails_it_and_what_to_do() -> None:
    failing = view(reading(ago=timedelta(hours=3)), source=state(health=Health.SESSION_EXPIRED))
    message = seat_detail(failing, ["ana"], ("me",))
    assert message.severity is Severity.WARNING
    assert (
        "Read from claude_ai: last known 3 h ago (session expired).\n"
        "Session expired since Thu Apr 30 09:00. Sign in to claude.ai and replace the seat's session key.\n"
    ) in body(message)


def test_a_seat_never_read_is_not_shown_as_unspent() -> None:
    message = seat_detail(view(source=SourceState("ana")), ["ana"], ("me",))
    assert body(message).startswith("Extra usage      unknown\nRead from claude_ai: never seen.")
    assert "0.00" not in body(message).replace("$200.00", "")


def test_a_seat_whose_bodies_disagree_says_so() -> None:
    shot = snapshot(
        extra_usage=extra(assumed=("currency",), comparable=False, reason="odd_reason"),
        drift=("cap: usage 60.00, overage\n50.00",),
        errors=("subscription: 503",),
    )
    text = body(seat_detail(view(reading(shot)), ["ana"], ("me",)))
    assert text.endswith(
        "Note: the currency is assumed: no answer contains it\n"
        "Note: the amount is before a discount and cannot be compared with the cap\n"
        "Note: Anthropic's reason for switching it off: odd_reason\n"
        "Note: cap: usage 60.00, overage 50.00\n"
        "Note: subscription: 503"
    )


def test_several_seats_are_distinguished_by_headings() -> None:
    two = view(reading("ana"), reading("bo"), reading(snapshot("bo", org_uuid="two", org_name="Side")))
    message = seat_detail(two, ["ana", "bo"], ("me",))
    assert message.title == "ana and bo"
    assert [section.heading for section in message.sections if section.heading] == [
        "ana",
        "bo, org-bo",
        "bo, Side",
    ]


def test_the_next_charge_comes_with_what_was_spent_beside_the_month_before_by_the_same_day() -> None:
    shown = view(reading("ana"), reading("bo"))
    hours = [*march("ana", 1210), *march("bo", 100)]
    text = body(seat_detail(shown, ["ana"], ("me",), hours=hours))
    assert (
        "Next charge Thu May 14: $200.00 (Max 20x), and $17.20 spent so far this month; "
        "$12.10 by this day of March." in text
    )
    text = body(renewals(shown, hours))
    assert "Extra usage: $34.40 spent so far this month; $13.10 by this day of March" in text
    assert "ana   Thu May 14   $200.00 (Max 20x)        $17.20        $12.10" in text


def test_a_seat_says_when_its_cap_and_its_windows_are_full() -> None:
    shot = snapshot(windows=(window(used="60", resets=timedelta(hours=3)),))
    trail = {"five_hour": tuple(WindowPoint(NOW - m * MINUTE, Decimal(60 - m), None) for m in (30, 15))}
    one = reading(shot)
    shown = view(replace(one, known=replace(one.known, trail=trail)))
    heading = outlooks(shown.report, [], [])
    text = body(seat_detail(shown, ["ana"], ("me",), heading))
    assert "The 5-hour window will be full around Thu Apr 30 12:40." in text


def test_a_seat_names_its_plan_and_says_where_its_price_is_from() -> None:
    shot = snapshot(tier="max_20x", subscription=None, subscription_read=False)
    bare = replace(seat(price=None), renews_on=14)
    team_view = View(team_report([reading(shot)], {"ana": state()}, [bare], NOW), BERLIN)
    said = body(seat_detail(team_view, ["ana"], ("seat", "ana")))
    assert "Plan: Max 20x.\nNext charge Thu May 14: $200.00 (Max 20x, list price), and $17.20 spent" in said
    assert "Next charge      2026-05-14  (as configured)" in said
    row = ("ana", "Thu May 14 (as configured)", "$200.00 (Max 20x, list price)", "$17.20")
    assert renewals(team_view).tables[0].rows == (row,)


def test_an_estimate_is_beside_the_real_amount_and_is_called_one() -> None:
    estimate = Estimate(money("1234.567"), "2026-04", "ccusage")
    shot = snapshot(extra_usage=extra("17.20", "50"), estimate=estimate)
    seen = view(reading(shot))
    text = body(seat_detail(seen, ["ana"], ("me",)))
    assert "Extra usage      $17.20 / $50.00 (34%)" in text
    assert "List-price estimate, not charged: $1,234.57 (ccusage, April). It prices the tokens" in text
    assert "$1,2" not in seat_detail(seen, ["ana"], ("me",)).fallback
    assert [total.used for total in seen.report.totals] == [money("17.20")]


def test_a_window_that_has_reset_since_it_was_read_is_not_shown_as_ahead() -> None:
    shot = snapshot(windows=(window(used="46", resets=timedelta(minutes=-7)), window("seven_day", "78")))
    old = reading(shot, ago=timedelta(minutes=10))
    assert body(seat_detail(view(old), ["ana"], ("me",))).splitlines()[:2] == [
        "5-hour           has reset since (was 46.0% used)",
        "7-day all         78.0% used    -> resets Thu Apr 30 14:00 (in 2h)",
    ]
    spend_only = replace(old, known=replace(old.known, snapshot=replace(shot, fetched_at=NOW)))
    text = body(seat_detail(view(spend_only), ["ana"], ("me",)))
    assert text.startswith("5-hour           has reset since (was 46.0% used)\n")


def test_the_short_form_of_a_notice_is_punctuated_once() -> None:
    titles = ("Which seat?", "No seat is called “bo”.", "Not shown")
    assert [notice(title, "Told.").fallback for title in titles] == [
        "Which seat? Told.",
        "No seat is called “bo”. Told.",
        "Not shown. Told.",
    ]


@pytest.mark.parametrize(
    ("throttle", "said"),
    [
        (
            Throttle("claude-pace-maker", True, True, Decimal(35), NOW),
            "slows this machine down by 35 s a step (as of",
        ),
        (Throttle("claude-pace-maker", None, True, None, NOW), "slows this machine down (as of"),
        (
            Throttle("claude-pace-maker", True, False, Decimal(0), NOW),
            "does not slow this machine down (as of",
        ),
        (Throttle("claude-pace-maker", False, False, Decimal(0), NOW), None),
    ],
    ids=["by how much", "not by how much", "not now", "switched off"],
)
def test_a_throttle_on_the_seats_machine_is_reported(throttle: Throttle, said: str | None) -> None:
    text = body(seat_detail(view(reading(snapshot(throttle=throttle))), ["ana"], ("me",)))
    assert ("pace-maker" in text) is (said is not None)
    assert said is None or f"claude-pace-maker {said}" in text
