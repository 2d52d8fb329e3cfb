"""The limits of an API organization's members: each level once, through the real client and the alert's words."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from meterbot.core.deliveries import Destination
from meterbot.core.models import Event, EventKind, Seat
from meterbot.delivery.alerts.message import alert
from meterbot.delivery.redaction import Redaction
from meterbot.delivery.routing import topic_of
from meterbot.rules.settings import RuleSettings, parse_threshold
from tests.sources.administered import administering
from tests.wire.played import Ingested

CROSSED = EventKind.THRESHOLD_CROSSED
NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SEAT = Seat("api", "admin_api")
SETTINGS = RuleSettings(thresholds=tuple(map(parse_threshold, ["50%", "80%", "$25.00"])))


async def crossed(*readings: tuple[datetime, Sequence[tuple[str, str | None, str]]]) -> list[list[Event]]:
    """The alerts of each reading. A reading: who, their limit, what they spent."""
    ingested = Ingested(SEAT, SETTINGS)
    found, keys = [], set[str]()
    async with administering() as admin:
        for at, people in readings:
            admin.server.limits = None
            for who, limit, spent in people:
                admin.server.limit(f"{who}@example.com", limit, spent, user=f"user_{who}")
            events = ingested.read(await admin.read(at), at)
            # The event log takes a key once.
            found.append([event for event in events if event.kind is CROSSED and event.key not in keys])
            keys |= {event.key for event in events}
    return found


def levels(found: list[list[Event]]) -> list[list[str | None]]:
    return [[event.level for event in events] for events in found]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([("5000", "2400"), ("5000", "2500"), ("5000", "2600")], [[], ["50%"], []]),
        ([("5000", "100"), ("5000", "4000"), ("5000", "4900")], [[], ["80%"], []]),
        ([("5000", "2600"), ("10000", "2600"), ("10000", "5000")], [["50%"], [], ["50%"]]),
        ([("5000", "2600"), ("5000", "0"), ("5000", "2700")], [["50%"], [], []]),
        ([(None, "9000"), ("0", "9000"), (None, "9900")], [[], [], []]),
        ([("5000", "4100"), ("6000", "4100"), ("5000", "4100")], [["80%"], [], []]),
    ],
    ids=["once", "the highest", "raised", "an amount that is not known", "no limit", "lowered again"],
)
async def test_each_level_of_a_members_limit_is_reported_once(
    readings: list[tuple[str | None, str]], expected: list[list[str]]
) -> None:
    series = [
        (NOON + number * DAY, [("ana", limit, spent)]) for number, (limit, spent) in enumerate(readings)
    ]
    assert levels(await crossed(*series)) == expected


async def test_a_new_month_reports_its_levels_again_and_not_from_the_amount_of_the_last() -> None:
    first = datetime(2026, 12, 1, 1, tzinfo=UTC)
    person = [("ana", "5000", "2600")]
    found = await crossed(
        (NOON, person), (first, person), (first + timedelta(hours=8), [("ana", "5000", "2500")])
    )
    assert levels(found) == [["50%"], [], ["50%"]]


async def test_every_member_has_an_alert_and_a_message_of_their_own() -> None:
    ((one, other),) = await crossed((NOON, [("ana", "5000", "2600"), ("bo", "5000", "4100")]))
    assert (one.level, other.level) == ("50%", "80%")
    assert topic_of(one) != topic_of(other)
    message = alert(other, SEAT, UTC)
    assert message.title == "bo@example.com (api) is at 82% of the cap: $41.00 of $50.00"
    assert "owner or admin" in message.text
    redacted = Redaction(rows="anonymous").redact_event(other, {"api": SEAT}, Destination("slack", "C1"))
    assert not {"member", "member_name"} & set(redacted.facts)
