"""The first five minutes: `meterbot init`, `meterbot run`, an alert in the channel; typed and by flags."""

import asyncio
import json
import os
import re
import stat
import sys
from pathlib import Path

import pytest
import tomli

from meterbot.app.config import load
from tests.e2e import process
from tests.e2e.team import (
    APP_TOKEN,
    BOT_TOKEN,
    DISCORD_TOKEN,
    SECRETS,
    SESSION_KEYS,
    Team,
    team,
)
from tests.e2e.terminal import Screen, sitting_at
from tests.simulator.slack_faults import hanging, refused

KEY = SESSION_KEYS["ana"]


def endpoints(three: Team) -> list[str]:
    named = {
        "slack_api": three.slack.api_url,
        "discord_api": three.discord.api_url,
        "claude_ai": three.claude.url,
    }
    return [word for name, url in named.items() for word in ("--endpoint", f"{name}={url}")]


def files(folder: Path) -> dict[str, int]:
    """Path → mode, of everything that is not the database."""
    found = (path for path in folder.rglob("*") if path.is_file() and "meterbot.db" not in path.name)
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in found}


def text_of(folder: Path) -> str:
    return (folder / "config.toml").read_text("utf-8")


def nothing_told(told: str) -> None:
    assert [secret for secret in SECRETS if secret in told] == []


async def typed_so_far(screen: Screen, three: Team) -> None:
    """The answers up to Slack's channel."""
    await screen.answers("Where should alerts go", "slack")
    await screen.sees("https://api.slack.com/apps?new_app=1&manifest_yaml=")
    await screen.sees("im%3Awrite")
    await screen.answers("bot token (xoxb-…)", BOT_TOKEN)
    await screen.sees("slack_token: Slack knows the bot")
    await screen.answers("app-level token", APP_TOKEN)
    await screen.answers("channel's id", three.slack.channel)


async def test_typed_from_nothing_to_an_alert_in_the_channel(tmp_path: Path) -> None:
    async with team() as three:
        async with sitting_at("init", *endpoints(three), cwd=tmp_path) as screen:
            await typed_so_far(screen, three)
            await screen.answers("seat's name", "ana")
            await screen.answers("[push]", "claude_ai")
            await screen.answers("access to the whole account", KEY)
            await screen.sees("seat_read: ana was read")
            assert files(tmp_path) == {}
            await screen.answers("Its plan", "max_20x")
            await screen.answers("Slack member id", "ana")
            await screen.sees("must be a member id")
            await screen.answers("Slack member id", "U0ANA")
            await screen.answers("next seat's name", "ana")
            await screen.sees("already the name of a seat")
            await screen.answers("next seat's name", "bo")
            await screen.answers("[push]", "push")
            await screen.answers("Its plan", "pro")
            await screen.answers("Slack member id", "")
            await screen.answers("machines reach this bot", "http://meterbot.example.com")
            await screen.sees("must begin with https://")
            await screen.answers("machines reach this bot", "https://meterbot.example.com")
            await screen.answers("next seat's name", "")
            await screen.answers("time zone", "Europe/Berlin")
            await screen.sees("METERBOT_URL=https://meterbot.example.com METERBOT_PUSH_TOKEN=mbpush_")
            await screen.sees("test_alert: slack")
            await screen.sees(f"Next, start the bot:\n\n    {sys.executable} -m meterbot run\n")
            assert await screen.ended() == 0
        nothing_told(screen.shown + text_of(tmp_path))
        ana, bo = tomli.loads(text_of(tmp_path))["seats"]
        assert (ana["plan"], ana["owner"], bo["plan"], "owner" in bo) == (
            "max_20x",
            {"slack": "U0ANA"},
            "pro",
            False,
        )
        assert three.on_slack() == ["Test: meterbot's alerts arrive here. Nothing has happened."]
        assert files(tmp_path) == dict.fromkeys(
            (
                "config.toml",
                "secrets/slack-bot-token",
                "secrets/slack-app-token",
                "secrets/ana-session-key",
                "secrets/secret-key",
            ),
            0o600,
        )
        assert text_of(tmp_path).startswith("#:schema file:///")
        three.spend("ana", "60.00")
        async with process.started("run", cwd=tmp_path) as bot:
            await three.slack.until(lambda: len(three.slack.messages()) > 1, seconds=process.SECONDS)
            ended = await process.stop(bot)
        nothing_told(ended.stdout + ended.stderr)
        assert "ana" in three.on_slack()[1]


async def test_by_flags_with_a_seat_that_pushes(tmp_path: Path) -> None:
    async with team() as three:
        environ = {"SLACK_BOT_TOKEN": BOT_TOKEN, "DISCORD": DISCORD_TOKEN}
        (tmp_path / "app-token").write_text(f"{APP_TOKEN}\n")
        flags = (
            *("--slack", "--slack-channel", three.slack.channel, "--slack-app-token-file", "app-token"),
            *("--discord", "--discord-channel", three.discord.channel_id, "--discord-token-env", "DISCORD"),
            *("--seat", "ana", "--plan", "max_20x", "--url", "http://127.0.0.1:8080", "--timezone", "UTC"),
        )
        ended = await process.meterbot("init", *flags, *endpoints(three), environ=environ, cwd=tmp_path)
        assert ended.status == 0, ended.stdout + ended.stderr
        nothing_told(ended.stdout + ended.stderr + text_of(tmp_path))
        config = load(None, environ, tmp_path)
        assert config.discord is not None
        assert str(config.discord.guild_id) == three.discord.guild_id
        assert f"client_id={three.discord.application_id}" in ended.stdout
        (token,) = set(re.findall(r"METERBOT_PUSH_TOKEN=(mbpush_\S+)", ended.stdout))
        assert token not in text_of(tmp_path)
        assert three.on_discord() == ["Test: alerts arrive here"]
        listed = await process.meterbot("seat", "list", "--json", environ=environ, cwd=tmp_path)
        assert json.loads(listed.stdout)[0]["token_made_at"] is not None


def test_the_readme_needs_four_commands_at_most() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    (commands,) = re.findall(r"^## Install\n\n.*\n\n((?: {4}.*\n)+)", readme, re.MULTILINE)
    assert len(commands.splitlines()) <= 4
    assert [line.split()[-1] for line in commands.splitlines()[-2:]] == ["init", "run"]


async def test_a_key_that_is_renewed_while_it_is_tried_is_kept_for_the_bot(tmp_path: Path) -> None:
    async with team() as three:
        three.accounts["ana"].rotate_to.append(f"{KEY}-renewed")
        flags = ("--console", "--seat", "ana", "--source", "claude_ai", "--credential-env", "ANA")
        words = ("init", *flags, *endpoints(three), "--timezone", "UTC")
        ended = await process.meterbot(*words, environ={"ANA": KEY}, cwd=tmp_path)
        assert ended.status == 0, ended.stdout + ended.stderr
        assert (
            "renewed the session key of ana when it was read; the new one is in the database" in ended.stdout
        )
        nothing_told(ended.stdout + ended.stderr + text_of(tmp_path))
        read = await process.meterbot("snapshot", environ={"ANA": KEY}, cwd=tmp_path)
        assert read.status == 0, read.stdout + read.stderr


async def test_a_key_that_is_renewed_with_the_bot_elsewhere_has_to_be_copied_again(tmp_path: Path) -> None:
    async with team() as three:
        three.accounts["ana"].rotate_to.append(f"{KEY}-renewed")
        flags = ("--console", "--seat", "ana", "--source", "claude_ai", "--credential-env", "ANA")
        words = ("init", *flags, *endpoints(three), "--timezone", "UTC", "--keep", "environment")
        ended = await process.meterbot(*words, environ={"ANA": KEY}, cwd=tmp_path)
        assert ended.status == 0, ended.stdout + ended.stderr
        assert "the new one cannot be stored: the database is elsewhere" in ended.stdout
        assert "secret-key` prints a value for METERBOT_SECRET_KEY." in ended.stdout
        assert os.listdir(tmp_path) == ["config.toml"]  # noqa: PTH208 - a list


async def test_on_the_terminal_the_test_alert_says_what_posted_it_and_where_it_is(tmp_path: Path) -> None:
    words = ("--console", "--seat", "ana", "--url", "http://127.0.0.1:8080", "--timezone", "UTC")
    ended = await process.meterbot("init", *words, cwd=tmp_path)
    assert "Somebody ran `meterbot init`." in ended.stdout
    assert "A test alert is above." in ended.stdout


# --- again ----------------------------------------------------------------------------------------------------------


async def test_again_it_adds_a_further_seat_and_leaves_the_rest_as_it_is(tmp_path: Path) -> None:
    async with team() as three:
        first = ("--console", "--seat", "ana", "--url", "http://127.0.0.1:8080", "--timezone", "UTC")
        assert (await process.meterbot("init", *first, cwd=tmp_path)).status == 0
        path = tmp_path / "config.toml"
        edited = path.read_text().replace("[console]", "# mine\n[console]")
        path.write_text(edited)
        second = ("--seat", "bo", "--source", "claude_ai", "--credential-env", "BO", *endpoints(three)[4:])
        environ = {"BO": SESSION_KEYS["bo"]}
        ended = await process.meterbot("init", *second, environ=environ, cwd=tmp_path)
        assert ended.status == 0, ended.stdout + ended.stderr
        text = text_of(tmp_path)
        assert [line for line in edited.splitlines() if line not in text.splitlines()] == []
        assert [one["name"] for one in tomli.loads(text)["seats"]] == ["ana", "bo"]
        assert "Restart a bot that already runs with it" in ended.stdout
        third = await process.meterbot("init", *first, environ=environ, cwd=tmp_path)
        assert (third.status, text_of(tmp_path)) == (0, text)
        assert "nothing was posted" in third.stdout
        assert "test_alert" not in third.stdout


async def test_the_public_url_that_is_configured_is_that_of_a_further_seat(tmp_path: Path) -> None:
    url = "https://meterbot.example.com"
    text = f'[http]\npublic_url = "{url}"\n[[seats]]\nname = "ana"\nsource = "push"\n'
    (tmp_path / "config.toml").write_text(text)
    ended = await process.meterbot("init", "--console", "--seat", "cleo", "--source", "push", cwd=tmp_path)
    assert (ended.status, f"METERBOT_URL={url} " in ended.stdout) == (0, True), ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("zone", "said"),
    [("Mars/X", "must be an IANA time zone"), ("Asia/Tokyo", 'already has timezone = "Europe/Berlin"')],
)
async def test_a_time_zone_that_cannot_be_or_is_not_that_of_the_file_is_an_error(
    tmp_path: Path, zone: str, said: str
) -> None:
    text = 'timezone = "Europe/Berlin"\n[[seats]]\nname = "ana"\nsource = "push"\n'
    (tmp_path / "config.toml").write_text(text)
    ended = await process.meterbot("init", "--seat", "cleo", "--timezone", zone, cwd=tmp_path)
    assert (ended.status, said in ended.stderr, text_of(tmp_path)) == (2, True, text), ended.stderr


async def test_a_file_that_is_there_is_used_and_not_overwritten(tmp_path: Path) -> None:
    async with team() as three:
        (tmp_path / "secrets").mkdir()
        for name, token in (("slack-bot-token", BOT_TOKEN), ("slack-app-token", APP_TOKEN)):
            (tmp_path / "secrets" / name).write_text(token)
        flags = ("--slack", "--slack-channel", three.slack.channel, "--seat", "ana", *endpoints(three))
        ended = await process.meterbot("init", *flags, "--url", "http://127.0.0.1:8080", cwd=tmp_path)
        assert ended.status == 0, ended.stdout + ended.stderr
        assert (tmp_path / "secrets/slack-bot-token").read_text() == BOT_TOKEN


async def test_tokens_kept_in_the_environment_are_named_and_the_seat_needs_no_database_here(
    tmp_path: Path,
) -> None:
    async with team() as three:
        async with sitting_at("init", "--keep", "environment", *endpoints(three), cwd=tmp_path) as screen:
            await screen.answers("Where should alerts go", "slack")
            await screen.answers("bot token (xoxb-…)", BOT_TOKEN)
            await screen.answers("app-level token", APP_TOKEN)
            await screen.answers("channel's id", three.slack.channel)
            await screen.answers("seat's name", "ana")
            await screen.answers("[push]", "push")
            await screen.answers("Its plan", "other")
            await screen.answers("Slack member id", "")
            await screen.answers("machines reach this bot", "https://meterbot.example.com")
            await screen.answers("next seat's name", "")
            await screen.answers("time zone", "UTC")
            await screen.sees("SLACK_BOT_TOKEN=… SLACK_APP_TOKEN=…")
            assert await screen.ended() == 0
        nothing_told(screen.shown + text_of(tmp_path))
        assert [*files(tmp_path)] == ["config.toml"]
        (seat,) = tomli.loads(text_of(tmp_path))["seats"]
        assert re.fullmatch("[0-9a-f]{64}", seat["push_token_sha256"])


# --- what goes wrong ------------------------------------------------------------------------------------------------


async def test_a_wrong_token_and_a_missing_invitation_are_reported_and_asked_again(tmp_path: Path) -> None:
    async with team() as three:
        three.slack.channels[three.slack.channel].member = False
        async with sitting_at("init", *endpoints(three), cwd=tmp_path) as screen:
            await screen.answers("Where should alerts go", "slack")
            await screen.answers("bot token (xoxb-…)", APP_TOKEN)
            await screen.sees("xoxb- for the bot")
            await screen.answers("bot token (xoxb-…)", BOT_TOKEN)
            await screen.answers("app-level token", APP_TOKEN)
            await screen.answers("channel's id", "claude-spend")
            await screen.sees("must be the id of a channel")
            await screen.answers("channel's id", three.slack.channel)
            await screen.sees("/invite the bot to the channel")
            three.slack.channels[three.slack.channel].member = True
            await screen.answers("channel's id", "")
            await screen.sees("slack_channel: the bot is in")
        nothing_told(screen.shown)


async def test_a_session_key_that_is_refused_is_asked_for_again_or_kept_all_the_same(tmp_path: Path) -> None:
    async with team() as three:
        flags = ("init", "--keep", "files", "--console", "--timezone", "UTC", "--source", "claude_ai")
        async with sitting_at(*flags, "--seat", "ana", *endpoints(three)[4:], cwd=tmp_path) as screen:
            await screen.answers("access to the whole account", "sk-ant-sid01-another")
            await screen.sees("fail  ana: session expired")
            await screen.answers("Keep it anyway?", "n")
            await screen.answers("access to the whole account", KEY)
            await screen.sees("seat_read: ana was read")
            assert files(tmp_path) == {}
            await screen.answers("Its plan", "max_20x")
            assert await screen.ended() == 0
        assert (tmp_path / "secrets/ana-session-key").read_text() == f"{KEY}\n"
        async with sitting_at(*flags, "--seat", "bo", cwd=tmp_path) as screen:
            await screen.answers("access to the whole account", "sk-ant-sid01-another")
            await screen.answers("Keep it anyway?", "y")
            await screen.answers("Its plan", "pro")
            assert await screen.ended() == 0
        assert [one.name for one in load(None, {}, tmp_path).seats] == ["ana", "bo"]


@pytest.mark.parametrize("question", ["bot token (xoxb-…)", "seat's name"])
async def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, question: str) -> None:
    async with team() as three:
        async with sitting_at("init", *endpoints(three), cwd=tmp_path) as screen:
            if question == "seat's name":
                await typed_so_far(screen, three)
            else:
                await screen.answers("Where should alerts go", "slack")
            await screen.interrupts(question)
            await screen.sees("ended before anything was written")
            assert await screen.ended() == 1
        nothing_told(screen.shown)
        assert files(tmp_path) == {}
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - a list


async def test_ctrl_c_while_the_test_alert_is_posted_leaves_a_whole_configuration(tmp_path: Path) -> None:
    async with team() as three:
        three.slack.fail("chat.postMessage", hanging(asyncio.Event()))
        async with sitting_at("init", *endpoints(three), cwd=tmp_path) as screen:
            await typed_so_far(screen, three)
            await screen.answers("seat's name", "ana")
            await screen.answers("[push]", "push")
            await screen.answers("Its plan", "")
            await screen.answers("Slack member id", "")
            await screen.answers("machines reach this bot", "")
            await screen.answers("next seat's name", "")
            await screen.answers("time zone", "Mars/Olympus")
            await screen.sees("must be an IANA time zone")
            await screen.answers("time zone", "UTC")
            await screen.sees("METERBOT_PUSH_TOKEN=")
            await three.slack.until(lambda: three.slack.called("chat.postMessage"), seconds=process.SECONDS)
            await screen.interrupts("meterbot push --every 15m")
            await screen.sees("The configuration is complete")
            assert await screen.ended() == 1
        assert load(None, {}, tmp_path).seats


async def test_in_a_script_what_is_missing_names_its_flag(tmp_path: Path) -> None:
    ended = await process.meterbot("init", "--slack", cwd=tmp_path)
    assert (ended.status, "--slack-bot-token-env or --slack-bot-token-file" in ended.stderr) == (2, True)
    assert files(tmp_path) == {}


async def test_in_a_script_a_token_that_is_refused_ends_it_with_nothing_written(tmp_path: Path) -> None:
    async with team() as three:
        three.slack.fail("auth.test", refused("token_revoked"))
        ended = await process.meterbot(
            "init", "--slack", *endpoints(three), environ={"SLACK_BOT_TOKEN": BOT_TOKEN}, cwd=tmp_path
        )
    assert (ended.status, "token_revoked -> the token was revoked" in ended.stderr) == (1, True)
    nothing_told(ended.stdout + ended.stderr)
    assert files(tmp_path) == {}


async def test_a_seat_that_cannot_be_read_is_not_written(tmp_path: Path) -> None:
    async with team() as three:
        three.accounts["ana"].signed_in = False
        flags = ("--console", "--seat", "ana", "--source", "claude_ai", "--credential-env", "ANA")
        ended = await process.meterbot("init", *flags, *endpoints(three), environ={"ANA": KEY}, cwd=tmp_path)
    assert (ended.status, "Sign in to claude.ai and replace" in ended.stderr) == (1, True)
    nothing_told(ended.stdout + ended.stderr)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("text", ["seats = [", 'zone = "UTC"\n[[seats]]\nname = "ana"\nsource = "push"\n'])
async def test_a_configuration_that_is_wrong_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    ended = await process.meterbot("init", "--seat", "bo", "--url", "http://127.0.0.1:8080", cwd=tmp_path)
    assert ended.status == 2
    assert "config.toml" in ended.stderr
    assert text_of(tmp_path) == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--timezone", "Mars/Olympus"), "must be an IANA time zone"),
        (("--plan", "max20"), 'did you mean "max_20x"?'),
        (("--url", "meterbot.example.com"), "must be an address"),
        (("--url", "http://meterbot.example.com"), "must begin with https://"),
        (("--source", "claude_ai", "--credential-env", "GONE"), "GONE is not set"),
    ],
)
async def test_a_flag_that_cannot_be_is_bad_usage(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    flags = ("--console", "--seat", "ana", "--timezone", "UTC", *words)
    ended = await process.meterbot("init", *flags, "--offline", cwd=tmp_path)
    assert (ended.status, said in ended.stderr) == (2, True), ended.stderr
    assert files(tmp_path) == {}


async def test_a_place_that_takes_no_files_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("in the way")
    flags = ("--console", "--seat", "ana", "--source", "claude_ai", "--credential-env", "ANA", "--offline")
    ended = await process.meterbot("init", *flags, "--timezone", "UTC", environ={"ANA": KEY}, cwd=tmp_path)
    assert (ended.status, "secrets cannot be written: File exists" in ended.stderr) == (1, True), ended.stderr
    assert [*files(tmp_path)] == ["secrets"]


async def test_a_folder_that_cannot_be_written_to_is_reported_before_anything_is_asked(
    tmp_path: Path,
) -> None:
    ended = await process.meterbot("init", "--config", "/proc/self/config.toml", cwd=tmp_path)
    assert (ended.status, "/proc/self cannot be written to" in ended.stderr) == (1, True), ended.stderr


async def test_a_test_alert_that_fails_leaves_the_configuration_and_says_what_to_do(tmp_path: Path) -> None:
    async with team() as three:
        three.slack.fail("chat.postMessage", refused("restricted_action"))
        environ = {"SLACK_BOT_TOKEN": BOT_TOKEN, "SLACK_APP_TOKEN": APP_TOKEN}
        flags = ("--slack", "--slack-channel", three.slack.channel, "--seat", "ana")
        ended = await process.meterbot("init", *flags, *endpoints(three), environ=environ, cwd=tmp_path)
        assert (ended.status, "try again:\n\n    " in ended.stdout) == (1, True)
        assert "-m meterbot test-alert\n" in ended.stdout
        again = await process.meterbot("test-alert", environ=environ, cwd=tmp_path)
    assert (again.status, files(tmp_path)) == (0, {"config.toml": 0o600})
