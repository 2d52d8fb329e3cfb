"""A channel that takes no messages is reported once, after its grace time, and so is its recovery."""

from datetime import timedelta

from meterbot.core.deliveries import Destination, DestinationTrouble
from meterbot.core.models import Event, EventKind
from meterbot.rules.destinations import watch_destinations
from meterbot.rules.memory import DestinationMemory, dump, load
from meterbot.rules.settings import RuleSettings
from tests.rules.builders import MINUTE, NOON

SETTINGS = RuleSettings()
DOWN, UP = EventKind.DESTINATION_DOWN, EventKind.DESTINATION_UP


def failing(*channels: str, refused: bool = True) -> dict[Destination, DestinationTrouble]:
    trouble = DestinationTrouble("not_in_channel", NOON, refused)
    return {Destination("slack", channel): trouble for channel in channels or ("C1",)}


def kinds(events: list[Event]) -> list[EventKind]:
    return [event.kind for event in events]


def test_a_refusal_is_reported_after_a_minute_and_once() -> None:
    memory, early = watch_destinations(DestinationMemory(), failing(), SETTINGS, NOON + MINUTE / 2)
    assert early == []
    memory, alerts = watch_destinations(memory, failing(), SETTINGS, NOON + MINUTE)
    assert kinds(alerts) == [DOWN]
    memory, again = watch_destinations(
        load(DestinationMemory, dump(memory)), failing(), SETTINGS, NOON + 9 * MINUTE
    )
    assert again == []


def test_an_outage_has_the_patience_that_sources_have() -> None:
    outage = failing(refused=False)
    grace = SETTINGS.source_grace
    assert watch_destinations(DestinationMemory(), outage, SETTINGS, NOON + grace - MINUTE)[1] == []
    assert kinds(watch_destinations(DestinationMemory(), outage, SETTINGS, NOON + grace)[1]) == [DOWN]


def test_its_end_resolves_it_and_another_episode_is_another_alert() -> None:
    memory, (down,) = watch_destinations(DestinationMemory(), failing(), SETTINGS, NOON + MINUTE)
    memory, (up,) = watch_destinations(memory, {}, SETTINGS, NOON + 2 * MINUTE)
    assert (up.kind, up.resolves) == (UP, down.key)
    later = DestinationTrouble("is_archived", NOON + timedelta(days=1), refused=True)
    troubled = {Destination("slack", "C1"): later}
    _, (again,) = watch_destinations(memory, troubled, SETTINGS, later.since + MINUTE)
    assert again.key != down.key


def test_two_places_ail_apart() -> None:
    both = failing("C2", "C1")
    memory, events = watch_destinations(DestinationMemory(), both, SETTINGS, NOON + MINUTE)
    assert [event.facts["channel"] for event in events] == ["C1", "C2"]
    _, (up,) = watch_destinations(memory, failing("C2"), SETTINGS, NOON + 2 * MINUTE)
    assert up.facts["channel"] == "C1"
