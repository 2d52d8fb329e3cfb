"""The commands as they are typed: exit status, what is imported, how it ends, and that no secret shows anywhere."""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from meterbot.agent import main
from meterbot.agent.trouble import PushError, SetupError
from meterbot.demo.server import Reply
from tests.agent.rig import (
    ACCESS,
    EMAIL,
    METER,
    NAME,
    PUSH_TOKEN,
    REFRESH,
    SECRETS,
    Answered,
    Home,
    Meterbot,
    program,
)
from tests.simulator.anthropic_api import AnthropicApi, SignIn, rate_limited, scope_missing, token_invalid
from tests.tripwire import sitecustomize as tripwire

# pydantic is not among them: typer reads options with it.
HEAVY = ("aiohttp", "psycopg", "discord", "slack_bolt", "slack_sdk", "sqlalchemy")
ROOT = Path(__file__).parents[2]


async def start(home: Home, *arguments: str) -> asyncio.subprocess.Process:
    """`meterbot push …` as a process of its own, in this home. No Claude Code of the real machine is started."""
    program(home.path / "bin", "claude", "raise SystemExit(1)")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={
            "HOME": str(home.path),
            "PATH": str(home.path / "bin"),
            **tripwire.surroundings(ROOT),
            **home.env,
        },
        cwd=home.path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def run(home: Home, *arguments: str, typed: bytes = b"") -> tuple[int | None, str, str]:
    process = await start(home, "-m", "meterbot", "push", *arguments)
    out, err = await process.communicate(typed)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def signed_in(home: Home, anthropic: AnthropicApi) -> AnthropicApi:
    """The sign-in is good by the machine's real clock, which a process of its own has."""
    home.sign_in(until=datetime.now(UTC) + timedelta(hours=8))
    return anthropic


@pytest.mark.usefixtures("signed_in")
async def test_a_push_imports_nothing_of_the_bot(home: Home, meterbot: Meterbot) -> None:
    script = (
        "import sys; from meterbot import cli; sys.argv = ['meterbot', 'push']\n"
        "try:\n    cli.main()\nfinally:\n    print(sorted(name for name in sys.modules if '.' not in name))"
    )
    process = await start(home, "-c", script)
    out, err = await process.communicate()
    assert (process.returncode, len(meterbot.pushes), err) == (0, 1, b"")
    loaded = out.decode()
    assert "'httpx'" in loaded
    assert [name for name in HEAVY if f"'{name}'" in loaded] == []


async def test_the_help_loads_no_http_client(home: Home) -> None:
    script = (
        "import sys; from meterbot import cli; sys.argv = ['meterbot', 'push', '--help']\n"
        "try:\n    cli.main()\nfinally:\n    print('httpx' in sys.modules)"
    )
    process = await start(home, "-c", script)
    out, _ = await process.communicate()
    assert out.decode().endswith("False\n")


@pytest.mark.usefixtures("signed_in")
async def test_a_push_that_went_well_ends_with_0(home: Home, meterbot: Meterbot) -> None:
    assert await run(home) == (0, "sent, and stored by meterbot\n", "")
    assert len(meterbot.pushes) == 1


async def test_a_push_that_failed_ends_with_1_and_a_sentence(home: Home) -> None:
    assert await run(home) == (
        1,
        "",
        "meterbot: there is no credentials file: run `claude` once and sign in\n",
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "soon"], "--every soon is not a time like 15m"),
        (["--every", "1m"], "between 5m and 6h"),
        (["--from", "-", "--every", "15m"], "--every cannot read the standard input"),
        (["--from", "-", "--with", "ccusage"], "--with needs --from claude-code"),
        (["--email"], "--email needs claude-meter"),
        (["--with", "everything"], "--with everything is not known"),
        (["--url", "http://meterbot.example.com"], "use https"),
        (["--env-file", "/nowhere"], "cannot read /nowhere"),
    ],
)
def test_options_that_cannot_be_are_refused(home: Home, arguments: list[str], said: str) -> None:
    names = {"--from": "source", "--with": "extras", "--env-file": "env_file"}
    options: dict[str, Any] = {}
    for place, word in enumerate(arguments):
        if word.startswith("--"):
            value = arguments[place + 1] if place + 1 < len(arguments) else True
            options[names.get(word, word[2:])] = value
    with pytest.raises(SetupError, match=said):
        home.push(**options)


async def test_bad_usage_ends_with_2(home: Home) -> None:
    status, out, err = await run(home, "--every", "1m")
    assert (status, out) == (2, "")
    assert err.startswith("meterbot: --every must be between")
    del home.env["METERBOT_URL"]
    status, _, err = await run(home, "install")
    assert status == 2
    assert "METERBOT_URL is not set" in err


@pytest.mark.usefixtures("signed_in")
async def test_the_bytes_of_a_dry_run_stand_alone_on_standard_output(home: Home, meterbot: Meterbot) -> None:
    status, out, err = await run(home, "--from", "-", "--dry-run", typed=json.dumps(METER).encode())
    assert status == 0
    assert json.loads(out)["usage"] == METER["usage"]
    assert "would be sent" in err
    assert meterbot.pushes == []
    await run(home, "--from", "-", typed=json.dumps(METER).encode())
    assert [push.body.decode() for push in meterbot.pushes] == [out]


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(("sign", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_an_agent_that_keeps_going_ends_at_once_when_told_to(
    home: Home, meterbot: Meterbot, sign: signal.Signals, status: int
) -> None:
    process = await start(home, "-m", "meterbot", "push", "--every", "15m")
    assert process.stdout is not None
    assert await process.stdout.readline() == b"sent, and stored by meterbot\n"
    process.send_signal(sign)
    _, err = await asyncio.wait_for(process.communicate(), 5)
    assert (process.returncode, err) == (status, b"")
    assert len(meterbot.pushes) == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 900), ("15m", 900), ("300s", 300), ("6h", 21_600), (" 30 m ", 1800)]
)
def test_a_time_is_read(text: str | None, seconds: int) -> None:
    assert main.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "15", "m", "-5m", "1.5h", "4m", "7h", "9999999h", "15m; rm"])
def test_a_time_that_is_none_or_too_short_or_long_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="--every"):
        main.duration(text)


async def test_no_secret_shows_in_anything_that_is_said_kept_or_sent(
    home: Home, anthropic: AnthropicApi, ana: SignIn, meterbot: Meterbot
) -> None:
    """Everything goes wrong, one thing after the other, and whoever answers hands secrets back."""
    home.note_account()
    ana.organization.name = " ".join(SECRETS)
    # meterbot's own words are shown to the person; a name it was never told.
    leak = json.dumps({"error": " ".join(secret for secret in SECRETS if secret != NAME)})
    page = Reply(503, " ".join(SECRETS), {"x-leak": ACCESS, "retry-after": ACCESS})
    for reply in (token_invalid(), scope_missing(), rate_limited(REFRESH), page, None):
        if reply is not None:
            anthropic.fail("usage", reply)
        meterbot.answers.append(Answered(422, {"X-Leak": ACCESS}, leak))
        home.clock.advance(timedelta(hours=7))
        await tried(home)
    home.typed = json.dumps({**METER, "extra": list(SECRETS)}).encode()
    for status in (401, 409, 500, 307):
        meterbot.answers.append(Answered(status, {"Location": f"https://x.example/?{PUSH_TOKEN}"}, leak))
        await tried(home, source="-")
    await tried(home, source="-", dry_run=True)
    home.typed = " ".join(SECRETS).encode()
    await tried(home, source="-")
    home.set_up()
    home.set_up(only_print=True)

    kept = home.machine.config_directory / "push.env"
    files = {str(path): text for path, text in home.files().items() if path != kept}
    bodies = [push.path + push.body.decode() for push in meterbot.pushes]
    everything = "\n".join([*home.said, home.shown.decode(), *files.values(), *bodies])
    assert len(meterbot.pushes) >= 5
    assert [secret for secret in SECRETS if secret in everything] == []
    assert [name for name in files if "push.json" in name]
    assert all(ACCESS not in str(push.headers) for push in meterbot.pushes)
    assert all(PUSH_TOKEN not in str(dict(request.headers)) for request in anthropic.requests)
    assert [REFRESH in kept.read_text(), ACCESS in kept.read_text(), EMAIL in kept.read_text()] == [False] * 3


async def tried(home: Home, **options: object) -> None:
    """A push that may fail; its failure is among what is said, with all that hangs on it."""
    try:
        await home.pushing(**options)
    except PushError as failure:
        cause: BaseException | None = failure
        while cause is not None:
            home.said.append(f"{cause!r} {cause}")
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


async def test_the_address_of_the_person_is_kept_nowhere_even_when_it_is_sent(
    home: Home, meterbot: Meterbot
) -> None:
    home.typed = json.dumps(METER).encode()
    await home.pushing(source="-", email=True)
    assert meterbot.pushes[0].document["account_email"] == EMAIL
    assert EMAIL not in "".join([*home.said, *home.files().values()])
