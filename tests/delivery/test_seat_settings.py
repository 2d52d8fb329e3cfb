"""What a seat's owner may set: read from what they wrote, kept as text, and followed by the rules."""

from datetime import time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.delivery import seat_settings
from meterbot.delivery.routing import Quiet
from meterbot.delivery.seat_settings import SeatSettings, levels_in, quiet_in, quiet_said
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import RuleSettings, Threshold
from tests.teams import money

BERLIN = ZoneInfo("Europe/Berlin")
FIFTY, AMOUNT = Threshold(percent=Decimal(50)), Threshold(amount=money("25.00"))


@pytest.mark.parametrize(
    ("written", "levels"),
    [
        ("50%", (FIFTY,)),
        ("50% $25.00", (FIFTY, AMOUNT)),
        (" 50%, 25.00 USD;50% ", (FIFTY, AMOUNT)),
        ("25 usd 50%", (AMOUNT, FIFTY)),
        ("default", None),
        ("Default ", None),
    ],
)
def test_levels_are_read(written: str, levels: tuple[Threshold, ...] | None) -> None:
    assert levels_in(written) == levels


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "Write one to 10 levels"),
        (" ".join(f"{level}%" for level in range(1, 12)), "Write one to 10 levels"),
        ("50 80%", "“50” is not a level"),
        ("-5%", "“-5%” is not a level"),
        ("0%", "“0%” is not a level"),
        ("800%", "“800%” is above the cap"),
        ("default 50%", "“default” is not a level"),
    ],
)
def test_what_is_no_level_is_said(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        levels_in(written)


@pytest.mark.parametrize(
    ("written", "quiet"),
    [
        ("22:00-07:00", Quiet(time(22), time(7), timezone=BERLIN)),
        ("22:00 - 7:00 sat, Sunday", Quiet(time(22), time(7), frozenset({5, 6}), BERLIN)),
        ("america/new_york 9:30-10:00", Quiet(time(9, 30), time(10), timezone=ZoneInfo("America/New_York"))),
        ("sat sun", Quiet(days=frozenset({5, 6}), timezone=BERLIN)),
        ("22:00-07:00 mon-fri", Quiet(time(22), time(7), frozenset(range(5)), BERLIN)),
        ("tues, thurs", Quiet(days=frozenset({1, 3}), timezone=BERLIN)),
        ("Saturday-monday", Quiet(days=frozenset({5, 6, 0}), timezone=BERLIN)),
        ("none", None),
    ],
)
def test_quiet_hours_are_read(written: str, quiet: Quiet | None) -> None:
    assert quiet_in(written, BERLIN) == quiet


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("at night", "Write hours like"),
        ("22:00-07:00 satellite", "“satellite” is not a time zone"),
        ("22:00-07:00 mon-", "“mon-” is not a time zone"),
        ("mon-tue-wed", "Write hours like"),
        ("", "Write hours like"),
        ("22:00-07:00 Europe/Atlantis", "“Europe/Atlantis” is not a time zone"),
        ("22:00-22:00", "end time must differ"),
        ("25:00-07:00 sat x", "“25:00-07:00” is not a time range"),
        ("99:00-07:00", "“99:00-07:00” is not a time range"),
        ("22:00-07:60 Europe/Berlin", "“22:00-07:60” is not a time range"),
        ("22:00-07:00-08:00", "is not a time range"),
        ("22:00-07:00 sat 22:00-07:00", "“22:00-07:00” is not a time range"),
    ],
)
def test_what_are_no_quiet_hours_is_said(written: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        quiet_in(written, BERLIN)


LEVELS = st.one_of(
    st.integers(1, 500).map(lambda percent: Threshold(percent=Decimal(percent))),
    st.integers(1, 10**6).map(lambda cents: Threshold(amount=money(f"{cents / 100:.2f}"))),
)
MINUTES = st.times().map(lambda at: at.replace(second=0, microsecond=0))
QUIETS = st.builds(
    Quiet,
    MINUTES,
    MINUTES,
    st.frozensets(st.integers(0, 6)),
    st.sampled_from([BERLIN, ZoneInfo("Asia/Kolkata")]),
)


@given(st.none() | st.lists(LEVELS, max_size=5).map(tuple), st.none() | QUIETS)
def test_what_is_kept_comes_back(levels: tuple[Threshold, ...] | None, quiet: Quiet | None) -> None:
    held = SeatSettings(levels, quiet)
    memories = {seat_settings_name("ana"): seat_settings.dump(held)}
    assert seat_settings.of("ana", memories) == held
    assert seat_settings.of("bo", memories) == SeatSettings()


@pytest.mark.parametrize(
    ("held", "stored"),
    [
        (SeatSettings((FIFTY, AMOUNT)), '{"thresholds": ["50%", "25.00 USD"], "quiet": null}'),
        (
            SeatSettings(quiet=Quiet(time(22), time(7), frozenset({6, 5}), ZoneInfo("Asia/Tokyo"))),
            '{"thresholds": null, "quiet": {"hours": ["22:00", "07:00"], "days": [5, 6], "zone": "Asia/Tokyo"}}',
        ),
        (
            SeatSettings((), Quiet(days=frozenset({0}), timezone=BERLIN)),
            '{"thresholds": [], "quiet": {"hours": ["00:00", "00:00"], "days": [0], "zone": "Europe/Berlin"}}',
        ),
    ],
)
def test_every_version_stores_the_same_text(held: SeatSettings, stored: str) -> None:
    assert seat_settings.dump(held) == stored
    assert seat_settings.of("ana", {seat_settings_name("ana"): stored}) == held


@given(QUIETS.filter(lambda quiet: quiet.start != quiet.end))
def test_what_is_said_of_quiet_hours_can_be_written(quiet: Quiet) -> None:
    assert quiet_in(quiet_said(quiet).replace("(", "").replace(")", ""), ZoneInfo("UTC")) == quiet


def test_the_rules_obey_a_seat_s_own_levels() -> None:
    configured = RuleSettings()
    assert SeatSettings().over(configured) is configured
    assert SeatSettings((FIFTY,)).over(configured).thresholds == (FIFTY,)
