from dataclasses import replace
from datetime import datetime, timedelta

from meterbot.chat import Connection
from meterbot.commands.privacy import View
from meterbot.commands.reports import team_report
from meterbot.commands.words.status import status
from meterbot.core.deliveries import ChannelQueue
from meterbot.core.lease import GATEWAY
from meterbot.core.messages import Message
from meterbot.core.models import (
    Health,
    Severity,
)
from meterbot.core.text import moment
from meterbot.store import Worker
from tests.commands.words.test_seat import BERLIN, body, view
from tests.teams import (
    NOW,
    reading,
    seat,
    state,
)

CONNECTED = {"slack": Connection(up=True)}


def test_status_tells_sources_and_destinations() -> None:
    failing = view(
        reading("ana"),
        reading("bo"),
        source=state("bo", Health.RATE_LIMITED, detail="asked to wait", next_due=NOW + timedelta(minutes=30)),
    )
    queues = [
        ChannelQueue("slack", "C0123", 4, None, None, held=4, held_until=NOW + timedelta(hours=1)),
        ChannelQueue("discord", "42", 3, NOW - timedelta(minutes=4), "Missing Access"),
        ChannelQueue("console", "terminal", 1, None, None),
    ]
    connections = {
        "slack": Connection(up=True, since=NOW - timedelta(hours=2)),
        "discord": Connection(up=False, since=NOW - timedelta(minutes=4), detail="the gateway closed"),
    }
    message = status(failing, queues, connections, version="1.2.3")
    assert message.severity is Severity.WARNING
    assert body(message) == (
        "1 of 2 sources ok. Last reading just now.\n"
        "[Sources]\n"
        "Seat  State         Read      Source\n"
        "bo    rate limited  just now  claude_ai\n"
        "ana   ok            just now  claude_ai\n"
        "[Needs attention]\n"
        "bo: rate limited since Thu Apr 30 09:00 (asked to wait), next attempt Thu Apr 30 12:30. "
        "Nothing to do: meterbot waits and asks again. Other programs may share the same limit.\n"
        "[Destinations]\n"
        "slack C0123: connected since Thu Apr 30 10:00; 4 messages held until Thu Apr 30 13:00 (snooze, quiet hours "
        "or silence)\n"
        "discord 42: not connected since Thu Apr 30 11:56; the gateway closed; "
        "3 messages waiting, the oldest queued 4 min ago; trouble: Missing Access\n"
        "console terminal: not running; 1 message waiting"
    )
    assert message.footer == "meterbot 1.2.3"


def test_an_attempt_that_is_overdue_is_not_called_the_next() -> None:
    overdue = view(reading(), source=state(health=Health.UNREACHABLE, next_due=NOW))
    assert "next attempt" not in body(status(overdue, [], {}, version="1"))


def test_status_is_good_when_everything_is() -> None:
    message = status(view(reading("ana")), [], CONNECTED, version="1")
    assert message.severity is Severity.GOOD


def test_status_tells_from_outside_whether_a_bot_runs() -> None:
    def asked(last_tick: datetime | None) -> Message:
        return status(view(reading("ana")), [], {}, version="1", last_tick=last_tick)

    assert "No bot seems to be running: start it with meterbot run" in asked(None).text
    late = asked(NOW - timedelta(hours=3))
    assert "No bot seems to be running, its last tick was 3 h ago" in late.text
    assert late.severity is Severity.WARNING
    well = asked(NOW - timedelta(minutes=1))
    assert well.text == "1 of 1 source ok. Last reading just now. Last tick 1 min ago."
    assert well.severity is Severity.GOOD


def test_status_of_the_bot_itself_never_doubts_that_it_runs() -> None:
    assert "No bot" not in status(view(reading("ana")), [], CONNECTED, version="1").text


def test_status_names_the_processes_and_the_one_that_listens() -> None:
    processes = [Worker("web.1-4-ab", NOW), Worker("web.2-4-cd", NOW, (GATEWAY,))]
    said = body(status(view(reading("ana")), [], {}, (), processes, version="1"))
    since = moment(NOW, BERLIN)
    assert f"web.1-4-ab: running since {since}" in said
    assert f"web.2-4-cd: running since {since}; listens to Discord" in said
    assert "Processes" not in body(status(view(reading("ana")), [], {}, version="1"))


def test_status_of_many_ailing_sources_counts_the_rest() -> None:
    states = {f"s{number:03}": state(f"s{number:03}", Health.STALE) for number in range(300)}
    report = team_report([], states, [seat(name) for name in states], NOW)
    message = status(View(report), [], {}, version="1")
    assert (len(message.tables[0].rows), message.tables[0].note) == (30, "and 270 more")
    (line,) = message.sections[0].lines
    assert line.startswith("s000, s001, s002, s003, s004 and 295 more: stale since ")


def test_status_counts_hidden_sources_apart_from_those_that_do_not_fit() -> None:
    names = [f"s{number:03}" for number in range(34)]
    whole = view(*map(reading, names), rows="self")
    for own, rows, note in (
        (names[:32], 30, "and 2 more, and 2 seats not shown to you"),
        (names[:33], 30, "and 3 more, and 1 seat not shown to you"),
        (names[:3], 3, "and 31 seats not shown to you"),
    ):
        (table,) = status(replace(whole, own=frozenset(own)), [], {}, version="1").tables
        assert (len(table.rows), table.note) == (rows, note)
    none = status(whole, [], {}, version="1")
    assert none.tables == ()
    assert "[Sources]\n34 seats not shown to you" in body(none)
    assert "[Sources]" not in body(status(View(team_report([], {}, [], NOW)), [], {}, version="1"))


def test_status_names_the_agent_that_a_seats_machine_runs() -> None:
    message = status(view(reading("ana"), reading("bo")), [], {}, version="1", agents={"bo": "0.1.0"})
    columns = [column.name for column in message.tables[0].columns]
    assert columns == ["Seat", "State", "Read", "Source", "Agent"]
    assert [row[-1] for row in message.tables[0].rows] == ["", "0.1.0"]
    assert "Agent" not in body(status(view(reading("ana")), [], {}, version="1"))


def test_what_is_held_on_purpose_is_no_trouble() -> None:
    held = ChannelQueue("slack", "C1", 2, None, None, held=2, held_until=NOW + timedelta(hours=1))
    assert status(view(reading("ana")), [held], CONNECTED, version="1").severity is Severity.GOOD


def test_a_queue_that_is_not_shown_counts_and_its_trouble_does_too() -> None:
    direct = [
        ChannelQueue("slack", "@UANA", 1, NOW, "user_disabled"),
        ChannelQueue("slack", "@UBO", 0, None, None),
    ]
    message = status(view(reading("ana")), direct, CONNECTED, hidden=direct, version="1")
    assert message.severity is Severity.WARNING
    assert "and 2 queues of direct messages, not shown to you (1 in trouble)" in body(message)
    assert "@U" not in body(message)
    assert "none configured" not in body(message)
    assert "none configured" in body(status(view(reading("ana")), [], CONNECTED, version="1"))
