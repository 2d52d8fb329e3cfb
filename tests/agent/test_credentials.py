import json
from datetime import timedelta

import pytest

from meterbot.agent import credentials
from meterbot.agent.trouble import PushError
from meterbot.core import secret
from tests.agent.rig import ACCESS, NOW, REFRESH, Home, program
from tests.agent.rig import credentials as kept


def keychain(home: Home, entries: dict[str, str]) -> None:
    """A `security` that knows these entries by their service, for the user zoe."""
    home.platform = "darwin"
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


def test_the_token_of_the_file_is_found_and_known_to_be_secret(home: Home) -> None:
    home.sign_in("token-of-an-unusual-form")
    login = credentials.find(home.machine, NOW)
    assert login.token == "token-of-an-unusual-form"
    assert "unusual" not in repr(login)
    assert secret.hide("it was token-of-an-unusual-form") == "it was [hidden]"


def test_another_directory_of_claude_code_is_another_sign_in(home: Home) -> None:
    home.sign_in("the-private-one")
    home.env["CLAUDE_CONFIG_DIR"] = str(home.path / "work")
    home.sign_in("the-one-at-work")
    assert credentials.find(home.machine, NOW).token == "the-one-at-work"


def test_the_keychain_comes_before_a_file_that_is_left_over(home: Home) -> None:
    home.sign_in("left-over")
    keychain(home, {"Claude Code-credentials": json.dumps(kept("of-the-keychain"))})
    assert credentials.find(home.machine, NOW).token == "of-the-keychain"


def test_each_directory_has_a_keychain_entry_of_its_own(home: Home) -> None:
    home.env["CLAUDE_CONFIG_DIR"] = "/Users/ana/work"
    # The digits begin the SHA-256 of the path.
    keychain(home, {"Claude Code-credentials-9c22b585": json.dumps(kept("at-work"))})
    assert credentials.find(home.machine, NOW).token == "at-work"


@pytest.mark.parametrize(
    "entry", ["", "not JSON", "{}", json.dumps(kept(""))], ids=["empty", "words", "none", "blank"]
)
def test_without_a_sign_in_in_the_keychain_the_file_counts(home: Home, entry: str) -> None:
    home.sign_in("of-the-file")
    keychain(home, {"Claude Code-credentials": entry})
    assert credentials.find(home.machine, NOW).token == "of-the-file"


def test_a_keychain_without_its_program_is_none(home: Home) -> None:
    home.platform = "darwin"
    home.sign_in()
    assert credentials.find(home.machine, NOW).token == ACCESS


def test_the_keychain_is_not_asked_on_other_systems(home: Home) -> None:
    keychain(home, {"Claude Code-credentials": json.dumps(kept("of-the-keychain"))})
    home.platform = "linux"
    home.sign_in("of-the-file")
    assert credentials.find(home.machine, NOW).token == "of-the-file"


def test_no_sign_in_says_where_one_comes_from(home: Home) -> None:
    with pytest.raises(PushError, match="run `claude` once and sign in"):
        credentials.find(home.machine, NOW)


def test_an_expired_token_is_renewed_by_claude_code_alone(home: Home) -> None:
    home.sign_in(until=NOW - timedelta(seconds=1))
    with pytest.raises(PushError, match=r"expired at 2026-04-20 09:59 UTC: run `claude` once$"):
        credentials.find(home.machine, NOW)


def test_a_token_that_can_only_spend_is_told_apart(home: Home) -> None:
    home.sign_in(scopes=["user:inference"])
    with pytest.raises(PushError, match="`claude setup-token` makes such"):
        credentials.find(home.machine, NOW)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"mcpOAuth": {}}', json.dumps(kept("")), json.dumps(kept("two\nlines " + ACCESS))],
)
def test_what_is_no_sign_in_is_refused_without_quoting_it(home: Home, text: str) -> None:
    home.sign_in()
    (home.path / ".claude/.credentials.json").write_text(text)
    with pytest.raises(PushError) as refused:
        credentials.find(home.machine, NOW)
    assert ACCESS not in str(refused.value)
    assert REFRESH not in str(refused.value)
    chained = refused.value.__context__
    assert chained is None or refused.value.__suppress_context__


def test_reading_leaves_the_file_as_it_was(home: Home) -> None:
    home.sign_in()
    path = home.path / ".claude/.credentials.json"
    before = path.read_bytes(), path.stat().st_mtime_ns
    credentials.find(home.machine, NOW)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
