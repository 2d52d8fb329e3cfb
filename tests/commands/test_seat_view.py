from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from meterbot.commands import seat_view
from meterbot.commands.outlooks import outlooks
from meterbot.commands.report import team_report
from meterbot.commands.seat_view import DestinationStatus, WorkerStatus
from meterbot.commands.view import View
from meterbot.core.messages import Message, notice
from meterbot.core.models import (
    Counter,
    Estimate,
    ExtraUsage,
    Health,
    ReasonClass,
    Severity,
    SourceState,
    Subscription,
    Throttle,
    WindowPoint,
)
from meterbot.core.money import Money
from meterbot.core.text import moment
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
    for section in message.sections:
        parts += [f"[{section.heading}]"] if section.heading else []
        parts += section.lines
    return "\n".join(parts)


def test_one_seat_in_full() -> None:
    shot = snapshot("bo", extra_usage=BLOCKED, windows=(window(used="100"),))
    message = seat_view.seat_detail(view(reading(shot, ago=timedelta(minutes=1))), ["bo"], ("seat", "bo"))
    assert message.title == "bo"
    assert message.severity is Severity.CRITICAL
    assert body(message) == (
        "5-hour           100.0% used    -> resets Thu Apr 30 14:00 (in 2h)\n"
        "Extra usage      $50.00 / $50.00 (100%)  BLOCKED until Fri May 1\n"
        "Next charge      2026-05-14\n"
        "Read from claude_ai: 1 min ago.\n"
        "Blocked until Fri May 1 02:00: its extra usage cap is spent. "
        "The plan's own quota is full too: the next prompt is refused.\n"
        "Next charge Thu May 14: $200.00 (max_20x), and $50.00 spent so far this month."
    )
    assert message.fallback == "bo: $50.00 / $50.00 (100%)  BLOCKED until Fri May 1, 1 min ago"
    assert [action.id for action in message.actions] == ["refresh:seat:bo", "share:seat:bo"]


@pytest.mark.parametrize(
    ("usage", "windows", "sentence"),
    [
        (
            extra("1", "50", reason_class=ReasonClass.BALANCE),
            (window(),),
            "Blocked: its prepaid credits are used up. The plan's own quota still serves.",
        ),
        (
            extra(None, "50", out_of_credits=True),
            (window(),),
            "Blocked: Anthropic does not say why. The plan's own quota still serves.",
        ),
    ],
)
def test_why_a_seat_is_blocked(usage: ExtraUsage, windows: tuple[()], sentence: str) -> None:
    shot = snapshot(extra_usage=usage, windows=windows)
    assert sentence in body(seat_view.seat_detail(view(reading(shot)), ["ana"], ("me",)))


def test_a_block_whose_windows_are_unknown_claims_nothing_about_them() -> None:
    shot = snapshot(extra_usage=BLOCKED, windows=(), windows_read=False)
    text = body(seat_view.seat_detail(view(reading(shot)), ["ana"], ("me",)))
    assert "Whether the plan's own quota still serves is unknown." in text


def test_an_ailing_seat_says_what_ails_it_and_what_to_do() -> None:
    ailing = view(reading(ago=timedelta(hours=3)), source=state(health=Health.SESSION_EXPIRED))
    message = seat_view.seat_detail(ailing, ["ana"], ("me",))
    assert message.severity is Severity.WARNING
    assert (
        "Read from claude_ai: last known 3 h ago (session expired).\n"
        "Session expired since Thu Apr 30 09:00. Sign in to claude.ai and replace the seat's session key.\n"
    ) in body(message)


def test_a_seat_never_read_is_not_shown_as_unspent() -> None:
    message = seat_view.seat_detail(view(source=SourceState("ana")), ["ana"], ("me",))
    assert body(message).startswith("Extra usage      unknown\nRead from claude_ai: never seen.")
    assert "0.00" not in body(message).replace("$200.00", "")


def test_a_seat_whose_bodies_disagree_says_so() -> None:
    shot = snapshot(
        extra_usage=extra(assumed=("currency",), comparable=False, reason="odd_reason"),
        drift=("cap: usage 60.00, overage\n50.00",),
        errors=("subscription: 503",),
    )
    text = body(seat_view.seat_detail(view(reading(shot)), ["ana"], ("me",)))
    assert text.endswith(
        "Note: the currency is assumed, no answer states it\n"
        "Note: the amount is before a discount, so it cannot be compared with the cap\n"
        "Note: Anthropic's reason for switching it off: odd_reason\n"
        "Note: cap: usage 60.00, overage 50.00\n"
        "Note: subscription: 503"
    )


def test_several_seats_are_told_apart_by_headings() -> None:
    two = view(reading("ana"), reading("bo"), reading(snapshot("bo", org_uuid="two", org_name="Side")))
    message = seat_view.seat_detail(two, ["ana", "bo"], ("me",))
    assert message.title == "ana and bo"
    assert [section.heading for section in message.sections if section.heading] == [
        "ana",
        "bo, org-bo",
        "bo, Side",
    ]


def test_renewals_come_in_order_of_time() -> None:
    message = seat_view.renewals(
        view(
            reading("ana"),
            reading(snapshot("bo", subscription=Subscription("active", date(2026, 5, 2)))),
            reading(snapshot("cy", subscription=Subscription("active", None, ends_on=date(2026, 6, 1)))),
            reading(snapshot("dee", subscription=None)),
            reading(snapshot("eve", subscription=Subscription("active", date(2026, 4, 29)))),
        )
    )
    assert body(message) == (
        "Plan fees: $1,000.00\n"
        "Extra usage: $86.00 spent so far this month\n"
        "Unknown for dee: claude.ai names no date.\n"
        "Unknown for eve: the last known date has passed.\n"
        "[Next charges]\n"
        "Sat May 2   bo   $200.00 (max_20x)  $17.20 spent so far this month\n"
        "Thu May 14  ana  $200.00 (max_20x)  $17.20 spent so far this month\n"
        "[Set to end]\n"
        "Mon Jun 1   cy"
    )
    assert message.fallback.startswith("Renewals: Sat May 2   bo   $200.00 (max_20x)")


def march(name: str, cents: int) -> list[Hour]:
    """So much on the first of March, and as much again in its last hour."""
    counter, amount = Counter(f"account-{name}", f"org-{name}"), Money(Decimal(cents), "USD", 2)
    days = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 31, 23, tzinfo=UTC))
    return [Hour(at, counter, amount, amount, None, blocked=False) for at in days]


def test_the_next_charge_comes_with_what_was_spent_beside_the_month_before_by_the_same_day() -> None:
    shown = view(reading("ana"), reading("bo"))
    hours = [*march("ana", 1210), *march("bo", 100)]
    text = body(seat_view.seat_detail(shown, ["ana"], ("me",), hours=hours))
    assert (
        "Next charge Thu May 14: $200.00 (max_20x), and $17.20 spent so far this month; "
        "$12.10 by this day of March." in text
    )
    text = body(seat_view.renewals(shown, hours))
    assert "Extra usage: $34.40 spent so far this month; $13.10 by this day of March" in text
    assert "ana  $200.00 (max_20x)  $17.20 spent so far this month; $12.10 by this day of March" in text


def test_a_month_before_that_is_not_known_from_its_beginning_is_not_compared() -> None:
    shown = view(reading("ana"), reading("bo"))
    text = body(seat_view.renewals(shown, [*march("ana", 1210), *march("bo", 100)[1:]]))
    assert "Extra usage: $34.40 spent so far this month\n" in text
    assert "ana  $200.00 (max_20x)  $17.20 spent so far this month; $12.10 by" in text


def test_without_names_a_charge_has_no_amount_of_what_was_spent() -> None:
    """The day and the price of a charge tell whose it is to those who know."""
    shown = replace(view(reading("ana"), reading("bo")), rows="anonymous", own=frozenset({"bo"}))
    lines = body(seat_view.renewals(shown)).splitlines()
    assert "Thu May 14  a seat  $200.00 (max_20x)" in lines
    assert "Thu May 14  bo      $200.00 (max_20x)  $17.20 spent so far this month" in lines


def test_a_seat_says_when_its_cap_and_its_windows_are_full() -> None:
    shot = snapshot(windows=(window(used="60", resets=timedelta(hours=3)),))
    trail = {"five_hour": tuple(WindowPoint(NOW - m * MINUTE, Decimal(60 - m), None) for m in (30, 15))}
    one = reading(shot)
    shown = view(replace(one, known=replace(one.known, trail=trail)))
    heading = outlooks(shown.report, [], [])
    text = body(seat_view.seat_detail(shown, ["ana"], ("me",), heading))
    assert "5-hour full at about 12:40." in text


def test_an_unknown_renewal_says_why_and_what_helps() -> None:
    pushed = snapshot("bo", source="push", subscription=None, subscription_read=False)
    seats = [seat("ana"), seat("bo", "push"), seat("cy")]
    told = View(team_report([reading(snapshot(subscription=None)), reading(pushed)], {}, seats, NOW), BERLIN)
    lines = [
        "Unknown for ana: claude.ai names no date.",
        "Unknown for bo: push cannot tell it, so set renews_on in the configuration.",
        "Unknown for cy: not read yet.",
    ]
    assert seat_view.renewals(told).text.splitlines()[2:] == lines
    anonymous = seat_view.renewals(replace(told, rows="anonymous", own=frozenset({"bo"}))).text
    assert anonymous.splitlines()[2:] == [
        lines[0].replace("ana", "1 seat"),
        lines[1],
        "Unknown for 1 seat: not read yet.",
    ]


def test_a_second_seat_of_an_account_does_not_make_its_renewal_unknown() -> None:
    one = reading("ana")
    two = reading(snapshot("bo", account_uuid="account-ana", org_uuid="org-ana"), counter=one.counter)
    assert "Unknown" not in body(seat_view.renewals(view(one, two)))


def test_renewals_of_others_are_hidden_when_rows_are() -> None:
    two = view(reading("ana"), reading("bo"), rows="self", own=frozenset({"ana"}))
    assert "bo" not in body(seat_view.renewals(two))
    assert "ana  $200.00" in body(seat_view.renewals(two))


def test_many_renewals_are_counted() -> None:
    many = view(*[reading(f"s{number:02}") for number in range(40)])
    lines = seat_view.renewals(many).sections[0].lines
    assert (len(lines), lines[-1]) == (26, "and 15 more")


def test_status_tells_sources_and_destinations() -> None:
    ailing = view(
        reading("ana"),
        reading("bo"),
        source=state("bo", Health.RATE_LIMITED, detail="asked to wait", next_due=NOW + timedelta(minutes=30)),
    )
    places = [
        DestinationStatus("slack", "C0123", up=True, since=NOW - timedelta(hours=2)),
        DestinationStatus(
            "discord", "42", up=False, since=NOW - timedelta(minutes=4), detail="the gateway closed",
            waiting=3, oldest=NOW - timedelta(minutes=4), trouble="Missing Access",
        ),
        DestinationStatus("console", "terminal", waiting=1),
    ]  # fmt: skip
    message = seat_view.status(ailing, places, "1.2.3")
    assert message.severity is Severity.WARNING
    assert body(message) == (
        "Last reading just now.\n"
        "[Sources]\n"
        "1 source ok\n"
        "bo: rate limited since Thu Apr 30 09:00 (asked to wait), next attempt Thu Apr 30 12:30. "
        "Nothing to do: meterbot waits and asks again. Other programs may share the same limit.\n"
        "[Destinations]\n"
        "slack C0123: connected since Thu Apr 30 10:00; nothing waiting\n"
        "discord 42: not connected since Thu Apr 30 11:56; the gateway closed; "
        "3 messages waiting, the oldest queued 4 min ago; trouble: Missing Access\n"
        "console terminal: not running here; 1 message waiting"
    )
    assert message.footer == "meterbot 1.2.3"


def test_an_attempt_that_is_overdue_is_not_called_the_next() -> None:
    overdue = view(reading(), source=state(health=Health.UNREACHABLE, next_due=NOW))
    assert "next attempt" not in body(seat_view.status(overdue, [], "1"))


def test_status_is_good_when_everything_is() -> None:
    message = seat_view.status(view(reading("ana")), [DestinationStatus("slack", "C1", up=True)], "1")
    assert message.severity is Severity.GOOD


def test_status_tells_from_outside_whether_a_bot_runs() -> None:
    def asked(last_tick: datetime | None) -> Message:
        return seat_view.status(view(reading("ana")), [], "1", last_tick=last_tick)

    assert "No bot seems to run: start it with meterbot run" in asked(None).text
    late = asked(NOW - timedelta(hours=3))
    assert "No bot seems to run, its last tick was 3 h ago" in late.text
    assert late.severity is Severity.WARNING
    well = asked(NOW - timedelta(minutes=1))
    assert well.text == "Last reading just now. Last tick 1 min ago."
    assert well.severity is Severity.GOOD


def test_status_of_the_bot_itself_never_doubts_that_it_runs() -> None:
    places = [DestinationStatus("slack", "C1", up=True)]
    assert "No bot" not in seat_view.status(view(reading("ana")), places, "1").text


def test_status_names_the_processes_and_the_one_that_listens() -> None:
    processes = [WorkerStatus("web.1-4-ab", NOW), WorkerStatus("web.2-4-cd", NOW, listens=True)]
    said = body(seat_view.status(view(reading("ana")), [], "1", (), processes))
    since = moment(NOW, BERLIN)
    assert f"web.1-4-ab: running since {since}" in said
    assert f"web.2-4-cd: running since {since}; listens to Discord" in said
    assert "Processes" not in body(seat_view.status(view(reading("ana")), [], "1"))


def test_status_of_many_ailing_sources_counts_the_rest() -> None:
    states = {f"s{number:03}": state(f"s{number:03}", Health.STALE) for number in range(300)}
    report = team_report([], states, [seat(name) for name in states], NOW)
    lines = seat_view.status(View(report), [], "1").sections[0].lines
    assert (len(lines), lines[-1]) == (26, "and 275 more that need attention")


def test_help_lists_every_word_and_guesses() -> None:
    message = seat_view.help_answer("staus\n", "status")
    assert message.text.startswith("I do not know “staus”. Did you mean “status”?")
    assert [line.split("  ")[0] for line in message.sections[0].lines] == [
        "/claude-spend",
        "/claude-spend me",
        "/claude-spend seat NAME",
        "/claude-spend forecast",
        "/claude-spend history [DAYS] [NAME]",
        "/claude-spend renewals",
        "/claude-spend pr [NUMBER]",
        "/claude-spend why ALERT",
        "/claude-spend ack ALERT",
        "/claude-spend snooze ALERT 1h",
        "/claude-spend mute ALERT",
        "/claude-spend muted",
        "/claude-spend settings",
        "/claude-spend join",
        "/claude-spend report",
        "/claude-spend status",
        "/claude-spend help",
    ]


def test_a_seat_names_its_plan_and_says_where_its_price_is_from() -> None:
    shot = snapshot(tier="max_20x", subscription=None, subscription_read=False)
    bare = replace(seat(price=None), renews_on=14)
    told = View(team_report([reading(shot)], {"ana": state()}, [bare], NOW), BERLIN)
    said = body(seat_view.seat_detail(told, ["ana"], ("seat", "ana")))
    assert "Plan: Max 20x.\nNext charge Thu May 14: $200.00 (max_20x, list price), and $17.20 spent" in said
    assert "Next charge      2026-05-14  (as configured)" in said
    assert "Thu May 14  ana  $200.00 (max_20x, list price)  as configured" in body(seat_view.renewals(told))


def test_an_estimate_stands_beside_the_real_amount_and_is_called_one() -> None:
    estimate = Estimate(money("1234.567"), "2026-04", "ccusage")
    shot = snapshot(extra_usage=extra("17.20", "50"), estimate=estimate)
    seen = view(reading(shot))
    text = body(seat_view.seat_detail(seen, ["ana"], ("me",)))
    assert "Extra usage      $17.20 / $50.00 (34%)" in text
    assert "List-price estimate, not charged: $1,234.57 (ccusage, April). It prices the tokens" in text
    assert "$1,2" not in seat_view.seat_detail(seen, ["ana"], ("me",)).fallback
    assert [total.used for total in seen.report.totals] == [money("17.20")]


def test_a_window_that_has_reset_since_it_was_read_is_not_shown_as_ahead() -> None:
    shot = snapshot(windows=(window(used="46", resets=timedelta(minutes=-7)), window("seven_day", "78")))
    old = reading(shot, ago=timedelta(minutes=10))
    assert body(seat_view.seat_detail(view(old), ["ana"], ("me",))).splitlines()[:2] == [
        "5-hour           has reset since (was 46.0% used)",
        "7-day all         78.0% used    -> resets Thu Apr 30 14:00 (in 2h)",
    ]
    spend_only = replace(old, known=replace(old.known, snapshot=replace(shot, fetched_at=NOW)))
    text = body(seat_view.seat_detail(view(spend_only), ["ana"], ("me",)))
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
def test_a_throttle_on_the_seats_machine_is_told(throttle: Throttle, said: str | None) -> None:
    text = body(seat_view.seat_detail(view(reading(snapshot(throttle=throttle))), ["ana"], ("me",)))
    assert ("pace-maker" in text) is (said is not None)
    assert said is None or f"claude-pace-maker {said}" in text
