"""What a reading is, whose it is said to be, and every way in which there is none."""

import asyncio
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meterbot.agent import claude_code
from meterbot.agent.storage import Problem
from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from tests.agent.rig import ACCESS, ACCOUNT, EMAIL, NOW, ORG, PUSH_TOKEN, REFRESH, Home, program
from tests.agent.rig import credentials as kept
from tests.simulator.anthropic_api import AnthropicApi, SignIn, rate_limited, scope_missing, token_invalid
from tests.simulator.claude_ai import challenge
from tests.simulator.server import Reply, error
from tests.wire.played import case

READING = {
    "five_hour": {"utilization": 46, "resets_at": "2026-04-20T12:00:00.665316+00:00"},
    "seven_day": {"utilization": 12.5, "resets_at": None},
    "extra_usage": {"is_enabled": True, "used_credits": 1720.0, "monthly_limit": 5000},
}
OTHER_ACCOUNT, OTHER_ORG = ACCOUNT[:-1] + "2", ORG[:-1] + "2"


async def read(home: Home, state: dict[str, Any] | None = None) -> dict[str, Any]:
    memory = {} if state is None else state
    return await asyncio.to_thread(claude_code.read, memory, home.now, home.path)


def answer(numbers: object) -> dict[str, object]:
    return {"subscription_type": "max", "rate_limits_available": True, "rate_limits": numbers}


def routes(anthropic: AnthropicApi) -> list[str]:
    return [asked.route for asked in anthropic.requests]


async def test_the_token_reads_the_usage_and_whose_it_is(
    home: Home, anthropic: AnthropicApi, ana: SignIn
) -> None:
    ana.organization.used += 1720
    reading = await read(home)
    assert reading["usage"]["extra_usage"]["used_credits"] == 1720
    assert (reading["org_uuid"], reading["account_uuid"]) == (ORG, ACCOUNT)
    assert reading["fetched_at"] == "2026-04-20T10:00:00.000Z"
    assert [(asked.route, asked.token) for asked in anthropic.requests] == [
        ("profile", ACCESS),
        ("usage", ACCESS),
    ]
    assert anthropic.requests[0].headers["User-Agent"].startswith("meterbot-agent/")
    anthropic.assert_expected_only()


async def test_whose_token_it_is_is_asked_once_for_each_token(home: Home, anthropic: AnthropicApi) -> None:
    state: dict[str, Any] = {}
    for _ in range(2):
        await read(home, state)
        home.clock.advance(timedelta(days=1))
    assert routes(anthropic).count("profile") == 1
    anthropic.sign_in("sk-ant-oat01-another", account=OTHER_ACCOUNT)
    home.sign_in("sk-ant-oat01-another")
    assert (await read(home, state))["account_uuid"] == OTHER_ACCOUNT
    assert "another" not in json.dumps(state)


async def test_without_a_profile_nothing_is_read_and_nothing_sent(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.note_account()
    anthropic.fail("profile", Reply(status=529))
    with pytest.raises(Problem, match="cannot answer now"):
        await read(home)
    assert routes(anthropic) == ["profile"]


async def test_numbers_that_may_be_anybodys_are_not_sent(home: Home, anthropic: AnthropicApi) -> None:
    anthropic.fail("profile", Reply(body={"account": None}))
    with pytest.raises(Problem, match="whose numbers these are"):
        await read(home)


async def test_the_installed_program_is_asked_before_its_token_is_used(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.note_account(checked=NOW)
    home.install_claude(answer(READING))
    reading = await read(home)
    assert reading["usage"] == READING
    assert (reading["org_uuid"], reading["account_uuid"]) == (ORG, ACCOUNT)
    assert anthropic.requests == []


async def test_notes_that_the_program_corrects_while_it_answers_count_as_corrected(home: Home) -> None:
    """The program asks whose sign-in it is on each run."""
    home.note_account(checked=NOW)
    corrected = (home.path / ".claude.json").read_text()
    home.note_account(OTHER_ACCOUNT, OTHER_ORG, checked=NOW - timedelta(days=3))
    home.install_claude(
        answer(READING), before=f"open({str(home.path / '.claude.json')!r}, 'w').write({corrected!r})"
    )
    reading = await read(home)
    assert (reading["org_uuid"], reading["account_uuid"]) == (ORG, ACCOUNT)


async def test_notes_that_the_program_has_not_checked_now_are_verified(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.note_account(OTHER_ACCOUNT, OTHER_ORG, checked=NOW - timedelta(days=3))
    home.install_claude(answer(READING))
    reading = await read(home)
    assert (reading["org_uuid"], reading["account_uuid"]) == (ORG, ACCOUNT)
    assert routes(anthropic) == ["profile"]


@pytest.mark.parametrize("checked", [None, NOW - timedelta(seconds=2)], ids=["never", "before"])
async def test_notes_that_nobody_can_verify_are_not_sent(home: Home, checked: Any) -> None:
    home.note_account(checked=checked)
    home.install_claude(answer(READING))
    with pytest.raises(Problem, match="not signed in here"):
        await read(home)


@pytest.mark.parametrize(
    "output",
    [
        {"rate_limits_available": False, "rate_limits": None},
        {"rate_limits": None},
        {"rate_limits": []},
        "words",
        None,
    ],
    ids=["not signed in", "nothing", "a list", "words", "null"],
)
async def test_where_the_program_cannot_tell_the_token_does(
    home: Home, anthropic: AnthropicApi, output: object
) -> None:
    home.install_claude(output)
    await read(home)
    assert routes(anthropic) == ["profile", "usage"]


async def test_an_older_program_that_does_not_know_the_request_is_no_failure(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.install_claude({"error": "Unsupported control request subtype: get_usage"}, subtype="error")
    await read(home)
    assert routes(anthropic) == ["profile", "usage"]


async def test_while_the_program_has_to_wait_its_token_is_not_used_instead(
    home: Home, anthropic: AnthropicApi
) -> None:
    home.note_account(checked=NOW)
    home.install_claude(answer(None))
    with pytest.raises(Problem, match="asks Claude Code to wait"):
        await read(home)
    assert anthropic.requests == []


async def test_a_sign_in_that_the_program_cannot_use_is_distinguished_from_a_wait(
    home: Home, anthropic: AnthropicApi, ana: SignIn
) -> None:
    home.note_account(checked=NOW - timedelta(hours=1))
    home.install_claude(answer(None))
    ana.accepted = False
    with pytest.raises(Problem, match="sign in again: run `claude` and type /login"):
        await read(home)
    ana.accepted = True
    with pytest.raises(Problem, match="asks Claude Code to wait"):
        await read(home)
    assert routes(anthropic) == ["profile", "profile"]


@pytest.mark.parametrize(
    ("saved", "age", "expected"),
    [
        (READING, timedelta(minutes=50), "2026-04-20T09:10:00.000Z"),
        (READING, timedelta(hours=7), "2026-04-20T10:00:00.000Z"),
        (READING, timedelta(minutes=-5), "2026-04-20T10:00:00.000Z"),
        (
            {**READING, "five_hour": {"utilization": 45, "resets_at": None}},
            timedelta(minutes=50),
            "2026-04-20T10:00:00.000Z",
        ),
        ({}, timedelta(minutes=50), "2026-04-20T10:00:00.000Z"),
    ],
    ids=["the saved ones", "too old to be", "from the future", "others", "none"],
)
async def test_numbers_that_the_program_had_saved_are_dated_by_when_it_got_them(
    home: Home, saved: object, age: timedelta, expected: str
) -> None:
    fetched = int((NOW - age).timestamp() * 1000)
    home.note_account(checked=NOW, cachedUsageUtilization={"fetchedAtMs": fetched, "utilization": saved})
    home.install_claude(answer(READING))
    assert (await read(home))["fetched_at"] == expected


@pytest.mark.parametrize("bad", [None, "soon", 1e300, {}])
async def test_a_saved_time_that_is_none_does_not_matter(home: Home, bad: object) -> None:
    home.note_account(checked=NOW, cachedUsageUtilization={"fetchedAtMs": bad, "utilization": READING})
    home.install_claude(answer(READING))
    assert (await read(home))["fetched_at"] == "2026-04-20T10:00:00.000Z"


# How the program is started.


async def test_no_prompt_is_sent_to_the_program(home: Home) -> None:
    home.note_account(checked=NOW)
    home.install_claude(answer(READING))
    await read(home)
    arguments, _, directory, request = json.loads((home.path / "seen.json").read_text())
    assert (request["type"], request["request"]["subtype"]) == ("control_request", "get_usage")
    assert {"-p", "--no-session-persistence", "--strict-mcp-config"} <= set(arguments)
    assert directory == str(home.path)


async def test_it_is_started_apart_from_secrets_projects_and_other_accounts(home: Home) -> None:
    home.env.update(
        CLAUDE_CODE_OAUTH_TOKEN=ACCESS,
        ANTHROPIC_API_KEY="sk-ant-api03-planted",
        ANTHROPIC_BASE_URL="https://elsewhere.example",
        HTTPS_PROXY="http://proxy.example:1",
        NODE_EXTRA_CA_CERTS="/ca.pem",
    )
    home.note_account(checked=NOW)
    home.install_claude(answer(READING))
    await read(home)
    _, env, _, _ = json.loads((home.path / "seen.json").read_text())
    names = {
        name for name in env if name.startswith(("METERBOT_P", "METERBOT_U", "ANTHROPIC", "CLAUDE_CODE"))
    }
    assert names == set()
    assert PUSH_TOKEN not in json.dumps(env)
    assert (env["HTTPS_PROXY"], env["NODE_EXTRA_CA_CERTS"]) == ("http://proxy.example:1", "/ca.pem")


@pytest.mark.parametrize(
    "source",
    ["raise SystemExit(1)", "print('x' * 100_000)", "import os; os.close(1); os.close(0)", "#!/nowhere"],
)
async def test_a_program_that_leaves_without_an_answer_is_no_failure(
    home: Home, anthropic: AnthropicApi, source: str
) -> None:
    path = program(home.path / "bin", "claude", source)
    if source.startswith("#!"):
        path.write_text(source)
    await read(home)
    assert routes(anthropic) == ["profile", "usage"]


async def test_a_program_that_hangs_is_ended_with_all_it_started(
    home: Home, anthropic: AnthropicApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claude_code, "PROGRAM_SECONDS", 1.0)
    pipe = tmp_path / "alive"
    os.mkfifo(pipe)
    # The pipe's other end is held by the program and by the child that it leaves behind, as long as they live.
    program(
        home.path / "bin",
        "claude",
        f"""import subprocess, sys
end = open({str(pipe)!r}, "w")
end.write("started")
end.flush()
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], pass_fds=[end.fileno()])
import time; time.sleep(300)
""",
    )
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        await read(home)
        os.set_blocking(descriptor, True)
        heard = b""
        while part := os.read(descriptor, 100):  # ends when nobody holds the other end
            heard += part
        assert heard == b"started"
    finally:
        os.close(descriptor)
    assert routes(anthropic) == ["profile", "usage"]


async def test_the_place_where_an_installer_put_it_is_looked_at(home: Home) -> None:
    home.note_account(checked=NOW)
    home.install_claude(answer(READING))
    (home.path / ".local/bin").mkdir(parents=True)
    (home.path / "bin/claude").rename(home.path / ".local/bin/claude")
    assert (await read(home))["usage"] == READING


# The sign-in.


async def test_when_a_token_expires_is_for_the_server_to_say(home: Home, anthropic: AnthropicApi) -> None:
    home.sign_in(until=NOW - timedelta(days=1))
    await read(home)
    assert routes(anthropic) == ["profile", "usage"]


@pytest.mark.parametrize(
    ("reply", "said", "wait"),
    [
        (rate_limited("0"), "too often", 0.0),
        (rate_limited("1007"), "too often", 1007.0),
        (rate_limited(None), "too often", 0.0),
        (error(404, "not_found_error", "Not found"), "no usage for this account", 0.0),
        (error(403, "permission_error", "We are unable to serve your request"), "region or network", 0.0),
        (challenge(), "region or network", 0.0),
        (Reply(status=529, body="overloaded"), "cannot answer now", 0.0),
        (
            Reply(302, "", {"location": "https://elsewhere.example/?t=" + ACCESS}),
            "cannot answer now",
            0.0,
        ),
        (Reply(body="<html>sign in to the hotel</html>"), "want you to sign in", 0.0),
        (Reply(body={"type": "error", "error": {"type": "rate_limit_error"}}), "too often", 0.0),
    ],
    ids=[
        "wait, but not at all",
        "wait",
        "wait, for how long is not said",
        "not found",
        "region",
        "challenge",
        "overloaded",
        "redirect",
        "web page",
        "error of status 200",
    ],
)
async def test_every_answer_that_is_no_reading_says_what_to_do(
    home: Home, anthropic: AnthropicApi, reply: Reply, said: str, wait: float
) -> None:
    anthropic.fail_always("usage", reply)
    with pytest.raises(Problem, match=said) as refused:
        await read(home)
    assert refused.value.wait == wait
    assert ACCESS not in str(refused.value)
    assert EMAIL not in str(refused.value)
    assert routes(anthropic).count("usage") == 1


@pytest.mark.parametrize(
    ("reply", "said"),
    [(token_invalid(), "sign in again: run `claude` and type /login"), (scope_missing(), "setup-token")],
)
async def test_a_sign_in_that_is_rejected_needs_a_person(
    home: Home, anthropic: AnthropicApi, reply: Reply, said: str
) -> None:
    anthropic.fail_always("usage", reply)
    with pytest.raises(Problem, match=said):
        await read(home)


async def test_the_token_goes_to_no_unencrypted_relay(home: Home) -> None:
    home.sign_in()
    home.env["METERBOT_ANTHROPIC_API"] = "http://relay.example.com"
    with pytest.raises(Problem, match="METERBOT_ANTHROPIC_API must begin with https://"):
        await read(home)


@pytest.mark.parametrize("url", ["https://relay.example.com", "https://api.anthropic.com.example.com"])
async def test_no_variable_sends_the_token_to_another_machine(home: Home, url: str) -> None:
    home.sign_in()
    home.env["METERBOT_ANTHROPIC_API"] = url
    with pytest.raises(Problem, match="METERBOT_ANTHROPIC_API must be on this machine"):
        await read(home)


async def test_usage_with_an_error_of_null_is_usage(home: Home, anthropic: AnthropicApi) -> None:
    anthropic.fail("usage", Reply(body={"error": None, "five_hour": {"utilization": 3, "resets_at": None}}))
    assert (await read(home))["usage"] == {"five_hour": {"utilization": 3, "resets_at": None}}


def test_the_directory_of_a_sign_in_is_one_however_its_name_is_composed(home: Home) -> None:
    found = set()
    for name in ("/Users/zo\u00eb", "/Users/zoe\u0308"):
        home.env["CLAUDE_CONFIG_DIR"] = name
        found.add((claude_code.claude_directory(), claude_code.profile()))
    assert len(found) == 1


def keychain(home: Home, entries: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac whose `security` knows these entries by their service."""
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("getpass.getuser", lambda: "zoe")
    program(
        home.path / "bin",
        "security",
        f"""import sys
assert sys.argv[1:4] == ["find-generic-password", "-a", "zoe"] and sys.argv[4::2] == ["-s", "-w"], sys.argv
found = {entries!r}.get(sys.argv[5])
print(found if found is not None else "", end="\\n")
sys.exit(0 if found is not None else 44)
""",
    )


def test_the_keychain_comes_before_a_file_that_is_left_over(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sign_in("left-over")
    keychain(home, {"Claude Code-credentials": json.dumps(kept("of-the-keychain"))}, monkeypatch)
    assert claude_code._token() == "of-the-keychain"


def test_each_directory_is_a_sign_in_of_its_own(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.sign_in("the-private-one")
    assert claude_code._token() == "the-private-one"
    home.env["CLAUDE_CONFIG_DIR"] = str(home.path / "work")
    home.sign_in("the-one-at-work")
    assert claude_code._token() == "the-one-at-work"
    home.env["CLAUDE_CONFIG_DIR"] = "/Users/ana/work"
    # The digits begin the SHA-256 of the path.
    keychain(home, {"Claude Code-credentials-9c22b585": json.dumps(kept("at-work"))}, monkeypatch)
    assert claude_code._token() == "at-work"


@pytest.mark.parametrize(
    "entry", ["", "not JSON", "{}", json.dumps(kept(""))], ids=["empty", "words", "none", "blank"]
)
def test_without_a_sign_in_in_the_keychain_the_file_counts(
    home: Home, entry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sign_in("of-the-file")
    keychain(home, {"Claude Code-credentials": entry}, monkeypatch)
    assert claude_code._token() == "of-the-file"


def test_a_missing_sign_in_may_be_on_the_other_side_of_wsl(home: Home) -> None:
    with pytest.raises(Problem, match="with WSL, run this on the side where you use it"):
        claude_code._token()
    home.sign_in("")
    with pytest.raises(Problem, match="not signed in here"):
        claude_code._token()


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"mcpOAuth": {}}', json.dumps(kept("")), json.dumps(kept("two\nlines " + ACCESS))],
)
def test_what_is_no_sign_in_is_refused_without_quoting_it(home: Home, text: str) -> None:
    home.sign_in()
    (home.path / ".claude/.credentials.json").write_text(text)
    with pytest.raises(Problem) as refused:
        claude_code._token()
    assert ACCESS not in str(refused.value)
    assert REFRESH not in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__


def test_reading_leaves_the_file_as_it_was(home: Home) -> None:
    home.sign_in()
    path = home.path / ".claude/.credentials.json"
    before = path.read_bytes(), path.stat().st_mtime_ns
    claude_code._token()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


async def test_the_organization_of_another_sign_in_is_not_mixed_in(
    home: Home, anthropic: AnthropicApi
) -> None:
    other = SimulatedOrganization(OTHER_ORG)
    anthropic.sign_in("sk-ant-oat01-other", account=OTHER_ACCOUNT, organization=other)
    home.note_account(checked=NOW - timedelta(days=1))
    home.sign_in("sk-ant-oat01-other")
    home.install_claude(answer(READING))
    reading = await read(home)
    assert (reading["org_uuid"], reading["account_uuid"]) == (OTHER_ORG, OTHER_ACCOUNT)


async def test_numbers_are_not_sent_as_those_of_an_account_that_is_only_noted(
    home: Home, anthropic: AnthropicApi
) -> None:
    given = case("push_state_file_names_another_account")
    noted = given["home"][".claude.json"]["oauthAccount"]
    home.note_account(noted["accountUuid"], noted["organizationUuid"])
    home.install_claude(given["get_usage_reply"])
    reading = await read(home)
    assert reading["usage"]["extra_usage"]["used_credits"] == 9900
    assert (reading["org_uuid"], reading["account_uuid"]) == (ORG, ACCOUNT)
    assert routes(anthropic) == ["profile"]


async def test_a_sign_in_that_cannot_be_read_is_not_called_a_missing_one(home: Home) -> None:
    (home.path / ".claude/.credentials.json").mkdir(parents=True)  # nobody can read a folder as a file
    with pytest.raises(Problem, match=r"cannot read .*\.credentials\.json: "):
        await read(home)
