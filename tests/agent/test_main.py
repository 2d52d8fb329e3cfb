"""The command as it is typed, from the package and as the one script, with every Python that has to run it."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from pathlib import Path

import pytest

from meterbot.agent.scheduler import settings_file, write_settings
from meterbot.app.agent_script import MODULES, agent_script
from meterbot.cli import cli
from meterbot.commands.seat_admin import push_instructions
from tests.agent.pythons import LATER, OLDEST, THIS
from tests.agent.rig import ACCESS, EMAIL, METER, PUSH_TOKEN, SECRETS, Answered, Home, Meterbot, program
from tests.e2e import nursery
from tests.e2e.process import Process
from tests.simulator.anthropic_api import AnthropicApi, rate_limited, scope_missing, token_invalid
from tests.tripwire import sitecustomize as tripwire

ROOT = Path(__file__).parents[2]
PACKAGE = [sys.executable, "-m", "meterbot", "push"]


@pytest.fixture(params=[OLDEST, LATER, THIS, "package"])
def command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What starts the agent: its script with one of the Pythons, or `meterbot push` of this checkout."""
    if request.param == "package":
        return PACKAGE
    script = tmp_path_factory.mktemp("script") / "meterbot-agent.py"
    script.write_bytes(agent_script().text)
    return [request.param, "-I", str(script)]


async def start(home: Home, *arguments: str) -> Process:
    env = {**home.env, "HOME": str(home.path)}
    if arguments[:3] == tuple(PACKAGE[:3]):
        return await nursery.piped(arguments[3:], environ=env, cwd=home.path, stdin=True)
    if arguments[0] == "/bin/sh":
        env |= tripwire.surroundings(ROOT)
    return await asyncio.create_subprocess_exec(
        *arguments,
        env=env,
        cwd=home.path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )


async def run(home: Home, *arguments: str, typed: bytes = b"") -> tuple[int | None, str, str]:
    process = await start(home, *arguments)
    assert process.stdin is not None
    process.stdin.write(typed)
    process.stdin.close()
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.usefixtures("anthropic")
async def test_a_push_that_went_well_ends_with_0(home: Home, meterbot: Meterbot, command: list[str]) -> None:
    assert await run(home, *command) == (0, "zoe: numbers sent ($4.20 of $50.00)\n", "")
    assert len(meterbot.pushes) == 1
    version = meterbot.pushes[0].headers["User-Agent"]
    assert version == f"meterbot-agent/{agent_script().version}"


async def test_a_push_that_failed_ends_with_1_and_a_sentence(home: Home, command: list[str]) -> None:
    said = "meterbot: Claude Code is not signed in here: run `claude` and type /login"
    status, out, err = await run(home, *command)
    assert (status, out, err.startswith(said)) == (1, "", True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "soon"], "--every must be between 5m and 6h, like 15m; got soon"),
        (["--every", "1m"], "--every must be between 5m and 6h"),
        (["stop"], "say install, uninstall or join URL CODE, or none of them"),
        (["join", "https://meterbot.example.com"], "say install, uninstall or join URL CODE"),
        (["--colour"], "No such option"),
        (["--dry-run", "--every", "15m"], "--every cannot be used with --dry-run"),
        (["install", "--every", "15m"], "--every cannot be used with install"),
        (["install", "--dry-run"], "--dry-run cannot be used with install"),
        (["install", "--settings", "x"], "--settings cannot be used with install"),
        (["uninstall", "--from", "x"], "--from cannot be used with uninstall"),
        (["--settings", "x", "--from", "x"], "--from cannot be used with --settings"),
        (["--settings", "x", "--every", "15m"], "--every cannot be used with --settings"),
        (["--from", "-", "--every", "15m"], "--every cannot be used with --from -"),
        (["join", "https://meterbot.example.com", "x", "--dry-run"], "--dry-run cannot be used with join"),
        (["--email"], "--email is for --from"),
    ],
)
async def test_wrong_usage_ends_with_2(home: Home, arguments: list[str], said: str) -> None:
    status, out, err = await run(home, *PACKAGE, *arguments)
    assert (status, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"METERBOT_URL": ""}, "METERBOT_URL is not set: `/claude-spend join`"),
        ({"METERBOT_PUSH_TOKEN": " "}, "METERBOT_PUSH_TOKEN is not set: `/claude-spend join`"),
        ({"METERBOT_URL": "http://meterbot.example.com"}, "must begin with https://"),
        ({"METERBOT_PUSH_TOKEN": "two words"}, "paste it whole"),
    ],
)
async def test_settings_that_cannot_be_right_end_with_2(
    home: Home, changes: dict[str, str], said: str
) -> None:
    home.env.update(changes)
    for arguments in ([], ["install"]):
        status, _, err = await run(home, *PACKAGE, *arguments)
        assert (status, said in err) == (2, True)
    assert home.files() == {}


async def test_a_dry_run_shows_the_very_bytes_and_sends_none(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot, command: list[str]
) -> None:
    status, out, err = await run(home, *command, "--dry-run")
    assert (status, "used_credits" in out) == (0, True)
    assert f"these {len(out)} bytes would be sent" in err
    assert meterbot.pushes == []
    await run(home, *command)
    assert [push.body.decode() for push in meterbot.pushes] == [out]
    assert len(anthropic.requests) == 2


async def test_the_bytes_of_a_file_can_be_looked_at_first(home: Home, meterbot: Meterbot) -> None:
    typed = json.dumps(METER).encode()
    status, out, err = await run(home, *PACKAGE, "--from", "-", "--dry-run", typed=typed)
    assert (status, json.loads(out)["usage"]) == (0, METER["usage"])
    assert f"these {len(out)} bytes would be sent" in err
    assert meterbot.pushes == []
    await run(home, *PACKAGE, "--from", "-", typed=typed)
    assert [push.body.decode() for push in meterbot.pushes] == [out]


@pytest.mark.parametrize("words", [["uninstall"], ["join", "https://meterbot.example.com", "CODE"]])
async def test_a_dry_run_installs_and_uninstalls_nothing(
    home: Home, command: list[str], words: list[str]
) -> None:
    write_settings()
    status, out, err = await run(home, *command, *words, "--dry-run")
    assert (status, out) == (2, "")
    assert "--dry-run" in err
    assert words[0] in err
    assert settings_file().exists()


@pytest.mark.usefixtures("anthropic")
async def test_a_dry_run_needs_no_meterbot(home: Home) -> None:
    del home.env["METERBOT_URL"], home.env["METERBOT_PUSH_TOKEN"]
    status, out, _ = await run(home, *PACKAGE, "--dry-run")
    assert (status, "extra_usage" in out) == (0, True)


async def test_the_json_of_claude_meter_is_sent_from_a_file(home: Home, meterbot: Meterbot) -> None:
    path = home.path / "meter.json"
    status, _, err = await run(home, *PACKAGE, "--from", str(path))
    assert (status, err) == (1, f"meterbot: cannot read {path}: No such file or directory\n")
    path.write_text(json.dumps([METER, METER]))
    assert (await run(home, *PACKAGE, "--from", str(path)))[0] == 0
    (push,) = meterbot.pushes
    assert [one["usage"] for one in push.document] == [METER["usage"]] * 2


async def test_what_is_typed_may_take_longer_than_a_run(home: Home, meterbot: Meterbot) -> None:
    script = f"""import io, sys, time
from meterbot.agent import main
from meterbot.cli import cli
class Slow:
    def read(self):
        time.sleep(2 * main.RUN_SECONDS)
        return {json.dumps(METER).encode()!r}
main.RUN_SECONDS = 1
sys.stdin = type("Typed", (), {{"buffer": Slow()}})
cli(["push", "--from", "-"])
"""
    assert await run(home, sys.executable, "-c", script) == (0, "zoe: numbers sent ($4.20 of $50.00)\n", "")
    assert len(meterbot.pushes) == 1


async def test_the_email_address_goes_along_when_it_is_wanted_and_is_kept_nowhere(
    home: Home, meterbot: Meterbot
) -> None:
    typed = json.dumps(METER).encode()
    for flags in ([], ["--email"]):
        _, out, err = await run(home, *PACKAGE, "--from", "-", *flags, typed=typed)
        assert EMAIL not in out + err
    assert [push.document.get("account_email") for push in meterbot.pushes] == [None, EMAIL]
    assert EMAIL not in "".join(home.files().values())


@pytest.mark.usefixtures("anthropic")
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_an_agent_that_keeps_going_ends_at_once_when_told_to(
    home: Home, meterbot: Meterbot, sign: signal.Signals
) -> None:
    process = await start(home, *PACKAGE, "--every", "15m")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"zoe: numbers sent ($4.20 of $50.00)\n"
    process.send_signal(sign)
    _, err = await process.communicate()
    assert process.returncode == (0 if sign is signal.SIGTERM else 130)
    assert b"Traceback" not in err
    assert len(meterbot.pushes) == 1


@pytest.mark.usefixtures("anthropic")
async def test_joining_where_nothing_can_repeat_it_has_sent_and_says_what_to_run(
    home: Home, meterbot: Meterbot, command: list[str]
) -> None:
    meterbot.answers.append(Answered(200, {}, json.dumps({"seat": "zoe", "token": PUSH_TOKEN})))
    status, out, err = await run(home, *command, "join", meterbot.url, "CODE")
    sent, advice, line, undo = out.splitlines()
    assert (status, err, sent) == (0, "", "zoe: numbers sent ($4.20 of $50.00)")
    assert advice.startswith("No scheduler was found here, so nothing repeats this. Run this line")
    assert (await run(home, *shlex.split(line)))[1].startswith("nothing new to send")
    if command == PACKAGE:
        assert (await run(home, *command, "install"))[:2] == (1, f"{advice}\n{line}\n{undo}\n")
    assert undo.startswith("To stop that and delete it: ")
    ended = await run(home, *shlex.split(undo.partition(": ")[2]))
    assert (ended[0], ended[1].startswith("stopped the scheduled runs and deleted")) == (0, True)


async def test_joining_again_sends_the_last_reading_and_does_not_ask_anthropic_sooner(
    home: Home, anthropic: AnthropicApi, meterbot: Meterbot, command: list[str]
) -> None:
    await run(home, *command)
    meterbot.answers.append(Answered(200, {}, json.dumps({"seat": "zoe", "token": PUSH_TOKEN})))
    assert (await run(home, *command, "join", meterbot.url, "CODE"))[0] == 0
    first, _trade, again = meterbot.pushes
    assert first.body == again.body
    assert len([request for request in anthropic.requests if request.route == "usage"]) == 1


@pytest.mark.usefixtures("anthropic")
async def test_a_scheduler_that_refuses_does_not_hide_what_was_sent(home: Home, meterbot: Meterbot) -> None:
    program(home.path / "bin", "crontab", "import sys\nsys.exit('not allowed to use crontab')")
    meterbot.answers.append(Answered(200, {}, json.dumps({"seat": "zoe", "token": PUSH_TOKEN})))
    status, out, err = await run(home, *PACKAGE, "join", meterbot.url, "CODE")
    assert (status, out) == (1, "zoe: numbers sent ($4.20 of $50.00)\n")
    assert "not allowed to use crontab" in err


@pytest.mark.usefixtures("anthropic")
async def test_both_lines_of_seat_add_work_as_they_are_printed(home: Home, meterbot: Meterbot) -> None:
    del home.env["METERBOT_URL"], home.env["METERBOT_PUSH_TOKEN"]
    program(home.path / "bin", "systemctl", "")
    ours = home.path / "bin/meterbot"
    ours.write_text(f'#!/bin/sh\nexec {sys.executable} -m meterbot "$@"\n')
    ours.chmod(0o755)
    printed = push_instructions("zoe", PUSH_TOKEN, 900.0, meterbot.url)
    sending, installing = (line for line in printed.splitlines() if line.startswith("    "))
    process = await start(home, "/bin/sh", "-c", sending)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"zoe: numbers sent ($4.20 of $50.00)\n"
    os.killpg(process.pid, signal.SIGTERM)
    await process.communicate()
    status, out, err = await run(home, "/bin/sh", "-c", installing)
    assert (status, err) == (0, "")
    assert "This machine now sends by itself" in out
    assert json.loads(settings_file().read_text())["METERBOT_PUSH_TOKEN"] == PUSH_TOKEN


def test_a_loop_tries_again_sooner_after_a_failure_than_its_interval(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sign_in()
    home.env["METERBOT_ANTHROPIC_API"] = "http://127.0.0.1:9"
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit, match="130"):
            cli(["push", "--every", "6h"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert 290 <= waits[0] <= 600 * 1.2


@pytest.mark.usefixtures("anthropic")
async def test_what_the_shell_had_is_what_a_scheduled_run_has(home: Home, meterbot: Meterbot) -> None:
    write_settings()
    kept = {name: home.env[name] for name in (tripwire.LOG,) if name in home.env}
    home.env.clear()
    home.env.update(kept, HOME=str(home.path))
    assert (await run(home, *PACKAGE, "--settings", str(settings_file())))[0] == 0
    assert [push.headers["Authorization"] for push in meterbot.pushes] == [f"Bearer {PUSH_TOKEN}"]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0, "holds no settings"),
        ("{", 0o600, "holds no settings"),
        ('{"METERBOT_URL": 1}', 0o600, "holds no settings"),
        ('{"METERBOT_URL": "https://meterbot.example.com"}', 0o644, "other users may read the token"),
    ],
)
async def test_settings_that_are_damaged_or_not_private_end_with_2(
    home: Home, meterbot: Meterbot, text: str | None, mode: int, said: str
) -> None:
    path = home.path / "settings.json"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    status, out, err = await run(home, *PACKAGE, "--settings", str(path))
    assert (status, out, said in err) == (2, "", True)
    assert meterbot.pushes == []


@pytest.mark.usefixtures("anthropic")
async def test_a_terminal_without_a_euro_sign_still_shows_what_was_sent(
    home: Home, meterbot: Meterbot, command: list[str]
) -> None:
    home.env["PYTHONIOENCODING"] = "latin-1"
    meterbot.answers.append(Answered(202, {}, '{"status": "stored", "seat": "zoe", "spent": "\u20ac4.20"}'))
    status, out, err = await run(home, *[word for word in command if word != "-I"])
    assert (status, out, err) == (0, "zoe: numbers sent (?4.20)\n", "")


@pytest.mark.usefixtures("anthropic")
@pytest.mark.parametrize("path", ["/snapshots", "/api/v1/snapshots", "/team/", ""])
async def test_an_address_with_the_path_of_a_push_works_too(
    home: Home, meterbot: Meterbot, path: str
) -> None:
    home.env["METERBOT_URL"] = meterbot.url + path
    await home.push()
    prefix = path.rstrip("/") if "team" in path else ""
    assert [push.path for push in meterbot.pushes] == [f"{prefix}/api/v1/snapshots"]


async def test_no_secret_shows_anywhere(home: Home, anthropic: AnthropicApi, meterbot: Meterbot) -> None:
    leak = json.dumps({"error": "no", "seat": "zoe", "secrets": [*SECRETS]})
    output = ""
    home.note_account()
    for reply in (token_invalid(), scope_missing(), rate_limited()):
        anthropic.fail("usage", reply)
        output += str(await run(home, *PACKAGE))
        (home.path / ".local/share/meterbot/state.json").unlink(missing_ok=True)
    for status in (202, 401, 409, 500, 307):
        meterbot.answers.append(Answered(status, {"Location": f"https://x.example/?{PUSH_TOKEN}"}, leak))
        output += str(await run(home, *PACKAGE))
        output += str(await run(home, *PACKAGE, "--from", "-", typed=json.dumps(METER).encode()))
    output += str(await run(home, *PACKAGE, "--from", "-", typed=" ".join(SECRETS).encode()))
    bodies = [push.path + push.body.decode() for push in meterbot.pushes]
    everything = "\n".join([output, *home.files().values(), *bodies])
    assert len(meterbot.pushes) >= 5
    assert [secret for secret in SECRETS if secret in everything] == []
    assert all(ACCESS not in str(push.headers) for push in meterbot.pushes)
    assert all(PUSH_TOKEN not in str(dict(request.headers)) for request in anthropic.requests)


# The script.


def test_the_script_is_the_same_each_time_and_names_its_version() -> None:
    first = agent_script()
    agent_script.cache_clear()
    assert agent_script() == first
    assert f'VERSION = "{first.version}"'.encode() in first.text
    assert len(first.digest) == 64


def test_the_script_needs_the_standard_library_alone() -> None:
    text = agent_script().text.decode()
    imported = re.findall(r"^\s*(?:import|from) ([\w.]+)", text, re.MULTILINE)
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names
    assert text.isascii() or "€£¥" in text


def test_no_name_is_in_two_modules() -> None:
    """In one script the later one would win."""
    sources = [(ROOT / f"meterbot/agent/{name}.py").read_text() for name in MODULES]
    names = [
        name
        for source in sources
        for name in set(re.findall(r"^(?:def |class )?(\w+)(?=[(:]| =)", source, re.MULTILINE))
        if name not in {"if", "else", "try", "except", "import", "from"}
    ]
    assert sorted(names) == sorted(set(names))
    assert len(names) > 80


@pytest.mark.usefixtures("home")
def test_every_module_of_the_agent_is_in_the_script() -> None:
    found = {path.stem for path in (ROOT / "meterbot/agent").glob("*.py")} - {"__init__"}
    assert found == set(MODULES)
