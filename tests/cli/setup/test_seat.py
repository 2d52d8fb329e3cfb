"""The step of `meterbot init` for a seat: its sign-in, or its session key, which claude.ai may renew."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import tomli

from meterbot.core.cipher import Cipher, new_key
from meterbot.store import StoredSession, sessions
from meterbot.store.database import open_store
from tests.e2e import process
from tests.e2e.team import SESSION_KEYS
from tests.e2e.terminal import sitting_at
from tests.simulator.claude_ai import ClaudeAi

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


@pytest.mark.parametrize("existing", [None, "[console]\nenabled = true\n"], ids=["new", "existing"])
async def test_the_owner_on_the_console_is_written(existing: str | None, tmp_path: Path) -> None:
    if existing:
        (tmp_path / "config.toml").write_text(existing)
    words = ("--seat", "ana", "--url", "http://127.0.0.1:8080", "--offline", "--owner", "operator")
    ended = await process.meterbot("init", *words, *(() if existing else ("--console",)), cwd=tmp_path)
    assert ended.status == 0, ended.stderr
    (ana,) = tomli.loads((tmp_path / "config.toml").read_text())["seats"]
    assert ana["owner"] == {"console": "operator"}


async def test_the_console_has_no_other_owner(tmp_path: Path) -> None:
    words = ("--console", "--seat", "ana", "--url", "http://127.0.0.1:8080", "--offline", "--owner", "U0ANA")
    ended = await process.meterbot("init", *words, cwd=tmp_path)
    assert (ended.status, ended.stderr) == (
        2,
        'meterbot: Its owner: must be "operator", the console\'s only user\n',
    )
    assert not (tmp_path / "config.toml").exists()


# --- a session key

KEY, RENEWED = SESSION_KEYS["ana"], f"{SESSION_KEYS['ana']}-renewed"


@pytest.fixture
async def claude() -> AsyncIterator[ClaudeAi]:
    """It renews ana's session key at the first reading."""
    async with ClaudeAi() as server:
        server.add_account(KEY, email="ana@planted.example").rotate_to.append(RENEWED)
        yield server


async def typed(claude: ClaudeAi, folder: Path, *words: str, **environ: str) -> process.Ended:
    flags = ("--console", "--seat", "ana", "--source", "claude_ai", "--credential-env", "ANA", *words)
    return await process.meterbot(
        "init", *flags, "--endpoint", f"claude_ai={claude.url}", environ={"ANA": KEY, **environ}, cwd=folder
    )


async def stored_sessions(folder: Path) -> dict[str, StoredSession]:
    """Makes the database if there is none."""
    store = await open_store(f"sqlite:///{folder}/meterbot.db")
    found = await store.read(sessions.read)
    await store.close()
    return found


async def test_a_mistake_in_the_file_is_found_before_a_session_key_is_used(
    claude: ClaudeAi, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text('poll_interval = "often"\n')
    ended = await typed(claude, tmp_path)
    assert (ended.status, "poll_interval: " in ended.stderr) == (2, True), ended.stdout + ended.stderr
    assert ended.stderr.endswith("nothing was written\n")
    assert claude.requests == []


async def test_a_renewed_session_key_is_stored_at_once_where_there_is_a_database_and_a_secret_key(
    claude: ClaudeAi, tmp_path: Path
) -> None:
    secret_key = new_key()
    (tmp_path / "config.toml").write_text(f'database_url = "sqlite:///{tmp_path}/meterbot.db"\n')
    assert await stored_sessions(tmp_path) == {}
    ended = await typed(claude, tmp_path, "--plan", "none of them", METERBOT_SECRET_KEY=secret_key)
    assert (ended.status, "nothing was written" in ended.stderr) == (2, True), ended.stdout + ended.stderr
    kept = (await stored_sessions(tmp_path))["ana"].ciphertext
    assert kept is not None
    assert Cipher([secret_key]).can_decrypt("ana", kept)


async def test_a_new_secret_key_encrypts_nothing_before_it_is_written(
    claude: ClaudeAi, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(f'database_url = "sqlite:///{tmp_path}/meterbot.db"\n')
    assert await stored_sessions(tmp_path) == {}
    ended = await typed(claude, tmp_path, "--plan", "none of them")
    assert ended.status == 2, ended.stdout + ended.stderr
    assert await stored_sessions(tmp_path) == {}
    claude.accounts[0].session_key = KEY
    claude.accounts[0].rotate_to.append(RENEWED)
    ended = await typed(claude, tmp_path)
    assert ended.status == 0, ended.stdout + ended.stderr
    assert (
        "claude.ai renewed the session key of ana when it was read; the new one is in the database"
        in ended.stdout
    )
    kept = (await stored_sessions(tmp_path))["ana"].ciphertext
    assert kept is not None
    assert Cipher([(tmp_path / "secrets/secret-key").read_text().strip()]).can_decrypt("ana", kept)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("", ("--endpoint", "slack_api=nonsense"), "--endpoint: slack_api must be an address"),
        (
            '[endpoints]\nslack_api = "nonsense"\n',
            (),
            "config.toml, [endpoints]: slack_api must be an address",
        ),
        (
            '[endpoints]\nslack = "https://slack.example"\n',
            (),
            "config.toml, [endpoints]: slack is not a known key",
        ),
    ],
)
async def test_an_address_that_is_none_is_named_before_anything_is_asked(
    text: str, words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text(text)
    ended = await process.meterbot("init", "--slack", *words, cwd=tmp_path)
    assert (ended.status, ended.stdout) == (2, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
