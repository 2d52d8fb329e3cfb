"""The seats: what each source needs, and what it has no use for."""

import json
from pathlib import Path

import pytest

from meterbot.app.config import Config
from meterbot.app.config.seats import AdminApiSeat, ClaudeCodeSeat
from tests.app.config.writing import ANA, SESSION_KEY, loaded, only_seat, problems

# Seats that are read with the sign-in of Claude Code.


TOKEN = "sk-ant-oat01-planted-0123456789abcdefghij"
BO = '[[seats]]\nname = "bo"\nsource = "claude_code"\n'


def home(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who is signed in to Claude Code."""
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude/.credentials.json").write_text(json.dumps({"claudeAiOauth": {"accessToken": TOKEN}}))
    return {"HOME": str(tmp_path), "BO_TOKEN": TOKEN}


def the_seat(config: Config) -> tuple[str | None, str | None]:
    seat = only_seat(config, ClaudeCodeSeat)
    file = None if seat.credentials_file is None else str(seat.credentials_file)
    return file, None if seat.token is None else seat.token.get_secret_value()


def test_the_source_is_available_and_asked_every_quarter_of_an_hour(tmp_path: Path) -> None:
    (seat,) = loaded(f'{BO}token_env = "BO_TOKEN"\nrenews_on = 31', home(tmp_path)).seat_list()
    assert (seat.source, seat.interval, seat.renews_on) == ("claude_code", 900.0, 31)


@pytest.mark.parametrize(
    "name", ["~/.claude/.credentials.json", ".claude/.credentials.json", "{home}/.claude/.credentials.json"]
)
def test_the_file_is_found_from_home_from_the_configuration_and_from_the_root(
    tmp_path: Path, name: str
) -> None:
    environ = home(tmp_path)
    config = loaded(f'{BO}credentials_file = "{name.format(home=tmp_path)}"', environ, tmp_path)
    assert the_seat(config) == (f"{tmp_path}/.claude/.credentials.json", None)
    assert TOKEN not in repr(config)


def test_a_token_of_ones_own_file_is_found_again_wherever_it_is(tmp_path: Path) -> None:
    (tmp_path / "bo").write_text(f"{TOKEN}\n")
    config = loaded(f'{BO}token_file = "bo"', {}, tmp_path)
    assert the_seat(config) == (None, TOKEN)
    token = only_seat(config, ClaudeCodeSeat).token
    assert token is not None
    assert token.file == tmp_path / "bo"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BO, "1:3 seats[0].token: is missing: there is none of token_env, token_file, credentials_file"),
        (
            f'{BO}credentials_file = "none.json"',
            "4:1 seats[0].credentials_file: the file it names cannot be read: No such file or directory",
        ),
        (
            f'{BO}credentials_file = "~/.claude"',
            "4:1 seats[0].credentials_file: the file it names cannot be read: Is a directory",
        ),
        (f'{BO}token_env = "NOT_SET"', "4:1 seats[0].token_env: the environment variable NOT_SET is not set"),
        (
            f'{BO}token_env = "BO_TOKEN"\ncredentials_file = "~/.claude/.credentials.json"',
            "5:1 seats[0].credentials_file: is set together with a token: keep one of the two",
        ),
        (f'{BO}token = "{TOKEN}"', "4:1 seats[0].token: a secret is never written in this file: use"),
        (f'{BO}token_env = "BO_TOKEN"\nsession_key_env = "BO_TOKEN"', "5:1 seats[0].session_key_env: is not"),
        (
            f'{BO}token_env = "BO_TOKEN"\npoll_interval = "4m"',
            '5:1 seats[0].poll_interval: must be at least "300s": Anthropic refuses more frequent requests',
        ),
        (
            f'{BO}token_env = "BO_TOKEN"\nrenews_on = 0',
            "5:1 seats[0].renews_on: must be a number from 1 to 31",
        ),
        (
            f'{BO}token_env = "BO_TOKEN"\nrenews_on = 32',
            "5:1 seats[0].renews_on: must be a number from 1 to 31",
        ),
        (
            f'{BO}token_env = "BO_TOKEN"\nrenews_on = true',
            "5:1 seats[0].renews_on: must be a number from 1 to 31",
        ),
        (
            f'{BO}token_env = "BO_TOKEN"\nrenews_on = "14"',
            "5:1 seats[0].renews_on: must be a number from 1 to 31",
        ),
    ],
)
def test_what_is_wrong_is_said_once(tmp_path: Path, text: str, problem: str) -> None:
    (said,) = problems(text, home(tmp_path), tmp_path)
    assert said.startswith(problem)
    assert TOKEN not in said


def test_a_relay_may_be_asked_more_often(tmp_path: Path) -> None:
    text = (
        f'[endpoints]\nanthropic_api = "http://127.0.0.1:1"\n{BO}token_env = "BO_TOKEN"\npoll_interval = "1s"'
    )
    assert loaded(text, home(tmp_path)).seat_list()[0].interval == 1.0


def test_a_seat_that_knows_its_renewal_is_not_told_it() -> None:
    said = problems(f"{ANA}renews_on = 14", {"ANA_SESSION_KEY": SESSION_KEY})
    assert said == ["6:1 seats[0].renews_on: is not for claude_ai seats"]


# A seat that is an API organization: what it needs, and what it has no use for.


KEY = "sk-ant-admin01-planted-0123456789abcdefghij"
API = """
[[seats]]
name = "team-api"
source = "admin_api"
"""
ENVIRON = {"ADMIN": KEY}


def test_an_organization_is_read_every_fifteen_minutes_and_names_nobody() -> None:
    config = loaded(f'{API}token_env = "ADMIN"', ENVIRON)
    seat = only_seat(config, AdminApiSeat)
    assert (config.seat_list()[0].interval, seat.store_emails) == (900.0, False)
    assert seat.token.get_secret_value() == KEY
    assert KEY not in repr(config)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("", "seats[0].token: is missing: there is none of token_env, token_file"),
        (
            'poll_interval = "30s"',
            'seats[0].poll_interval: must be at least "60s": Anthropic refuses more frequent requests',
        ),
        ('plan = "pro"', "seats[0].plan: is not for admin_api seats"),
        ('plan_price = "20"', "seats[0].plan_price: is not for admin_api seats"),
        ("renews_on = 3", "seats[0].renews_on: is not for admin_api seats"),
        ('session_key_env = "ADMIN"', "seats[0].session_key_env: is not for admin_api seats"),
        ('store_emails = "yes"', "seats[0].store_emails: "),
    ],
)
def test_what_is_wrong_is_said(line: str, problem: str) -> None:
    token = 'token_env = "ADMIN"' if line else ""
    (problem_text,) = problems(f"{API}{token}\n{line}", ENVIRON)
    assert problem in problem_text


def test_only_an_organization_can_be_told_to_store_emails() -> None:
    seat = '[[seats]]\nname = "ana"\nsource = "claude_ai"\nsession_key_env = "ADMIN"\nstore_emails = true'
    (problem_text,) = problems(seat, ENVIRON)
    assert "seats[0].store_emails: is not for claude_ai seats" in problem_text
