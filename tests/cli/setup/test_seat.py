"""The step of `meterbot init` for a seat that is read with the sign-in on this machine."""

from pathlib import Path

import pytest

from tests.e2e import process
from tests.e2e.terminal import sitting_at

WORDS = ("--console", "--seat", "ana", "--source", "claude_code", "--plan", "pro", "--timezone", "UTC")


async def test_a_person_may_sign_in_to_claude_code_and_go_on(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    async with sitting_at("init", *WORDS, "--offline", environ=home, cwd=tmp_path) as screen:
        await screen.sees("Claude Code is not signed in here: run `claude` and type /login")
        (tmp_path / ".claude").mkdir()
        (tmp_path / ".claude/.credentials.json").write_text("{}")
        await screen.answers("Look again, once you are signed in?", "y")
        assert await screen.ended() == 0, screen.shown
    assert 'source = "claude_code"' in (tmp_path / "config.toml").read_text()


async def test_a_script_without_a_sign_in_is_told_how_to_make_one(tmp_path: Path) -> None:
    ended = await process.meterbot("init", *WORDS, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert (ended.status, "run `claude` and type /login" in ended.stderr) == (1, True)
    assert not (tmp_path / "config.toml").exists()


async def test_a_set_up_for_another_machine_needs_no_sign_in_on_this_one(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    ended = await process.meterbot("init", *WORDS, "--offline", environ=home, cwd=tmp_path)
    assert (ended.status, ended.stderr) == (0, "")
    assert "Claude Code is not signed in here" in ended.stdout
    assert 'source = "claude_code"' in (tmp_path / "config.toml").read_text()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://127.0.0.2:8080",
            "must begin with https://, because over http anyone on the way could read the token",
        ),
        (
            "http://meterbot.example.com",
            "must begin with https://, because over http anyone on the way could read the token",
        ),
        ("https://meterbot.example.com/?x=1", "must be"),
    ],
)
async def test_only_an_address_that_the_agent_takes_is_written(url: str, said: str, tmp_path: Path) -> None:
    words = ("--console", "--seat", "ana", "--source", "push", "--url", url, "--timezone", "UTC", "--offline")
    ended = await process.meterbot("init", *words, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert (ended.status, said in ended.stderr) == (2, True), ended.stderr
    assert not (tmp_path / "config.toml").exists()
