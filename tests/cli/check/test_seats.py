"""What `meterbot check` says of seats that push, of the levels that hold for each seat, and of the sign-ins of Claude
Code."""

import asyncio
import json
from pathlib import Path

import pytest

from meterbot.cli.check import Check, Status, Stored, as_text, exit_status, run_checks
from meterbot.cli.check.seats import read_stored
from meterbot.commands.seat_admin import make_token
from meterbot.delivery import seat_settings
from meterbot.delivery.seat_settings import SeatSettings
from meterbot.ingest.pushes import new_token
from meterbot.rules.memory import seat_settings_name
from meterbot.rules.settings import parse_threshold
from meterbot.store import Store, StoredSession, rule_memories, sessions
from meterbot.store.database import open_store
from tests.app.config.writing import ANA, ENVIRON, loaded
from tests.cli.check.test_surroundings import checked
from tests.store.examples import NOW

BO = '[[seats]]\nname = "bo"\nsource = "push"\n'
HERE = '[http]\nbind = "127.0.0.1:8080"\n'
DIGEST = f'push_token_sha256 = "{"0" * 64}"\n'


def about(checks: list[Check]) -> dict[str, Check]:
    return {check.id: check for check in checks if check.id.startswith("push")}


def test_a_seat_that_pushes_needs_a_listener_and_a_token(tmp_path: Path) -> None:
    checks = checked(tmp_path, BO)
    found = about(checks)
    assert [check.status for check in found.values()] == [Status.FAIL, Status.FAIL]
    assert "[http]" in str(found["push_listener"].remedy)
    assert found["push_tokens"].remedy == "meterbot seat add bo"
    assert exit_status(checks) == 1
    assert not (tmp_path / "meterbot.db").exists()


def test_every_seat_without_a_token_is_named(tmp_path: Path) -> None:
    others = BO.replace("bo", "cy") + BO.replace("bo", "dan") + BO.replace("bo", "eve") + DIGEST
    checks = checked(tmp_path, HERE + BO + others, stored=Stored(pushing=frozenset({"cy"})))
    failed = [check for check in checks if check.status is Status.FAIL]
    assert [check.sentence for check in failed] == ["bo has no push token", "dan has no push token"]


async def _with_a_token(url: str) -> str | None:
    store = await open_store(url)
    token = await make_token(store, "bo", NOW, replace=False)
    await store.close()
    return token


def test_what_the_database_has_is_read_and_shows_no_token(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/meterbot.db"
    config = loaded(f'database_url = "{url}"\n{BO}')
    assert asyncio.run(read_stored(config)) == Stored()
    assert not (tmp_path / "meterbot.db").exists()
    token = asyncio.run(_with_a_token(url))
    stored = asyncio.run(read_stored(config))
    assert stored == Stored(pushing=frozenset({"bo"}))
    checks = checked(tmp_path, HERE + BO, stored=stored)
    assert [check.status for check in about(checks).values()] == [Status.OK, Status.OK]
    assert str(token) not in as_text(checks)


async def test_what_is_stored_is_read_from_either_database(store: Store, database_url: str) -> None:
    await make_token(store, "bo", NOW, replace=False)
    key = StoredSession("ana", "0" * 64, "encrypted", NOW)
    name, own = (
        seat_settings_name("bo"),
        seat_settings.dump(SeatSettings(thresholds=(parse_threshold("70%"),))),
    )
    await store.run(lambda c: sessions.start_all(c, [key]))
    await store.run(lambda c: rule_memories.write_memories(c, {name: own}))
    config = loaded(f"{ANA}{BO}", {**ENVIRON, "DATABASE_URL": database_url})
    assert await read_stored(config) == Stored({"ana": "encrypted"}, {name: own}, frozenset({"bo"}))


async def test_a_database_before_there_were_tokens_holds_none(tmp_path: Path) -> None:
    (tmp_path / "meterbot.db").write_bytes(b"")
    assert (
        await read_stored(loaded(f'database_url = "sqlite:///{tmp_path}/meterbot.db"\n{BO}'))
    ).pushing == frozenset()


@pytest.mark.parametrize(
    ("bind", "environ", "status"),
    [
        ("127.0.0.1:8080", {}, Status.OK),
        ("0.0.0.0:8080", {}, Status.WARN),
        ("[::]:8080", {}, Status.WARN),
        ("127.0.0.1:8080", {"PORT": "5000"}, Status.OK),
    ],
)
def test_pushes_that_others_could_read_are_warned_of(
    tmp_path: Path, bind: str, environ: dict[str, str], status: Status
) -> None:
    text = f'[http]\nbind = "{bind}"\n{BO}{DIGEST}'
    assert about(checked(tmp_path, text, {**ENVIRON, **environ}))["push_listener"].status is status


def test_a_team_without_such_a_seat_hears_nothing_of_it(tmp_path: Path) -> None:
    assert about(checked(tmp_path)) == {}


def test_a_token_in_place_of_its_digest_is_refused_and_not_repeated(tmp_path: Path) -> None:
    token = new_token()
    checks = checked(tmp_path, HERE + BO + f'push_token_sha256 = "{token}"\n')
    assert exit_status(checks) == 2
    assert token not in as_text(checks)


# --- levels


def levels(tmp_path: Path, text: str, memories: dict[str, str] | None = None) -> list[str]:
    checks = checked(tmp_path, text, stored=Stored(settings=memories or {}))
    return [check.sentence for check in checks if check.id == "levels"]


def test_an_invited_seat_with_levels_of_its_own_has_a_line_too(tmp_path: Path) -> None:
    own = seat_settings.dump(SeatSettings(thresholds=(parse_threshold("60%"),)))
    said = levels(tmp_path, ANA, {seat_settings_name("cleo"): own})
    assert said[1:] == ["cleo, set by its owner: 60%; without a cap: none"]
    assert said[0].startswith("every other seat: ")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('["70%"]', "every seat: 70%; without a cap: none"),
        ('["70%", "$30.00"]', "every seat: 70%, $30.00"),
    ],
)
def test_configured_levels_hold_for_every_seat(tmp_path: Path, written: str, said: str) -> None:
    assert levels(tmp_path, f"{ANA}\n[alerts]\nthresholds = {written}\n") == [said]


def test_the_default_has_levels_for_seats_without_a_cap(tmp_path: Path) -> None:
    (said,) = levels(tmp_path, ANA)
    assert said.endswith("; without a cap: $25.00, $50.00, $100.00, then every $100.00")


def test_a_seat_whose_owner_set_levels_has_a_line_of_its_own(tmp_path: Path) -> None:
    own = seat_settings.dump(SeatSettings(thresholds=(parse_threshold("60%"),)))
    assert levels(tmp_path, ANA, {seat_settings_name("ana"): own}) == [
        "ana, set by its owner: 60%; without a cap: none"
    ]


# --- the sign-ins of Claude Code ------------------------------------------------------------------------------------


TOKEN = "sk-ant-oat01-planted-0123456789abcdefghij"
END = 1_776_672_000_000


def with_sign_in(tmp_path: Path, text: str, held: object = None) -> list[Check]:
    for name, value in (("config.toml", text), ("c.json", json.dumps(held))):
        (tmp_path / name).write_text(value)
        (tmp_path / name).chmod(0o600)
    return checked_again(tmp_path, {"BO_TOKEN": TOKEN, "API_KEY": "sk-ant-api03-planted-0123"})


def checked_again(tmp_path: Path, environ: dict[str, str]) -> list[Check]:
    return run_checks(None, environ, tmp_path, lambda _: Stored())


def sign_in_seat(name: str, credential: str) -> str:
    return f'[[seats]]\nname = "{name}"\nsource = "claude_code"\n{credential}\n'


def of(checks: list[Check], name: str) -> list[Check]:
    return [check for check in checks if check.id == name]


def test_a_good_sign_in_is_reported_with_its_end(tmp_path: Path) -> None:
    held = {"claudeAiOauth": {"accessToken": TOKEN, "expiresAt": END}}
    checks = with_sign_in(tmp_path, sign_in_seat("bo", 'credentials_file = "c.json"'), held)
    assert of(checks, "sign_in") == [
        Check("sign_in", Status.OK, "bo: a token of Claude Code, valid until 2026-04-20 08:00 UTC")
    ]
    assert [check.status for check in of(checks, "secret_files")] == [Status.OK]
    assert TOKEN not in as_text(checks)


def test_a_file_that_others_may_read_is_reported(tmp_path: Path) -> None:
    held = {"claudeAiOauth": {"accessToken": TOKEN}}
    text = sign_in_seat("bo", 'credentials_file = "c.json"')
    with_sign_in(tmp_path, text, held)
    (tmp_path / "c.json").chmod(0o644)
    (found,) = of(checked_again(tmp_path, {}), "secret_files")
    assert (found.status, found.remedy) == (Status.WARN, f"chmod 600 {tmp_path}/c.json")


def test_a_file_without_a_sign_in_fails_with_what_to_do(tmp_path: Path) -> None:
    (found,) = of(
        with_sign_in(tmp_path, sign_in_seat("bo", 'credentials_file = "c.json"'), {"mcpOAuth": {}}), "sign_in"
    )
    assert found.status is Status.FAIL
    assert found.sentence == "bo: the credentials file holds only sign-ins of MCP servers"
    assert found.remedy == "run `claude` once on that machine and sign in with /login"


def test_another_kind_of_key_fails(tmp_path: Path) -> None:
    (found,) = of(with_sign_in(tmp_path, sign_in_seat("bo", 'token_env = "API_KEY"')), "sign_in")
    assert found.status is Status.FAIL
    assert found.sentence == "bo: not an OAuth token of Claude Code, but an API key"
    assert found.remedy


def test_one_token_for_two_seats_is_reported(tmp_path: Path) -> None:
    held = {"claudeAiOauth": {"accessToken": TOKEN}}
    text = sign_in_seat("bo", 'token_env = "BO_TOKEN"') + sign_in_seat("cy", 'credentials_file = "c.json"')
    checks = with_sign_in(tmp_path, text, held)
    (found,) = of(checks, "same_token")
    assert found.status is Status.WARN
    assert found.sentence.startswith("bo and cy have the same token")
    assert TOKEN not in as_text(checks)
    (tmp_path / "c.json").write_text(json.dumps({"claudeAiOauth": {"accessToken": f"{TOKEN}x"}}))
    assert of(checked_again(tmp_path, {"BO_TOKEN": TOKEN}), "same_token") == []
