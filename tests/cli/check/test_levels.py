"""`check` says which levels hold for which seat."""

from pathlib import Path

import pytest

from meterbot.cli.check import run_checks
from meterbot.delivery import seat_settings
from meterbot.delivery.seat_settings import SeatSettings
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import parse_threshold
from tests.app.config.writing import ANA, ENVIRON


def levels(tmp_path: Path, text: str, memories: dict[str, str] | None = None) -> list[str]:
    (tmp_path / "config.toml").write_text(text)
    checks = run_checks(None, ENVIRON, tmp_path, lambda _: {}, lambda _: memories or {})
    return [check.sentence for check in checks if check.id == "levels"]


def test_an_invited_seat_with_levels_of_its_own_has_a_line_too(tmp_path: Path) -> None:
    own = seat_settings.dump(SeatSettings(thresholds=(parse_threshold("60%"),)))
    said = levels(tmp_path, ANA, {seat_settings_name("cleo"): own})
    assert said[1:] == ["cleo, set by its owner: 60%; without a cap: none"]
    assert said[0].startswith("every other seat: ")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('["70%"]', "every seat: 70%; without a cap: none"),
        ('["70%", "$30.00"]', "every seat: 70%, $30.00"),
    ],
)
def test_configured_levels_hold_for_every_seat(tmp_path: Path, written: str, said: str) -> None:
    assert levels(tmp_path, f"{ANA}\n[alerts]\nthresholds = {written}\n") == [said]


def test_the_default_has_levels_for_seats_without_a_cap(tmp_path: Path) -> None:
    (said,) = levels(tmp_path, ANA)
    assert said.endswith("; without a cap: $25.00, $50.00, $100.00 and every further $100.00")


def test_a_seat_whose_owner_set_levels_has_a_line_of_its_own(tmp_path: Path) -> None:
    own = seat_settings.dump(SeatSettings(thresholds=(parse_threshold("60%"),)))
    assert levels(tmp_path, ANA, {seat_settings_name("ana"): own}) == [
        "ana, set by its owner: 60%; without a cap: none"
    ]
