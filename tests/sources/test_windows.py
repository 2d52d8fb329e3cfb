from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.models import Window
from meterbot.sources.fields import DriftNotes
from meterbot.sources.windows import windows_lost, windows_of
from tests.sources.bodies import (
    USAGE,
    json_values,
    numbers_in,
    places,
    sent,
    with_value,
)

RESET = datetime(2026, 8, 3, 9, tzinfo=UTC)


def read(**usage: object) -> tuple[dict[str, Window], DriftNotes]:
    notes = DriftNotes()
    return {window.name: window for window in windows_of(sent(usage), notes)}, notes


def limit(kind: str, percent: object = 7, scope: object = None) -> dict[str, object]:
    return {"kind": kind, "percent": percent, "resets_at": "2026-08-03T09:00:00Z", "scope": scope}


def test_classic_keys_win_over_limits_and_no_name_comes_twice() -> None:
    windows, notes = read(
        five_hour={"utilization": 12, "resets_at": None},
        limits=[limit("session", 99), limit("weekly_all", 41), limit("spend", 5), limit("novel", 6)],
    )
    assert {name: window.utilization for name, window in windows.items()} == {
        "five_hour": Decimal(12),
        "seven_day": Decimal(41),
    }
    assert windows["seven_day"].resets_at == RESET
    assert notes.drift == []


def test_limits_fill_in_what_a_classic_key_leaves_unknown() -> None:
    windows, notes = read(five_hour={"utilization": True, "resets_at": None}, limits=[limit("session", 12)])
    assert windows["five_hour"].utilization == 12
    assert not windows_lost(tuple(windows.values()), notes)


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("opus", "seven_day_opus"),
        ({"model": {"id": None, "display_name": "Sonnet 4.5"}, "surface": None}, "seven_day_sonnet_4_5"),
        ({"model": {"id": "claude-opus", "display_name": None}}, "seven_day_claude_opus"),
        ({"model": None, "surface": "Claude Code"}, "seven_day_claude_code"),
        ({"model": "haiku", "surface": None}, "seven_day_haiku"),
        (None, "seven_day_scoped"),
        ({"model": [1], "surface": 2}, "seven_day_scoped"),
        ("\n<!channel>" + "x" * 500, "seven_day_channel_" + "x" * 52),
    ],
)
def test_a_scoped_limit_is_named_after_its_model_or_surface(scope: object, name: str) -> None:
    windows, _ = read(limits=[limit("weekly_scoped", scope=scope)])
    assert list(windows) == [name]


def test_a_second_limit_of_one_name_is_noted_and_left_out() -> None:
    windows, notes = read(limits=[limit("session", 1), limit("session", 2)])
    assert windows["five_hour"].utilization == 1
    assert notes.drift == ["limits[1]: a second limit of the same name"]


@pytest.mark.parametrize("utilization", [0, 0.5, 1, 99.9, 100, 250.25])
def test_a_utilization_is_neither_rescaled_nor_clamped(utilization: float) -> None:
    windows, _ = read(five_hour={"utilization": utilization, "resets_at": None})
    assert windows["five_hour"].utilization == Decimal(str(utilization))


@pytest.mark.parametrize(
    "written",
    [
        "2026-08-03T09:00:00Z",
        "2026-08-03T09:00:00.123Z",
        "2026-08-03T09:00:00.440902+00:00",
        "2026-08-03T11:00:00+02:00",
        "2026-08-03 09:00:00Z",
        "2026-08-03t09:00:00z",
        RESET.timestamp(),
        str(int(RESET.timestamp())),
    ],
    ids=repr,
)
def test_a_reset_is_the_same_instant_in_every_form(written: object) -> None:
    windows, _ = read(five_hour={"utilization": 1, "resets_at": written})
    reset = windows["five_hour"].resets_at
    assert reset is not None
    assert timedelta(0) <= reset - RESET < timedelta(seconds=1)
    assert reset.tzinfo is UTC


@pytest.mark.parametrize(
    "written",
    [
        *("soon", "", "2026-08-03", "2026-08-03T09:00:00", "2026-02-30T09:00:00Z", "2026-08-03T25:00:00Z"),
        *(
            "0001-01-01T00:00:00+05:00",
            "9999-12-31T23:59:59-05:00",
            "99999-01-01T00:00:00Z",
            "२०२६-08-03T09:00:00Z",
        ),
        *(True, -1, 0, 1e300, 10**30, [1], {"a": 1}, "1e5"),
    ],
)
def test_a_reset_that_is_no_time_is_unknown_and_the_utilization_stays(written: object) -> None:
    windows, notes = read(five_hour={"utilization": 9, "resets_at": written})
    assert windows["five_hour"] == Window("five_hour", Decimal(9), None)
    assert len(notes.drift) == 1
    assert notes.drift[0].startswith("five_hour.resets_at: expected a time, got ")


@given(st.datetimes(datetime(2001, 1, 1), datetime(2099, 12, 30)), st.integers(-720, 720))  # noqa: DTZ001  # the offset is drawn beside it
def test_every_instant_survives_any_offset(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    windows, _ = read(five_hour={"utilization": 1, "resets_at": moment.isoformat()})
    assert windows["five_hour"].resets_at == moment


def test_sections_that_share_the_prefix_are_no_windows() -> None:
    windows, notes = read(
        seven_day_breakdown={"rows": []},
        seven_day_rebate={"amount": 5},
        **{"seven_day_A b": {"utilization": 1}},
    )
    assert windows == {}
    assert notes.drift == []


@given(st.sampled_from(list(places(USAGE))), json_values)
def test_one_strange_value_costs_no_other_window(path: tuple[str | int, ...], value: Any) -> None:
    body = sent(with_value(USAGE, path, value))
    notes = DriftNotes()
    windows = {window.name: window for window in windows_of(body, notes)}
    for name in ("five_hour", "seven_day", "seven_day_opus"):
        if path[0] not in {name, "limits"}:
            assert windows[name] == {w.name: w for w in windows_of(sent(USAGE), DriftNotes())}[name]
    assert {w.utilization for w in windows.values()} - {None} <= numbers_in(body)
    assert all(note.isprintable() and len(note) < 200 for note in notes.drift)


@given(st.dictionaries(st.sampled_from([*USAGE, "seven_day_x"]), json_values))
def test_no_body_raises(usage: dict[str, object]) -> None:
    notes = DriftNotes()
    windows = windows_of(sent(usage), notes)
    assert len({window.name for window in windows}) == len(windows)
    assert len(notes.drift) <= 21


def test_thousands_of_windows_are_cut() -> None:
    usage = {f"seven_day_{number}": {"utilization": 1} for number in range(5000)}
    notes = DriftNotes()
    assert len(windows_of(sent(usage), notes)) == 40
