"""Reading Claude Code's own file: what a token is, and every way there is none."""

import json
import traceback
from contextlib import nullcontext as does_not_raise
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.sources.claude_login import Login, login_of, read_login
from meterbot.sources.responses import Cause, SourceError

TOKEN = "sk-ant-oat01-planted-0123456789abcdefghij"
REFRESH = "sk-ant-ort01-planted-0123456789abcdefghij"
NOW = datetime(2026, 4, 20, tzinfo=UTC)

SIGNED_IN = {
    "accessToken": TOKEN,
    "refreshToken": REFRESH,
    "expiresAt": 1_776_672_000_000,
    "scopes": ["user:inference", "user:profile"],
    "subscriptionType": "max",
}


def refusal(document: object, now: datetime = NOW) -> SourceError:
    with pytest.raises(SourceError) as caught:
        login_of(document).check(now)
    return caught.value


def test_the_token_is_read_with_its_end_and_its_scopes(tmp_path: Path) -> None:
    path = tmp_path / ".credentials.json"
    path.write_text(json.dumps({"claudeAiOauth": SIGNED_IN, "mcpOAuth": {}}))
    path.chmod(0o400)
    before = path.stat()
    login = read_login(path)
    assert login.token == TOKEN
    assert login.expires_at == datetime(2026, 4, 20, 8, tzinfo=UTC)
    assert login.scopes == ("user:inference", "user:profile")
    login.check(NOW)
    assert (path.stat().st_mtime_ns, [*tmp_path.iterdir()]) == (before.st_mtime_ns, [path])


def test_a_token_is_good_until_it_ends_and_not_at_that_moment() -> None:
    login = Login(TOKEN, expires_at=NOW)
    login.check(NOW - timedelta(milliseconds=1))
    with pytest.raises(
        SourceError, match="expired at 2026-04-20 00:00 UTC: run `claude` once on that machine"
    ):
        login.check(NOW)


@pytest.mark.parametrize(
    "end", [None, True, "soon", "1776672000000", 0, -1, 1e300, float("nan"), 10**40, [], {}]
)
def test_an_end_that_is_no_time_is_unknown(end: object) -> None:
    assert login_of({"claudeAiOauth": {**SIGNED_IN, "expiresAt": end}}).expires_at is None


@pytest.mark.parametrize("scopes", [None, [], "user:inference", 3])
def test_scopes_that_are_not_reported_are_unknown(scopes: object) -> None:
    login = login_of({"claudeAiOauth": {**SIGNED_IN, "scopes": scopes}})
    assert login.scopes is None
    with does_not_raise():
        login.check(NOW)


@pytest.mark.parametrize(
    ("document", "trouble", "sentence"),
    [
        ({"mcpOAuth": {"x": {}}}, Cause.SESSION, "only sign-ins of MCP servers"),
        ({}, Cause.SESSION, "holds no sign-in"),
        ([], Cause.SESSION, "holds no sign-in"),
        (None, Cause.SESSION, "holds no sign-in"),
        ({"claudeAiOauth": None}, Cause.SESSION, "holds no sign-in"),
        ({"claudeAiOauth": {**SIGNED_IN, "accessToken": ""}}, Cause.SESSION, "an empty token"),
        ({"claudeAiOauth": {**SIGNED_IN, "accessToken": " \n"}}, Cause.SESSION, "an empty token"),
        ({"claudeAiOauth": {**SIGNED_IN, "accessToken": None}}, Cause.SESSION, "an empty token"),
        (
            {"claudeAiOauth": {**SIGNED_IN, "scopes": ["user:inference"]}},
            Cause.SCOPE,
            "lacks the scope user:profile",
        ),
    ],
)
def test_a_file_without_a_token_to_read_with_says_what_to_do(
    document: object, trouble: Cause, sentence: str
) -> None:
    error = refusal(document)
    assert error.cause is trouble
    assert sentence in error.sentence
    assert trouble is Cause.SCOPE or "run `claude` once on that machine" in error.sentence


@pytest.mark.parametrize("text", ["", "{", f'{{"claudeAiOauth": {{"accessToken": "{TOKEN}"', "[" * 200_000])
def test_a_file_half_written_is_no_sign_out(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(SourceError, match="not JSON") as caught:
        read_login(path)
    assert caught.value.cause is Cause.UNREADABLE
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_file_that_is_not_there_or_cannot_be_read_is_distinguished(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no credentials file: run `claude`") as caught:
        read_login(tmp_path / "none.json")
    assert caught.value.cause is Cause.SESSION
    with pytest.raises(SourceError, match="cannot be read: Is a directory") as caught:
        read_login(tmp_path)
    assert caught.value.cause is Cause.DENIED


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(_json, st.sampled_from(["", *SIGNED_IN]))
def test_whatever_is_there_is_a_sign_in_or_a_sentence(value: object, place: str) -> None:
    held = value if place == "" else {**SIGNED_IN, place: value}
    said = ""
    try:
        login = login_of({"claudeAiOauth": held})
        said = "" if login.token.strip() else "nothing"
        login.check(NOW)
    except SourceError as error:
        said = error.sentence
    assert TOKEN not in said
    assert said != "nothing"


def test_a_sign_in_does_not_show_its_token() -> None:
    assert TOKEN not in repr(Login(TOKEN))
