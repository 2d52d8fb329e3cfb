"""A seat that is an API organization: what it needs, and what it has no use for."""

import pytest

from meterbot.app.config import AdminApiSeat
from tests.app.config.writing import loaded, only_seat, problems

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
    (told,) = problems(f"{API}{token}\n{line}", ENVIRON)
    assert problem in told


def test_only_an_organization_can_be_told_to_store_emails() -> None:
    seat = '[[seats]]\nname = "ana"\nsource = "claude_ai"\nsession_key_env = "ADMIN"\nstore_emails = true'
    (told,) = problems(seat, ENVIRON)
    assert "seats[0].store_emails: is not for claude_ai seats" in told
