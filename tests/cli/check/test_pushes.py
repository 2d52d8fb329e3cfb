"""What `meterbot check` says of seats that push."""

import asyncio
from pathlib import Path

import pytest

from meterbot.cli.check import Check, Status, as_text, exit_status
from meterbot.commands.seat_admin import make_token
from meterbot.ingest.pushes import new_token
from meterbot.store.database import open_store
from tests.app.config.writing import ENVIRON
from tests.cli.check.test_surroundings import checked
from tests.store.examples import NOW

BO = '[[seats]]\nname = "bo"\nsource = "push"\n'
HERE = '[http]\nbind = "127.0.0.1:8080"\n'
DIGEST = f'push_token_sha256 = "{"0" * 64}"\n'


def about(checks: list[Check]) -> dict[str, Check]:
    return {check.id: check for check in checks if check.id.startswith("push")}


def made(tmp_path: Path, seat: str) -> str | None:
    async def make() -> str | None:
        store = await open_store(f"sqlite:///{tmp_path}/meterbot.db")
        token = await make_token(store, seat, NOW, replace=False)
        await store.close()
        return token

    return asyncio.run(make())


def test_a_seat_that_pushes_needs_a_listener_and_a_token(tmp_path: Path) -> None:
    checks = checked(tmp_path, BO)
    found = about(checks)
    assert [check.status for check in found.values()] == [Status.FAIL, Status.FAIL]
    assert "[http]" in str(found["push_listener"].remedy)
    assert found["push_tokens"].remedy == "meterbot seat add bo"
    assert exit_status(checks) == 1
    assert not (tmp_path / "meterbot.db").exists()


def test_every_seat_without_a_token_is_named(tmp_path: Path) -> None:
    made(tmp_path, "cy")
    others = BO.replace("bo", "cy") + BO.replace("bo", "dan") + BO.replace("bo", "eve") + DIGEST
    failed = [check for check in checked(tmp_path, HERE + BO + others) if check.status is Status.FAIL]
    assert [check.sentence for check in failed] == ["bo has no push token", "dan has no push token"]


def test_with_both_it_is_well_and_no_secret_shows(tmp_path: Path) -> None:
    token = made(tmp_path, "bo")
    checks = checked(tmp_path, HERE + BO)
    assert [check.status for check in about(checks).values()] == [Status.OK, Status.OK]
    assert str(token) not in as_text(checks)


def test_a_database_before_there_were_tokens_holds_none(tmp_path: Path) -> None:
    (tmp_path / "meterbot.db").write_bytes(b"")
    assert about(checked(tmp_path, HERE + BO))["push_tokens"].status is Status.FAIL


def test_postgresql_is_not_contacted(tmp_path: Path) -> None:
    environ = {**ENVIRON, "DATABASE_URL": "postgres://u:planted-password@db.example/x"}
    found = about(checked(tmp_path, HERE + BO, environ))["push_tokens"]
    assert found.status is Status.OK
    assert "meterbot seat list" in found.sentence


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
