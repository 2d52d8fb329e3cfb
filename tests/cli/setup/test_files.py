"""Files that are whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from meterbot.cli.setup.files import KeptSecret, secret_files, write

NEW = KeptSecret("bot_token_file", "secrets/slack-bot-token", "xoxb-planted", new=True)


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    with secret_files(tmp_path, [NEW]):
        pass
    path = tmp_path / NEW.name
    assert path.read_text() == "xoxb-planted\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt])
def test_where_it_does_not_end_well_nothing_is_left(tmp_path: Path, end: type[BaseException]) -> None:
    with pytest.raises(end), secret_files(tmp_path, [NEW]):
        raise end
    assert everything_in(tmp_path) == []


def test_what_was_there_before_is_not_taken_away(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / NEW.name).write_text("older")
    (tmp_path / "secrets/other").write_text("other")
    with pytest.raises(ValueError, match="end"), secret_files(tmp_path, [NEW]):
        raise ValueError("end")
    assert everything_in(tmp_path) == ["secrets", "secrets/other", NEW.name]


def test_a_write_that_breaks_off_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, "after")
    assert (path.read_text(), everything_in(tmp_path)) == ("before", ["config.toml"])


def test_a_secret_shows_in_no_repr() -> None:
    assert "planted" not in repr(NEW) + str(NEW)


def test_a_file_that_is_there_keeps_its_mode_and_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to(real)
    write(link, "after")
    assert (real.read_text(), stat.S_IMODE(real.stat().st_mode), link.is_symlink()) == ("after", 0o640, True)
