import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from meterbot.chat.text_forms import without_natives
from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.team_report import TeamReport
from meterbot.commands.words.team import MOST_ROWS, team
from meterbot.core.inline import plain
from meterbot.core.messages import Message
from meterbot.core.models import Health, ReasonClass, Seat, Severity, SourceState
from meterbot.core.money import of_major
from meterbot.core.operators import Rows
from tests.properties import examples
from tests.teams import (
    NOW,
    Reading,
    api_snapshot,
    extra,
    money,
    reading,
    seat,
    snapshot,
    state,
)

BERLIN = ZoneInfo("Europe/Berlin")
MAY = datetime.fromisoformat("2026-05-01T00:00:00Z")


def a_team() -> TeamReport:
    """Ana (also as ana-work), Bo blocked, Cy without a cap, Dee stale in euros, Eve not read this month, Fay without
    metering, Gus never read."""
    names = ("ana", "ana-work", "bo", "cy", "dee", "eve", "fay", "gus")
    blocked = extra("50", "50", reason_class=ReasonClass.CAP, disabled_until=MAY)
    ana = reading("ana")
    readings = [
        ana,
        reading(snapshot("ana-work"), counter=ana.counter, ago=timedelta(minutes=2)),
        reading(snapshot("bo", extra_usage=blocked)),
        reading(snapshot("cy", extra_usage=extra("1234.50", None))),
        reading(snapshot("dee", extra_usage=extra("4.20", "50", "EUR")), ago=timedelta(hours=3)),
        reading("eve", ago=timedelta(days=31)),
        reading(snapshot("fay", extra_usage=None, subscription=None)),
    ]
    states = {name: state(name) for name in names}
    states["dee"] = state("dee", Health.STALE)
    states["eve"] = state("eve", Health.SESSION_EXPIRED)
    states["gus"] = SourceState("gus")
    return team_report(readings, states, [seat(name) for name in names], NOW)


def as_text(message: Message) -> str:
    parts = [message.title, message.text]
    for section in without_natives(message, 120).sections:
        labels = [f"{label:<16} " for label in section.labels] or [""] * len(section.lines)
        lines = map("".join, zip(labels, section.lines, strict=True))
        parts += ["", *([f"{section.heading}:"] if section.heading else []), *lines]
    return plain("\n".join([*parts, "", message.footer]))


NAMED = """\
Claude spend, April 2026: €4.20 + $1,301.70
bo: $50.00 / $50.00 (100%)  BLOCKED until Fri May 1
€4.20 spent of €50.00 (8%)
$1,301.70 spent (no cap for the team: 1 seat has no cap)
Plan fees on top: $1,400.00
5 of 8 seats up to date; 1 counted with the last known amount; 2 unknown and not in the total

Seats:
Seat          Spent     Cap  Used             State
bo           $50.00  $50.00  ▰▰▰▰▰▰▰▰▰▰ 100%  BLOCKED until Fri May 1
cy        $1,234.50       –  no cap           –
ana          $17.20  $50.00  ▰▰▰▱▱▱▱▱▱▱ 34%   –
ana-work     $17.20  $50.00  ▰▰▰▱▱▱▱▱▱▱ 34%   same account as ana
dee           €4.20  €50.00  ▰▱▱▱▱▱▱▱▱▱ 8%    stale, read 3 h ago
eve         unknown  $50.00  –                session expired, not read this month
fay               –       –  –                not metered
gus         unknown       –  –                never seen

Not read (3):
dee: stale since Thu Apr 30 09:00. Nothing was read for three intervals: look in meterbot's log for the reason.
eve: session expired since Thu Apr 30 09:00. Sign in to claude.ai and replace the seat's session key.
gus: never seen. Nothing has been read yet: wait for the first reading, or check the seat's configuration.

Next charges:
Thu May 14: ana, bo, cy, dee and eve, $1,000.00

Configured twice:
ana and ana-work are one account: counted once

Extra usage of this month (UTC), as of Thu Apr 30 12:00"""


def test_the_team_view_reads_like_this() -> None:
    message = team(View(a_team(), BERLIN))
    assert as_text(message) == NAMED
    assert message.severity is Severity.CRITICAL
    assert message.fallback == (
        "Claude spend, April 2026: €4.20 + $1,301.70. 1 seat BLOCKED; €4.20 spent of €50.00 (8%); "
        "$1,301.70 spent (no cap for the team: 1 seat has no cap); 5 of 8 seats up to date"
    )


def test_a_small_healthy_team_is_a_short_answer() -> None:
    report = team_report(
        [reading("ana"), reading(snapshot("bo", extra_usage=extra("4.20")))],
        {"ana": state("ana"), "bo": state("bo")},
        [seat("ana"), seat("bo")],
        NOW,
    )
    message = team(View(report, BERLIN))
    assert message.severity is Severity.INFO
    assert message.title == "Claude spend, April 2026: $21.40"
    assert message.text.splitlines() == [
        "$21.40 spent of $100.00 (21%)",
        "Plan fees on top: $400.00",
        "2 of 2 seats, all up to date",
    ]
    assert [section.heading for section in message.sections] == ["Next charges"]


def test_seats_with_one_trouble_share_a_line_also_if_it_began_at_different_times() -> None:
    names, hour = ("ana", "bo", "cy"), timedelta(hours=1)

    def lines(*ago: int) -> list[str]:
        states = {
            name: SourceState(name, Health.SESSION_EXPIRED, NOW - since * hour)
            for name, since in zip(names, ago, strict=True)
        }
        report = team_report([], states, [seat(name) for name in names], NOW)
        return [plain(line) for section in team(View(report, BERLIN)).sections for line in section.lines]

    what = "Sign in to claude.ai and replace the seat's session key."
    assert lines(1, 2, 3)[0] == f"ana, bo and cy: session expired. {what}"
    assert lines(2, 2, 2)[0] == f"ana, bo and cy: session expired since Thu Apr 30 10:00. {what}"


def test_fees_that_nobody_configured_are_called_list_prices() -> None:
    known = [reading(snapshot(tier="max_20x"))]
    report = team_report(known, {}, [replace(seat(), plan=None, plan_price=None)], NOW)
    assert "Plan fees on top: $200.00 (at list prices)" in team(View(report, BERLIN)).text.splitlines()


def test_an_age_is_shown_only_where_a_number_is_not_fresh() -> None:
    def states(ago: timedelta, interval: float) -> str:
        report = team_report([reading("ana", ago=ago)], {}, [seat("ana", interval=interval)], NOW)
        (table,) = team(View(report)).tables
        return dict(zip([column.name for column in table.columns], table.rows[0], strict=True)).get(
            "State", ""
        )

    assert states(timedelta(minutes=59), 3600) == ""
    assert states(timedelta(hours=2), 3600) == ""
    assert states(timedelta(hours=3), 3600 * 1.4) == "read 3 h ago"


def test_an_answer_for_one_person_can_be_refreshed_and_shared() -> None:
    assert [action.id for action in team(View(a_team())).actions] == ["refresh:team", "share:team"]
    assert team(View(a_team(), public=True)).actions == ()


def test_with_own_rows_only_everybody_else_is_a_sum() -> None:
    text = as_text(team(View(a_team(), BERLIN, "self", frozenset({"ana"}))))
    assert (
        "ana   $17.20  $50.00  ▰▰▰▱▱▱▱▱▱▱ 34%\n\nand 7 more: $1,284.50 together, and one amount not shown"
        in text
    )
    assert "Thu May 14: ana, $200.00 (Max 20x)\n\nExtra" in text
    assert "1,234.50" not in text
    assert "bo " not in text


def test_in_the_channel_nobody_has_own_rows() -> None:
    text = as_text(team(View(a_team(), BERLIN, "self", frozenset({"ana"}), public=True)))
    assert "8 seats: $1,301.70 together, and one amount not shown" in text
    assert "ana" not in text


def test_anonymous_rows_keep_their_numbers_and_lose_their_names() -> None:
    text = as_text(team(View(a_team(), BERLIN, "anonymous", frozenset({"ana-work"}))))
    assert "a seat       $50.00  $50.00  ▰▰▰▰▰▰▰▰▰▰ 100%  BLOCKED until Fri May 1\n" in text
    assert "ana-work     $17.20  $50.00  ▰▰▰▱▱▱▱▱▱▱ 34%   same account as another seat" in text
    assert "Thu May 14: ana-work and 4 seats, $1,000.00" in text
    for name in ("ana ", "bo ", "cy "):
        assert name not in text


def test_a_total_without_a_cap_says_why() -> None:
    readings = [
        reading(snapshot("ana", extra_usage=extra("1", None))),
        reading(snapshot("bo", extra_usage=extra("1", None))),
        reading(snapshot("cy", extra_usage=extra("1", None, cap_known=False))),
    ]
    report = team_report(readings, {}, [seat("ana"), seat("bo"), seat("cy")], NOW)
    assert team(View(report)).text.splitlines()[0] == (
        "$3.00 spent (no cap for the team: 2 seats have no cap, 1 cap unknown)"
    )


def test_a_team_without_seats_says_so() -> None:
    message = team(View(team_report([], {}, [], NOW)))
    assert message.text == "No seats are configured."
    assert message.sections == ()


def test_a_team_never_read_does_not_show_zero() -> None:
    message = team(View(team_report([], {}, [seat("ana")], NOW)))
    assert message.text.splitlines()[0] == "USD: no amount is known yet"
    assert "0.00" not in message.text.replace("$200.00", "")


def test_a_seat_in_two_organizations_has_two_rows_that_name_them() -> None:
    two = snapshot("ana", org_uuid="two", org_name="Side project", extra_usage=extra("2"))
    report = team_report([reading("ana"), reading(two)], {}, [seat("ana")], NOW)
    [table] = team(View(report)).tables
    assert [row[0] for row in table.rows] == ["ana (org-ana)", "ana (Side project)"]


def test_api_spend_is_shown_beside_the_total() -> None:
    report = team_report(
        [reading("ana"), reading(api_snapshot())], {}, [seat("ana"), seat("api", "admin_api", None)], NOW
    )
    message = team(View(report))
    assert message.text.startswith("$17.20 spent of $50.00 (34%)")
    assert (
        "API organization (not in the total):\napi: $148.45 this month (cost report)\n"
        "Claude Code use: $10.77 by 1 person (list-price estimate, not charged to seats)\n"
    ) in as_text(message)


def test_the_heading_of_several_api_organizations_is_plural() -> None:
    readings = [reading(api_snapshot()), reading(api_snapshot(seat="lab", org_uuid="org-lab"))]
    seats = [seat("api", "admin_api", None), seat("lab", "admin_api", None)]
    message = team(View(team_report(readings, {}, seats, NOW)))
    assert "API organizations (not in the total):\napi: " in as_text(message)


# --- teams of any size ---------------------------------------------------------------------------------------------

_HOSTILE = [
    "",
    "<!channel>",
    "@everyone",
    "$9.99 / $1.00",
    "\x1b[31mred",
    "a\nb",
    "\u202eevil",
    "`" * 40,
    "&amp;",
    "né",
]


@dataclass(frozen=True)
class Profile:
    used: int | None
    cap: int | None
    currency: str
    days: int
    health: Health


_PROFILES = st.builds(
    Profile,
    used=st.none() | st.integers(0, 10**7),
    cap=st.none() | st.integers(1, 10**7),
    currency=st.sampled_from(["USD", "EUR"]),
    days=st.sampled_from([0, 0, 2, 31]),
    health=st.sampled_from([Health.OK, Health.OK, Health.STALE, Health.SESSION_EXPIRED]),
)


def _member(number: int, profile: Profile) -> tuple[Seat, Reading, SourceState]:
    name = f"{_HOSTILE[number % len(_HOSTILE)]}{number}"
    usage = replace(
        extra(currency=profile.currency),
        used=None if profile.used is None else money(f"{profile.used / 100:.2f}", profile.currency),
        cap=None if profile.cap is None else money(f"{profile.cap / 100:.2f}", profile.currency),
    )
    shot = snapshot(name, extra_usage=usage)
    return seat(name), reading(shot, ago=timedelta(days=profile.days)), state(name, profile.health)


@st.composite
def any_teams(draw: st.DrawFn) -> TeamReport:
    profiles = draw(st.lists(_PROFILES, min_size=1, max_size=12))
    size = draw(st.integers(0, 30) | st.integers(0, 500))
    members = [_member(number, profiles[number % len(profiles)]) for number in range(size)]
    states = {member[0].name: member[2] for member in members}
    return team_report([member[1] for member in members], states, [member[0] for member in members], NOW)


def _amounts(text: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for symbol, number in re.findall(r"([$€])([\d,]+\.\d\d)", text):
        found[symbol] = found.get(symbol, Decimal(0)) + Decimal(number.replace(",", ""))
    return found


def _listed(message: Message, report: TeamReport) -> dict[str, Decimal]:
    """What the rows and the "more" line of a named view come to."""
    sums: dict[str, Decimal] = {}
    for table in message.tables:
        assert len(table.rows) == len(report.rows[:MOST_ROWS])
        for text in (*(row[1] for row in table.rows), table.note):
            for symbol, value in _amounts(text).items():
                sums[symbol] = sums.get(symbol, Decimal(0)) + value
    return {symbol: value for symbol, value in sums.items() if value}


@examples(25)
@given(any_teams())
def test_the_list_adds_up_to_the_total_whatever_the_size(report: TeamReport) -> None:
    message = team(View(report))
    totals = {
        {"USD": "$", "EUR": "€"}[total.currency]: total.used.major
        for total in report.totals
        if total.used is not None and total.used.minor > 0
    }
    assert _listed(message, report) == totals


@examples(25)
@given(any_teams(), st.sampled_from(["named", "anonymous", "self"]))
def test_every_blocked_seat_is_listed_or_counted(report: TeamReport, rows: Rows) -> None:
    message = team(View(report, rows=rows))
    blocked = sum(row.block is not None for row in report.rows)
    named = sum("  BLOCKED" in line for line in message.text.splitlines())
    counted = sum(
        int(number) for number in re.findall(r"(\d+) (?:more )?seats? (?:is|are) BLOCKED", message.text)
    )
    assert named + counted == blocked
    if rows == "named":
        shown = sum("BLOCKED" in row[-1] for table in message.tables for row in table.rows)
        rest = sum(
            int(number) for table in message.tables for number in re.findall(r"(\d+) BLOCKED", table.note)
        )
        assert shown + rest == blocked


@examples(25)
@given(any_teams(), st.sampled_from(["named", "anonymous", "self"]))
def test_an_answer_stays_small_and_every_line_one_line(report: TeamReport, rows: Rows) -> None:
    message = team(View(report, rows=rows))
    text = as_text(message) + message.fallback
    assert len(text) < 8000
    for section in without_natives(message, 120).sections:
        for line in section.lines:
            assert len(line.splitlines()) == 1
            assert "\x1b" not in line
            assert "\u202e" not in line


@examples(20)
@given(any_teams())
def test_without_names_no_name_is_in_any_table(report: TeamReport) -> None:
    for rows in ("anonymous", "self"):
        message = team(View(report, rows=rows))
        for cell in (cell for table in message.tables for row in table.rows for cell in row):
            assert not re.search("channel|everyone|31m|evil|`|&amp;|né", cell)


def test_the_amount_of_a_single_other_seat_is_not_shown_as_a_sum() -> None:
    report = team_report(
        [reading("ana"), reading(snapshot("bo", extra_usage=extra("37.91")))],
        {},
        [seat("ana"), seat("bo")],
        NOW,
    )
    message = team(View(report, rows="self", own=frozenset({"ana"})))
    assert message.tables[0].note == (
        "and 1 more: amount not shown, because a sum of one seat would be that seat's own number"
    )
    assert "37.91" not in as_text(message)
    assert "37.91" in as_text(team(View(report)))


def test_amounts_of_any_currency_are_distinguished() -> None:
    usages = {"ana": extra("3", "5"), "bo": extra("300", "500", "JPY"), "cy": extra("3", "5", "CHF")}
    readings = [reading(snapshot(name, extra_usage=usage)) for name, usage in usages.items()]
    report = team_report(readings, {}, [seat(name, price=None) for name in usages], NOW)
    assert team(View(report)).text.splitlines()[:3] == [
        "CHF 3.00 spent of CHF 5.00 (60%)",
        "¥300 spent of ¥500 (60%)",
        "$3.00 spent of $5.00 (60%)",
    ]
    assert [total.used for total in report.totals][1] == of_major(Decimal(300), "JPY")
