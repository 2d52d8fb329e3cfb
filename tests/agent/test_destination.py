import asyncio
import json
from pathlib import Path

import pytest

from meterbot.agent.destination import Destination, from_environment, posting_address
from meterbot.agent.trouble import RefusedError, SetupError
from meterbot.core import secret
from tests.agent.rig import ACCESS, NOW, PUSH_TOKEN, Answered, Meterbot

ENV = {"METERBOT_URL": "https://meterbot.example.com", "METERBOT_PUSH_TOKEN": PUSH_TOKEN}


async def send(meterbot: Meterbot, *answers: Answered) -> str:
    meterbot.answers.extend(answers)
    destination = Destination(f"{meterbot.url}/api/v1/snapshots", PUSH_TOKEN)
    return await asyncio.to_thread(destination.send, b'{"a": 1}\n', NOW)


async def test_a_push_is_one_request_with_the_token_in_a_header(meterbot: Meterbot) -> None:
    assert await send(meterbot) == "sent, and stored by meterbot"
    (push,) = meterbot.pushes
    assert (push.headers["method"], push.path, push.body) == ("POST", "/api/v1/snapshots", b'{"a": 1}\n')
    assert push.headers["Authorization"] == f"Bearer {PUSH_TOKEN}"
    assert push.headers["Content-Type"] == "application/json"


async def test_what_meterbot_already_knew_is_no_failure(meterbot: Meterbot) -> None:
    assert await send(meterbot, Answered(200)) == "sent; meterbot already knew all of it"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "same version"),
        (401, "`meterbot seat add NAME`"),
        (403, "in front of meterbot"),
        (404, "check METERBOT_URL"),
        (405, "check METERBOT_URL"),
        (409, "another account"),
        (413, "too large"),
        (415, "same version"),
        (418, "something else"),
        (302, "final address"),
    ],
)
async def test_a_refusal_that_stays_says_what_a_person_does(
    meterbot: Meterbot, status: int, said: str
) -> None:
    with pytest.raises(RefusedError, match=said) as refused:
        await send(meterbot, Answered(status, {"Location": f"https://x.example/{ACCESS}"}, ACCESS))
    assert refused.value.final
    assert str(status) in str(refused.value)
    assert ACCESS not in str(refused.value)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 520])
async def test_a_refusal_for_now_is_worth_another_try(meterbot: Meterbot, status: int) -> None:
    with pytest.raises(RefusedError, match=str(status)) as refused:
        await send(meterbot, Answered(status, {"Retry-After": "77"}))
    assert not refused.value.final
    assert refused.value.retry_after == 77


async def test_a_refused_field_is_named(meterbot: Meterbot) -> None:
    told = {"error": f"fetched_at: is in the future {ACCESS}\x1b[2J", "field": "fetched_at"}
    with pytest.raises(RefusedError, match=r"\(422\): fetched_at: is in the future \[hidden\]") as refused:
        await send(meterbot, Answered(422, {}, json.dumps(told)))
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "<html>", "[]", '{"error": 3}', "[" * 50_000])
async def test_a_refusal_without_words_stands_alone(meterbot: Meterbot, text: str) -> None:
    with pytest.raises(RefusedError, match=r"\(422\)$"):
        await send(meterbot, Answered(422, {}, text))


def test_the_token_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"  {PUSH_TOKEN}\n")
    file = {"METERBOT_URL": ENV["METERBOT_URL"], "METERBOT_PUSH_TOKEN_FILE": str(tmp_path / "token")}
    assert from_environment(ENV).token == from_environment(file).token == PUSH_TOKEN
    assert PUSH_TOKEN not in repr(from_environment(ENV))
    assert secret.hide(f"it is {PUSH_TOKEN}") == "it is [hidden]"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"METERBOT_URL": ""}, "METERBOT_URL is not set"),
        ({"METERBOT_URL": "http://meterbot.example.com"}, "use https"),
        ({"METERBOT_PUSH_TOKEN": " "}, "`meterbot seat add NAME`"),
        ({"METERBOT_PUSH_TOKEN_FILE": "/x"}, "both set"),
        ({"METERBOT_PUSH_TOKEN": "", "METERBOT_PUSH_TOKEN_FILE": "/nowhere/at/all"}, "cannot be read"),
        ({"METERBOT_PUSH_TOKEN": "two words"}, "pasted whole"),
        ({"METERBOT_PUSH_TOKEN": "two\nlines"}, "pasted whole"),
        ({"METERBOT_PUSH_TOKEN": "ünïcode"}, "pasted whole"),
    ],
)
def test_what_is_missing_or_cannot_be_is_said(changes: dict[str, str], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        from_environment({**ENV, **changes})


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        (None, "https://meterbot.example.com/api/v1/snapshots"),
        ("https://other.example/team/", "https://other.example/team/api/v1/snapshots"),
        ("https://other.example/snapshots", "https://other.example/snapshots"),
    ],
)
def test_the_address_is_completed(url: str | None, whole: str) -> None:
    assert posting_address(ENV, url) == whole
