"""What `meterbot check` says of the sign-ins of Claude Code."""

import json
from pathlib import Path

from meterbot.cli.check import Check, Status, Stored, as_text, run_checks

TOKEN = "sk-ant-oat01-planted-0123456789abcdefghij"
END = 1_776_672_000_000


def checked(tmp_path: Path, text: str, held: object = None) -> list[Check]:
    for name, value in (("config.toml", text), ("c.json", json.dumps(held))):
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o600)
    return again(tmp_path, {"BO_TOKEN": TOKEN, "API_KEY": "sk-ant-api03-planted-0123"})


def again(tmp_path: Path, environ: dict[str, str]) -> list[Check]:
    return run_checks(None, environ, tmp_path, lambda _: Stored())


def seat(name: str, credential: str) -> str:
    return f'[[seats]]\nname = "{name}"\nsource = "claude_code"\n{credential}\n'


def of(checks: list[Check], name: str) -> list[Check]:
    return [check for check in checks if check.id == name]


def test_a_good_sign_in_is_reported_with_its_end(tmp_path: Path) -> None:
    held = {"claudeAiOauth": {"accessToken": TOKEN, "expiresAt": END}}
    checks = checked(tmp_path, seat("bo", 'credentials_file = "c.json"'), held)
    assert of(checks, "sign_in") == [
        Check("sign_in", Status.OK, "bo: a token of Claude Code, valid until 2026-04-20 08:00 UTC")
    ]
    assert [check.status for check in of(checks, "secret_files")] == [Status.OK]
    assert TOKEN not in as_text(checks)


def test_a_file_that_others_may_read_is_reported(tmp_path: Path) -> None:
    held = {"claudeAiOauth": {"accessToken": TOKEN}}
    text = seat("bo", 'credentials_file = "c.json"')
    checked(tmp_path, text, held)
    (tmp_path / "c.json").chmod(0o644)
    (found,) = of(again(tmp_path, {}), "secret_files")
    assert (found.status, found.remedy) == (Status.WARN, f"chmod 600 {tmp_path}/c.json")


def test_a_file_without_a_sign_in_fails_with_what_to_do(tmp_path: Path) -> None:
    (found,) = of(checked(tmp_path, seat("bo", 'credentials_file = "c.json"'), {"mcpOAuth": {}}), "sign_in")
    assert found.status is Status.FAIL
    assert found.sentence == "bo: the credentials file holds only sign-ins of MCP servers"
    assert found.remedy == "run `claude` once on that machine and sign in with /login"


def test_another_kind_of_key_fails(tmp_path: Path) -> None:
    (found,) = of(checked(tmp_path, seat("bo", 'token_env = "API_KEY"')), "sign_in")
    assert found.status is Status.FAIL
    assert found.sentence == "bo: not an OAuth token of Claude Code, but an API key"
    assert found.remedy


def test_one_token_for_two_seats_is_reported(tmp_path: Path) -> None:
    held = {"claudeAiOauth": {"accessToken": TOKEN}}
    text = seat("bo", 'token_env = "BO_TOKEN"') + seat("cy", 'credentials_file = "c.json"')
    checks = checked(tmp_path, text, held)
    (found,) = of(checks, "same_token")
    assert found.status is Status.WARN
    assert found.sentence.startswith("bo and cy have the same token")
    assert TOKEN not in as_text(checks)
    (tmp_path / "c.json").write_text(json.dumps({"claudeAiOauth": {"accessToken": f"{TOKEN}x"}}))
    assert of(again(tmp_path, {"BO_TOKEN": TOKEN}), "same_token") == []
