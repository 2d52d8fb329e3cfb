"""`meterbot seat …` as an operator types it."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from meterbot.cli import cli
from meterbot.ingest.pushes import digest
from meterbot.store import Batch, Latest
from meterbot.store.database import open_store
from tests.store.examples import ANA, known, write

BOT = """
database_url = "sqlite:///{}/meterbot.db"
[[seats]]
name = "bo"
source = "push"
[[seats]]
name = "ana"
source = "claude_ai"
session_key_env = "ANA_SESSION_KEY"
"""
URL = "https://bot.example/"


@pytest.fixture
def typed(tmp_path: Path) -> "Typed":
    return Typed(tmp_path)


class Typed:
    """Types commands with a configuration of two seats."""

    def __init__(self, folder: Path) -> None:
        self._environ = {
            "METERBOT_CONFIG_TOML": BOT.format(folder),
            "ANA_SESSION_KEY": "sk-ant-sid01-planted-session-key-AAAAAAAAAAAA",
            "DATABASE_URL": None,
        }

    def __call__(self, *words: str, answer: str = "", **environ: str | None) -> Result:
        return CliRunner().invoke(cli, ["seat", *words], input=answer, env={**self._environ, **environ})

    def token(self) -> str:
        printed: dict[str, str] = json.loads(self("add", "bo", "--replace", "--json").stdout)
        return printed["token"]


def test_a_token_is_printed_once_with_the_line_to_run(typed: Typed) -> None:
    said = typed("add", "bo", "--url", URL)
    assert said.exit_code == 0
    (token,) = set(re.findall(r"mbpush_[\w-]+", said.stdout))
    line = f"METERBOT_URL=https://bot.example METERBOT_PUSH_TOKEN={token} meterbot push --every 15m"
    assert line in said.stdout
    assert token not in said.stderr
    assert token not in typed("list").output + typed("list", "--json").output


def test_the_line_names_the_public_address_of_the_configuration(typed: Typed, tmp_path: Path) -> None:
    public = BOT.format(tmp_path) + '[http]\npublic_url = "https://public.example"\n'
    printed = json.loads(typed("add", "bo", "--json", METERBOT_CONFIG_TOML=public).stdout)
    assert "METERBOT_URL=https://public.example " in printed["command"]


def test_a_second_token_is_made_only_where_the_first_may_end(typed: Typed) -> None:
    first = typed.token()
    said = typed("add", "bo")
    assert (said.exit_code, said.stdout) == (1, "")
    assert "--replace" in said.stderr
    assert typed.token() != first


def test_json_is_one_document(typed: Typed) -> None:
    printed = json.loads(typed("add", "bo", "--json", "--url", URL).stdout)
    assert printed["seat"] == "bo"
    assert printed["token"] in printed["command"]


def test_a_seat_that_is_not_configured_is_told_what_to_add(typed: Typed) -> None:
    said = typed("add", "cy")
    assert (said.exit_code, said.stdout) == (2, "")
    assert '[[seats]]\nname = "cy"\nsource = "push"' in said.stderr


def test_a_seat_that_is_read_otherwise_gets_no_token(typed: Typed) -> None:
    said = typed("add", "ana")
    assert said.exit_code == 2
    assert 'source = "claude_ai"' in said.stderr


def test_an_address_that_nobody_named_is_said_to_be_none(typed: Typed) -> None:
    assert "with your bot's address, which neither" in typed("add", "bo").stderr
    assert typed("add", "bo", "--replace", "--url", URL).stderr == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "http://bot.example",
            "--url must begin with https://, because over http anyone on the way could read",
        ),
        ("ftp://bot.example", '--url must be an address like "https://meterbot.example.com"'),
        ("bot.example", '--url must be an address like "https://meterbot.example.com"'),
    ],
)
def test_an_address_that_no_agent_takes_replaces_no_token(url: str, said: str, typed: Typed) -> None:
    typed.token()
    before = typed("list", "--json").stdout
    refused = typed("add", "bo", "--replace", "--url", url)
    assert (refused.exit_code, refused.stdout, said in refused.stderr) == (2, "", True), refused.stderr
    assert typed("list", "--json").stdout == before


def test_an_address_of_this_machine_may_be_http(typed: Typed) -> None:
    said = typed("add", "bo", "--url", "http://127.0.0.1:8080/")
    assert (said.exit_code, "METERBOT_URL=http://127.0.0.1:8080 " in said.stdout) == (0, True), said.stderr


def test_the_list_names_every_seat(typed: Typed) -> None:
    typed.token()
    lines = typed("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["Seat", "bo", "ana"]
    assert [one["seat"] for one in json.loads(typed("list", "--json").stdout)] == ["bo", "ana"]


def test_forgetting_asks_first(typed: Typed, tmp_path: Path) -> None:
    token = typed.token()
    said = typed("forget", "bo", answer="n\n")
    assert said.exit_code == 1
    assert "Delete everything stored about bo?" in said.stderr
    assert said.stderr.endswith("nothing was deleted\n")
    unanswered = typed("forget", "bo")
    assert unanswered.exit_code == 1
    assert unanswered.stderr.endswith("\nnothing was deleted: nobody answered (--yes skips the question)\n")
    assert digest(token).encode() in stored(tmp_path)
    said = typed("forget", "bo", answer="y\n")
    assert said.exit_code == 0
    assert "deleted for bo: its push token" in said.stdout


def test_what_is_unasked_for_is_not_asked(typed: Typed) -> None:
    typed.token()
    assert typed("forget", "bo", "--yes").exit_code == 0
    again = typed("forget", "bo", "--yes")
    assert (again.exit_code, again.stdout) == (1, "")
    assert "nothing is stored about bo" in again.stderr


def test_a_token_alone_can_be_revoked(typed: Typed) -> None:
    typed.token()
    assert "no longer works" in typed("forget", "bo", "--token", "--yes").stdout
    again = typed("forget", "bo", "--token", "--yes")
    assert (again.exit_code, again.stdout, again.stderr) == (1, "", "bo has no stored token\n")
    assert typed("add", "bo").exit_code == 0


@pytest.mark.parametrize(
    ("option", "question"),
    [
        ("--token", "Delete the push token of bo?"),
        ("--account", "Forget which account bo belongs to?"),
        ("--invitation", "Remove the invitation of bo and its token?"),
    ],
)
def test_the_question_says_what_would_be_deleted(typed: Typed, option: str, question: str) -> None:
    assert question in typed("forget", "bo", option, answer="n\n").stderr


def test_an_account_that_is_not_known_cannot_be_forgotten(typed: Typed) -> None:
    said = typed("forget", "bo", "--account", "--yes")
    assert (said.exit_code, said.stdout, said.stderr) == (1, "", "no account of bo is stored\n")


def test_after_its_account_is_forgotten_a_seat_may_be_read_from_another(typed: Typed, tmp_path: Path) -> None:
    asyncio.run(read_from_an_account(tmp_path))
    assert typed("forget", "bo", "--account", "--yes").stdout == (
        "the next reading of bo may be from another account\n"
    )


async def read_from_an_account(folder: Path) -> None:
    store = await open_store(f"sqlite:///{folder}/meterbot.db")
    await write(store, Batch(latest=[Latest("bo", ANA, known())]))
    await store.close()


def test_one_thing_is_forgotten_at_a_time(typed: Typed) -> None:
    assert typed("forget", "bo", "--account", "--token", "--yes").exit_code == 2


def test_a_seat_that_left_the_configuration_can_be_forgotten_without_one(
    typed: Typed, tmp_path: Path
) -> None:
    typed.token()
    url = f"sqlite:///{tmp_path}/meterbot.db"
    said = typed("forget", "bo", "--yes", METERBOT_CONFIG_TOML=None, DATABASE_URL=url)
    assert (said.exit_code, said.stdout.splitlines()[0]) == (0, "deleted for bo: its push token")


def stored(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("meterbot.db*"))


def test_the_token_itself_is_in_no_file(typed: Typed, tmp_path: Path) -> None:
    token = typed.token()
    assert token.encode() not in stored(tmp_path)
    assert digest(token).encode() in stored(tmp_path)


# Invitations.


def test_people_are_invited_without_an_entry_in_the_configuration(typed: Typed, tmp_path: Path) -> None:
    said = typed("invite", "cleo=U0123ABC", "dan", "ana")
    assert said.exit_code == 0
    assert "cleo: its owner has no id on a chat configured here, so no message was sent." in said.stdout
    assert "ana: the bot reads this seat itself." in said.stdout
    assert "Set [http] public_url to get a line for dan." in said.stderr
    shown = typed("list").stdout
    assert re.search(r"cleo +push \(invited\) +never seen +never +not joined yet", shown)
    assert typed("add", "cleo", "--url", URL).exit_code == 0
    exported = typed("export").stdout
    assert exported == (
        '[[seats]]\nname = "cleo"\nsource = "push"\nowner = { slack = "U0123ABC" }\n\n'
        '[[seats]]\nname = "dan"\nsource = "push"\n'
    )
    moved = typed("list", METERBOT_CONFIG_TOML=BOT.format(tmp_path) + exported)
    assert "(invited)" not in moved.stdout
    assert re.search(r"cleo +push +never seen +never +made", moved.stdout)
    assert typed("export", METERBOT_CONFIG_TOML=BOT.format(tmp_path) + exported).stdout == ""
    assert typed("forget", "dan", "--invitation", "--yes").stdout == "dan is no longer invited\n"
    again = typed("forget", "dan", "--invitation", "--yes")
    assert (again.exit_code, again.stderr) == (1, "dan is not an invited seat\n")


def test_where_no_chat_reaches_them_the_line_is_printed(typed: Typed, tmp_path: Path) -> None:
    public = BOT.format(tmp_path) + '[http]\npublic_url = "https://public.example"\n'
    said = typed("invite", "cleo", METERBOT_CONFIG_TOML=public)
    assert re.search(r"curl -fsSL https://public\.example/join/[\w-]{32} \| python3 -", said.stdout)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cleo=ana"], "is not an owner"),
        (["Cleo"], "cannot be a seat's name"),
        (["bo=U0123ABC"], "in the configuration"),
    ],
)
def test_an_invitation_that_is_wrong_is_refused(typed: Typed, words: list[str], said: str) -> None:
    refused = typed("invite", "dan", *words)
    assert (refused.exit_code, said in refused.stderr) == (2, True)
    assert "dan" not in typed("list").stdout
