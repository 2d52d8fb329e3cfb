import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core import secret

SECRETS = [
    "sk-ant-sid01-AAAA_bbbb-CCCC",
    "sk-ant-oat01-AAAA_bbbb-CCCC",
    "sk-ant-admin01-AAAA",
    "xoxb-1111-2222-abcDEF",
    "xoxp-1111-2222-abcDEF",
    "xapp-1-A111-2222-abcdef",
    "MTExMTExMTExMTExMTExMTEx.GplntD.planted-discord-token-planted-0000",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
]


@pytest.mark.parametrize("value", SECRETS)
@pytest.mark.parametrize(
    "frame", ["{}", "key={}", "'{}'", '{{"a": "{}"}}', "({}, 1)", "before {} after", "{}\nnext"]
)
def test_what_is_shaped_like_a_secret_is_hidden_wherever_it_is(value: str, frame: str) -> None:
    text = frame.format(value)
    assert secret.hide(text) == frame.format(secret.HIDDEN)
    assert secret.looks_secret(text)


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("sessionKey=abc; lastActiveOrg=o", "sessionKey=[hidden]; lastActiveOrg=o"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("{'Authorization': 'Bot abc.def'}", "{'Authorization': 'Bot [hidden]'}"),
        ('{"authorization": "Basic dTpw"}', '{"authorization": "Basic [hidden]"}'),
        ("('authorization', 'abcdef')", "('authorization', '[hidden]')"),
        ("sent Bearer abcdefghijklmnopqrstuvwxyz", "sent Bearer [hidden]"),
        ("postgresql://ana:pw@db.example/x", "postgresql://ana:[hidden]@db.example/x"),
        ("postgres://:pw@db/x", "postgres://:[hidden]@db/x"),
        ("connect(user='u', password='pw')", "connect(user='u', password='[hidden]')"),
        (
            "wss://wss.slack.com/link/?ticket=abc&app_id=1",
            "wss://wss.slack.com/link/?ticket=[hidden]&app_id=1",
        ),
        (
            "https://hooks.slack.com/commands/T1/2/abc failed",
            "https://hooks.slack.com/commands/[hidden] failed",
        ),
        ("PATCH /api/v10/webhooks/12/aW50/messages", "PATCH /api/v10/webhooks/12/[hidden]/messages"),
        ("POST /interactions/12/aW50/callback", "POST /interactions/12/[hidden]/callback"),
        ("ana.b+c@mail.example.com wrote", "[e-mail] wrote"),
    ],
)
def test_what_is_secret_for_its_place_is_hidden(text: str, hidden: str) -> None:
    assert secret.hide(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "the bot restarted; a bearer of news",
        "http://127.0.0.1:8080/healthz",
        "https://claude.ai/api/organizations/00000000-0000-4000-8000-000000000001/usage",
        "2026-11-20T14:53:09.484990Z",
        "sqlite+aiosqlite:///meterbot.db",
        "slack_sdk.socket_mode.aiohttp: session 1234567890 is new",
        "claude-sonnet-4-5-20250929.some.thing",
        "@here a team of 5 @ 10:00",
        '{"url":"http://a:8080","who":"b@c"}',
    ],
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert secret.hide(text) == text
    assert not secret.looks_secret(text)


@given(st.text(min_size=6), st.text(), st.text())
def test_a_remembered_value_is_never_shown_again(value: str, before: str, after: str) -> None:
    secret.forget_all()
    secret.remember(value)
    assert value not in secret.hide(before + value + after) or value in secret.HIDDEN


def test_a_remembered_value_is_hidden_as_part_of_an_address_too() -> None:
    secret.remember("p&ss/w:rd")
    assert secret.hide("x?key=p%26ss%2Fw%3Ard&y=p&ss/w:rd") == "x?key=[hidden]&y=[hidden]"


def test_of_two_remembered_values_the_longer_goes_whole() -> None:
    secret.remember("abcdef")
    secret.remember("abcdef-ghijkl")
    assert secret.hide("abcdef-ghijkl abcdef") == "[hidden] [hidden]"


def test_a_value_too_short_to_be_a_secret_does_not_blot_out_words() -> None:
    secret.remember("ana")
    assert secret.hide("bananas") == "bananas"
