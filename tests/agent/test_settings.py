from pathlib import Path

import pytest

from meterbot.agent import settings
from meterbot.agent.trouble import SetupError
from tests.agent.rig import PUSH_TOKEN


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    env = {
        "METERBOT_URL": "https://meterbot.example.com/?no=1",
        "METERBOT_PUSH_TOKEN": PUSH_TOKEN,
        "PATH": "/usr/bin:/home/ana/my programs",
    }
    text = settings.write({**env, "AWS_SECRET_ACCESS_KEY": "not ours", "NO_PROXY": ""})
    assert settings.read(written(tmp_path / "push.env", text)) == env


def test_blank_lines_and_comments_say_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "push.env", "# the team's\n\nMETERBOT_URL=https://x.example\n")
    assert settings.read(path) == {"METERBOT_URL": "https://x.example"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "push.env", f"METERBOT_PUSH_TOKEN={PUSH_TOKEN}\n", mode)
    with pytest.raises(SetupError, match="chmod 600") as refused:
        settings.read(path)
    assert PUSH_TOKEN not in str(refused.value)


@pytest.mark.parametrize("text", [PUSH_TOKEN, f"export METERBOT_PUSH_TOKEN={PUSH_TOKEN}", f"={PUSH_TOKEN}"])
def test_a_line_that_sets_nothing_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(SetupError, match="NAME=VALUE") as refused:
        settings.read(written(tmp_path / "push.env", text))
    assert PUSH_TOKEN not in str(refused.value)


def test_a_file_that_is_not_there_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="`meterbot push install` writes it"):
        settings.read(tmp_path / "push.env")


def test_a_line_break_in_a_value_does_not_become_a_setting() -> None:
    with pytest.raises(SetupError, match="METERBOT_URL holds a line break"):
        settings.write({"METERBOT_URL": "https://x.example\nMETERBOT_ALLOW_HTTP=1"})
