from dataclasses import replace
from datetime import date

from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
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
        "Next charge on Sat May 2: bo, $200.00 (Max 20x)\n"
        "Plan fees: $1,000.00\n"
        "Extra usage: $86.00 spent so far this month\n"
        "[Next charges]\n"
        "Seat  Next charge              Price  April so far\n"
        "bo    Sat May 2    $200.00 (Max 20x)        $17.20\n"
        "ana   Thu May 14   $200.00 (Max 20x)        $17.20\n"
        "[Set to end]\n"
        "cy: Mon Jun 1\n"
        "[Not known]\n"
        "Unknown for dee: claude.ai names no date.\n"
        "Unknown for eve: the last known date has passed."
    )
    assert message.fallback == "Renewals. Next charge on Sat May 2: bo, $200.00 (Max 20x)"


def test_a_month_before_that_is_not_known_from_its_beginning_is_not_compared() -> None:
    shown = view(reading("ana"), reading("bo"))
    text = body(renewals(shown, [*march("ana", 1210), *march("bo", 100)[1:]]))
    assert "Extra usage: $34.40 spent so far this month\n" in text
    assert "ana   Thu May 14   $200.00 (Max 20x)        $17.20        $12.10" in text


def test_without_names_a_charge_has_no_amount_of_what_was_spent() -> None:
    """The day and the price of a charge tell whose it is to those who know."""
    shown = replace(view(reading("ana"), reading("bo")), rows="anonymous", own=frozenset({"bo"}))
    assert renewals(shown).tables[0].rows == (
        ("bo", "Thu May 14", "$200.00 (Max 20x)", "$17.20"),
        ("a seat", "Thu May 14", "$200.00 (Max 20x)", ""),
    )


def test_an_unknown_renewal_says_why_and_what_helps() -> None:
    pushed = snapshot("bo", source="push", subscription=None, subscription_read=False)
    seats = [seat("ana"), seat("bo", "push"), seat("cy")]
    team_view = View(
        team_report([reading(snapshot(subscription=None)), reading(pushed)], {}, seats, NOW), BERLIN
    )
    lines = [
        "Unknown for ana: claude.ai names no date.",
        "Unknown for bo: push does not report it, so set renews_on in the configuration.",
        "Unknown for cy: not read yet.",
    ]
    assert renewals(team_view).text.startswith("No next charge is known.\n")
    assert renewals(team_view).sections[0].lines == tuple(lines)
    anonymous = renewals(replace(team_view, rows="anonymous", own=frozenset({"bo"})))
    assert [*anonymous.sections[0].lines] == [
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
    assert "ana   Thu May 14   $200.00" in body(renewals(two))


def test_many_renewals_are_counted() -> None:
    many = view(*[reading(f"s{number:02}") for number in range(80)])
    (table,) = renewals(many).tables
    assert (len(table.rows), table.note) == (50, "and 30 more: see /claude-spend seat NAME")
