import errno
import json
import os
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from meterbot.app.config import Config
from meterbot.cli.check import (
    Check,
    Status,
    Stored,
    as_json,
    as_text,
    exit_status,
    run_checks,
    surroundings,
)
from meterbot.core.cipher import Cipher, new_key
from meterbot.core.errors import StartError
from meterbot.store.errors import URL_NAMES
from tests.app.config.writing import ANA, ENVIRON, SECRETS, SESSION_KEY
from tests.missing import judged_by

NOTHING = Stored()


def checked(
    tmp_path: Path, text: str = ANA, environ: dict[str, str] = ENVIRON, stored: Stored = NOTHING
) -> list[Check]:
    config = tmp_path / "config.toml"
    config.write_text(text)
    config.chmod(0o600)
    return run_checks(None, environ, tmp_path, lambda _: stored)


def refusing(failure: OSError) -> Callable[..., object]:
    def refuse(*_: object, **__: object) -> object:
        raise failure

    return refuse


def of(checks: list[Check], name: str) -> Check:
    (found,) = [check for check in checks if check.id == name]
    return found


def test_a_sound_set_up_is_all_well(tmp_path: Path) -> None:
    checks = checked(tmp_path, environ={**ENVIRON, "METERBOT_SECRET_KEY": new_key()})
    assert [(check.id, check.status) for check in checks] == [
        (name, Status.OK)
        for name in (
            "python",
            "config",
            "config_mode",
            "timezone",
            "database",
            "chats",
            "levels",
            "secret_key",
        )
    ]
    assert exit_status(checks) == 0


def test_every_problem_of_the_configuration_is_a_failure_with_a_remedy(tmp_path: Path) -> None:
    checks = checked(tmp_path, ANA + 'plan_price = "x"\nplan_currency = "y"\n')
    failed = [check for check in checks if check.status is Status.FAIL]
    assert [check.id for check in failed] == ["config", "config"]
    assert failed[0].sentence.startswith("config.toml:6:1 seats[0].plan_price: must be an amount")
    assert all(check.remedy for check in failed)
    assert exit_status(checks) == 2


def test_a_configuration_that_others_may_change_is_reported(tmp_path: Path) -> None:
    checked(tmp_path)
    (tmp_path / "config.toml").chmod(0o620)
    found = of(run_checks(None, ENVIRON, tmp_path, lambda _: NOTHING), "config_mode")
    assert found.status is Status.WARN
    assert "chmod go-w" in str(found.remedy)


def test_a_password_in_a_readable_configuration_is_reported(tmp_path: Path) -> None:
    text = 'database_url = "postgres://u:planted-password@db.example/x"\n' + ANA
    assert of(checked(tmp_path, text), "config_mode").status is Status.OK
    (tmp_path / "config.toml").chmod(0o644)
    checks = run_checks(None, ENVIRON, tmp_path, lambda _: NOTHING)
    assert of(checks, "config_mode").status is Status.WARN
    assert "planted-password" not in as_text(checks)
    elsewhere = run_checks(
        None, {**ENVIRON, "DATABASE_URL": "postgres://u:p@db.example/x"}, tmp_path, lambda _: NOTHING
    )
    assert of(elsewhere, "config_mode").status is Status.OK


def test_secret_files_that_others_may_read_are_reported_one_by_one(tmp_path: Path) -> None:
    for name in ("ana", "bo", "token"):
        (tmp_path / name).write_text(SESSION_KEY)
        (tmp_path / name).chmod(0o600)
    seats = "".join(
        f'[[seats]]\nname = "{n}"\nsource = "claude_ai"\nsession_key_file = "{n}"\n' for n in ("ana", "bo")
    )
    text = f'[discord]\nguild_id = 1\nchannel_id = 2\nbot_token_file = "token"\n{seats}'
    assert of(checked(tmp_path, text), "secret_files").sentence == "3 read, closed to other users"
    (tmp_path / "bo").chmod(0o640)
    (tmp_path / "token").chmod(0o604)
    findings = [check for check in checked(tmp_path, text) if check.id == "secret_files"]
    assert [check.status for check in findings] == [Status.WARN, Status.WARN]
    assert [check.remedy for check in findings] == [
        f"chmod 600 {tmp_path / name}" for name in ("token", "bo")
    ]


def test_sqlite_on_a_dyno_fails(tmp_path: Path) -> None:
    checks = checked(tmp_path, environ={**ENVIRON, "DYNO": "worker.1"})
    assert of(checks, "database").status is Status.FAIL
    assert "heroku" in str(of(checks, "database").remedy)
    assert exit_status(checks) == 1


def test_postgresql_on_a_dyno_is_well(tmp_path: Path) -> None:
    environ = {**ENVIRON, "DYNO": "worker.1", "DATABASE_URL": "postgres://u:p@h/d"}
    assert of(checked(tmp_path, environ=environ), "database").status is Status.OK


def test_a_database_without_its_directory_fails(tmp_path: Path) -> None:
    found = of(checked(tmp_path, f'database_url = "sqlite:///{tmp_path}/gone/m.db"\n{ANA}'), "database")
    assert found.status is Status.FAIL
    assert found.remedy == f"mkdir -p {tmp_path}/gone"


def database_of(tmp_path: Path, name: str = "m.db") -> Check:
    checks = checked(tmp_path, f'database_url = "sqlite:///{tmp_path}/{name}"\n{ANA}')
    found = of(checks, "database")
    assert exit_status(checks) == (1 if found.status is Status.FAIL else 0)
    return found


def test_a_database_that_is_not_there_yet_is_said_not_to_be_and_not_made(tmp_path: Path) -> None:
    found = database_of(tmp_path)
    assert (found.status, found.sentence) == (Status.OK, f"SQLite in {tmp_path}/m.db, not created yet")
    assert not (tmp_path / "m.db").exists()


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "m.db").mkdir()
    found = database_of(tmp_path)
    assert (found.status, found.sentence) == (Status.FAIL, f"{tmp_path}/m.db is a directory")
    assert found.remedy


def test_a_file_of_something_else_is_no_database_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m.db").write_bytes(noise := bytes(range(1, 256)) * 64)
    found = database_of(tmp_path)
    assert found.status is Status.FAIL
    assert found.sentence == f"{tmp_path}/m.db cannot be used: file is not a database"
    assert "name another file" in str(found.remedy)
    assert (tmp_path / "m.db").read_bytes() == noise


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_a_database_that_somebody_holds_cannot_be_used_until_it_is_let_go(
    tmp_path: Path, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "_PATIENCE_SECONDS", 0.05)
    with closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as holder:
        holder.execute(f"PRAGMA journal_mode = {journal}")
        holder.execute("CREATE TABLE t (x)")
        holder.execute("BEGIN EXCLUSIVE")
        found = database_of(tmp_path)
        assert (found.status, found.sentence) == (
            Status.FAIL,
            f"{tmp_path}/m.db cannot be used: database is locked",
        )
        assert found.remedy == "end the program that holds the file"
        holder.execute("ROLLBACK")
        assert database_of(tmp_path).status is Status.OK


def test_a_postgresql_that_was_asked_is_said_to_answer(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(ANA)
    environ = {**ENVIRON, "DATABASE_URL": "postgres://u:planted-password@db.example/x"}
    found = of(run_checks(None, environ, tmp_path, lambda _: NOTHING), "database")
    assert (found.status, found.sentence) == (Status.OK, "PostgreSQL at db.example answers")


def test_two_seats_with_one_secret_are_reported_without_showing_it(tmp_path: Path) -> None:
    digest = "ab" * 32
    seats = "".join(
        f'[[seats]]\nname = "{name}"\nsource = "push"\npush_token_sha256 = "{digest}"\n'
        for name in ("cy", "di")
    )
    two = ANA + ANA.replace('"ana"', '"bo"').replace("ANA_", "BO_") + '[http]\nbind = "127.0.0.1:0"\n' + seats
    checks = checked(tmp_path, two, {**ENVIRON, "BO_SESSION_KEY": SESSION_KEY})
    assert [(each.status, each.sentence) for each in checks if each.id == "same_secret"] == [
        (Status.FAIL, "ana and bo have the same session key"),
        (Status.FAIL, "cy and di have the same push token"),
    ]
    assert SESSION_KEY not in as_text(checks)
    assert digest not in as_text(checks)
    apart = checked(tmp_path, two, {**ENVIRON, "BO_SESSION_KEY": f"{SESSION_KEY}B"})
    assert [each.sentence for each in apart if each.id == "same_secret"] == [
        "cy and di have the same push token"
    ]


def test_where_somebody_listens_already_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        text = f'[http]\nbind = "{place}"\n{ANA}'
        found = of(checked(tmp_path, text), "listener")
        assert (found.status, found.sentence) == (Status.WARN, f"another program already listens at {place}")
        assert "ignore this if it is the running bot" in str(found.remedy)
    assert of(checked(tmp_path, text), "listener").status is Status.OK


def test_an_address_of_another_machine_fails_in_plain_words(tmp_path: Path) -> None:
    found = of(checked(tmp_path, f'[http]\nbind = "192.0.2.1:8080"\n{ANA}'), "listener")
    assert (found.status, found.sentence) == (
        Status.FAIL,
        f"meterbot cannot listen at 192.0.2.1:8080: {os.strerror(errno.EADDRNOTAVAIL)}",
    )


def test_where_nothing_can_listen_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", refusing(socket.gaierror(socket.EAI_NONAME, "no such name")))
    found = of(checked(tmp_path, f'[http]\nbind = "nowhere.example:8080"\n{ANA}'), "listener")
    assert (found.status, found.sentence) == (
        Status.FAIL,
        "meterbot cannot listen at nowhere.example:8080: no such name",
    )


@judged_by("a user who is not root", os.geteuid() != 0)  # who may write everywhere
def test_a_database_that_cannot_be_written_to_fails(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o500)
    found = of(checked(tmp_path, f'database_url = "sqlite:///data/m.db"\n{ANA}'), "database")
    assert found.status is Status.FAIL
    assert found.sentence == f"{tmp_path}/data cannot be written to"


def test_nowhere_to_tell_anything_fails(tmp_path: Path) -> None:
    found = of(checked(tmp_path, f"[console]\nenabled = false\n{ANA}"), "chats")
    assert found.status is Status.FAIL


def test_where_alerts_go_is_said(tmp_path: Path) -> None:
    text = f'[console]\n[slack]\nchannel = "C01"\n[discord]\nguild_id = 1\nchannel_id = 2\n{ANA}'
    assert of(checked(tmp_path, text), "chats").sentence == "alerts go to Slack and Discord and the console"


def test_slack_tokens_that_were_mixed_up_are_reported_without_showing_them(tmp_path: Path) -> None:
    mixed = {
        **ENVIRON,
        "SLACK_BOT_TOKEN": ENVIRON["SLACK_APP_TOKEN"],
        "SLACK_APP_TOKEN": ENVIRON["SLACK_BOT_TOKEN"],
    }
    checks = checked(tmp_path, f'[slack]\nchannel = "C01"\n{ANA}', mixed)
    assert [check.sentence for check in checks if check.id == "tokens"] == [
        "slack.bot_token does not start with xoxb-",
        "slack.app_token does not start with xapp-",
    ]
    assert not [planted for planted in SECRETS if planted in as_text(checks)]


def test_a_key_of_another_kind_is_reported_without_showing_it(tmp_path: Path) -> None:
    api = '[[seats]]\nname = "api"\nsource = "admin_api"\ntoken_env = "ADMIN"\n'
    of_api = checked(tmp_path, api, {"ADMIN": "sk-ant-api03-planted-0123456789abcdef"})
    assert of(of_api, "tokens").sentence == "the token of seat api does not start with sk-ant-admin"
    assert "planted" not in as_text(of_api)
    right = checked(tmp_path, api, {"ADMIN": "sk-ant-admin01-planted-0123456789abcdef"})
    assert "tokens" not in {check.id for check in right}


# --- stored session keys ----------------------------------------------------------------------------------------------

K1, K2 = new_key(), new_key()


def secret_key(tmp_path: Path, given: str | None, stored: dict[str, str | None]) -> Check:
    (tmp_path / "config.toml").write_text(ANA)
    environ = ENVIRON if given is None else {**ENVIRON, "METERBOT_SECRET_KEY": given}
    return of(run_checks(None, environ, tmp_path, lambda _: Stored(stored)), "secret_key")


def under(key: str) -> dict[str, str | None]:
    return {"ana": Cipher([key]).encrypt("ana", SESSION_KEY), "bo": None}


def test_without_a_secret_key_seats_are_said_to_end_early_and_how_to_make_one(tmp_path: Path) -> None:
    found = secret_key(tmp_path, None, {})
    assert found.status is Status.WARN
    assert (
        found.sentence
        == "without a secret key renewed session keys are not kept: the sessions of ana end early"
    )
    assert "`meterbot secret-key`" in str(found.remedy)


def test_a_secret_key_that_is_gone_is_distinguished_from_one_that_never_was(tmp_path: Path) -> None:
    found = secret_key(tmp_path, None, under(K1))
    assert found.status is Status.FAIL
    assert found.sentence == ("the stored session keys of ana cannot be decrypted: there is no secret key")


def test_a_malformed_secret_key_is_a_failure_that_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(ANA)
    checks = run_checks(None, {**ENVIRON, "METERBOT_SECRET_KEY": "planted-word"}, tmp_path, lambda _: NOTHING)
    assert "must be a key that `meterbot secret-key` prints" in of(checks, "config").sentence
    assert "planted-word" not in as_text(checks)
    assert exit_status(checks) == 2


def test_a_wrong_secret_key_is_a_failure_that_says_what_to_do(tmp_path: Path) -> None:
    found = secret_key(tmp_path, K2, under(K1))
    assert found.status is Status.FAIL
    assert found.sentence == "the secret key does not decrypt the stored session keys of ana"
    assert '("new old")' in str(found.remedy)


def test_an_older_secret_key_is_said_to_be_needed_until_it_is_not(tmp_path: Path) -> None:
    found = secret_key(tmp_path, f"{K2} {K1}", under(K1))
    assert (found.status, found.sentence) == (
        Status.OK,
        "the stored session keys of ana still need an older secret key",
    )
    assert "older" not in secret_key(tmp_path, f"{K2} {K1}", under(K2)).sentence


def test_a_remedy_names_the_variable_or_the_key_that_was_used(tmp_path: Path) -> None:
    def fail(_: Config) -> Stored:
        raise StartError("no", f"Correct the password in {URL_NAMES}")

    (tmp_path / "config.toml").write_text(ANA)
    by_key = run_checks(None, ENVIRON, tmp_path, fail)
    by_variable = run_checks(None, {**ENVIRON, "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}, tmp_path, fail)
    assert of(by_key, "database").remedy == "correct the password in database_url"
    assert of(by_variable, "database").remedy == "correct the password in DATABASE_URL"


def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text(ANA)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=300_000, free=4096))
    found = of(run_checks(None, ENVIRON, tmp_path, lambda _: Stored()), "database")
    assert (found.status, found.remedy) == (Status.FAIL, "free some space on it")


def test_a_database_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    def fail(_: Config) -> Stored:
        raise StartError("cannot read the database here: no answer")

    (tmp_path / "config.toml").write_text(ANA)
    checks = run_checks(None, ENVIRON, tmp_path, fail)
    assert of(checks, "database") == Check(
        "database",
        Status.FAIL,
        "cannot read the database here: no answer",
        "correct database_url, or start the database",
    )
    assert of(checks, "secret_key").status is Status.WARN
    assert exit_status(checks) == 1


def test_secrets_sent_unencrypted_to_another_machine_are_reported(tmp_path: Path) -> None:
    text = f"""
        [endpoints]
        claude_ai = "http://relay.example"
        slack_api = "http://127.0.0.1:8080"
        discord_api = "http://localhost:8080"
        {ANA}"""
    found = of(checked(tmp_path, text), "endpoints")
    assert found.sentence == "endpoints.claude_ai sends secrets unencrypted to relay.example"


def test_a_configuration_from_the_environment_has_no_file_to_look_at(tmp_path: Path) -> None:
    checks = run_checks(None, {**ENVIRON, "METERBOT_CONFIG_TOML": ANA}, tmp_path, lambda _: NOTHING)
    assert exit_status(checks) == 0
    assert "config_mode" not in {check.id for check in checks}


def test_checks_can_be_printed_and_read_by_programs() -> None:
    checks = [Check("python", Status.OK, "Python 3.11"), Check("chats", Status.FAIL, "none", "add one")]
    assert as_text(checks) == "ok    python: Python 3.11\nfail  chats: none -> add one (docs/checks.md#chats)"
    assert json.loads(json.dumps(as_json(checks))) == [
        {
            "id": "python",
            "status": "ok",
            "sentence": "Python 3.11",
            "remedy": None,
            "page": "docs/checks.md#python",
        },
        {
            "id": "chats",
            "status": "fail",
            "sentence": "none",
            "remedy": "add one",
            "page": "docs/checks.md#chats",
        },
    ]
