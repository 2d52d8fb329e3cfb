from dataclasses import replace
from datetime import date

from meterbot.commands.reports import team_report
from meterbot.commands.view import View
from meterbot.commands.words.renewals import renewals
from meterbot.core.models import (
    Subscription,
)
from tests.commands.words.test_seat import BERLIN, body, march, view
from tests.teams import (
    NOW,
    reading,
    seat,
    snapshot,
)


def test_renewals_come_in_order_of_time() -> None:
    message = renewals(
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


def test_a_month_before_that_is_not_known_from_its_beginning_is_not_compared() -> None:
    shown = view(reading("ana"), reading("bo"))
    text = body(renewals(shown, [*march("ana", 1210), *march("bo", 100)[1:]]))
    assert "Extra usage: $34.40 spent so far this month\n" in text
    assert "ana  $200.00 (max_20x)  $17.20 spent so far this month; $12.10 by" in text


def test_without_names_a_charge_has_no_amount_of_what_was_spent() -> None:
    """The day and the price of a charge tell whose it is to those who know."""
    shown = replace(view(reading("ana"), reading("bo")), rows="anonymous", own=frozenset({"bo"}))
    lines = body(renewals(shown)).splitlines()
    assert "Thu May 14  a seat  $200.00 (max_20x)" in lines
    assert "Thu May 14  bo      $200.00 (max_20x)  $17.20 spent so far this month" in lines


def test_an_unknown_renewal_says_why_and_what_helps() -> None:
    pushed = snapshot("bo", source="push", subscription=None, subscription_read=False)
    seats = [seat("ana"), seat("bo", "push"), seat("cy")]
    told = View(team_report([reading(snapshot(subscription=None)), reading(pushed)], {}, seats, NOW), BERLIN)
    lines = [
        "Unknown for ana: claude.ai names no date.",
        "Unknown for bo: push cannot tell it, so set renews_on in the configuration.",
        "Unknown for cy: not read yet.",
    ]
    assert renewals(told).text.splitlines()[2:] == lines
    anonymous = renewals(replace(told, rows="anonymous", own=frozenset({"bo"}))).text
    assert anonymous.splitlines()[2:] == [
        lines[0].replace("ana", "1 seat"),
        lines[1],
        "Unknown for 1 seat: not read yet.",
    ]


def test_a_second_seat_of_an_account_does_not_make_its_renewal_unknown() -> None:
    one = reading("ana")
    two = reading(snapshot("bo", account_uuid="account-ana", org_uuid="org-ana"), counter=one.counter)
    assert "Unknown" not in body(renewals(view(one, two)))


def test_renewals_of_others_are_hidden_when_rows_are() -> None:
    two = view(reading("ana"), reading("bo"), rows="self", own=frozenset({"ana"}))
    assert "bo" not in body(renewals(two))
    assert "ana  $200.00" in body(renewals(two))


def test_many_renewals_are_counted() -> None:
    many = view(*[reading(f"s{number:02}") for number in range(40)])
    lines = renewals(many).sections[0].lines
    assert (len(lines), lines[-1]) == (26, "and 15 more")
