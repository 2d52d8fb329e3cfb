"""The key that encrypts stored session keys: where it is found, and which mistakes are reported."""

from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from meterbot.app.config import Config
from meterbot.core import secret
from meterbot.core.cipher import Cipher, new_key
from tests.app.config.writing import ANA, ENVIRON, loaded, problems

ONE, TWO = new_key(), new_key()


def keys(config: Config) -> list[str]:
    return [*config.secret_keys]


def given(value: str) -> dict[str, str]:
    return {**ENVIRON, "METERBOT_SECRET_KEY": value}


def test_without_any_there_is_none() -> None:
    assert keys(loaded(ANA)) == []
    assert keys(loaded(ANA, given(""))) == []


@pytest.mark.parametrize("between", [",", " ", ", ", "\n", " ,\n"])
def test_several_keys_stay_in_their_order(between: str) -> None:
    assert keys(loaded(ANA, given(f"{ONE}{between}{TWO}\n"))) == [ONE, TWO]


def test_hexadecimal_digits_are_the_same_key_as_hosts_generate_it() -> None:
    digits = urlsafe_b64decode(ONE).hex()
    config = loaded(ANA, given(f"{digits.upper()} {TWO}"))
    assert keys(config) == [ONE, TWO]
    assert Cipher([ONE]).decrypt("ana", Cipher(keys(config)).encrypt("ana", "planted")) == "planted"
    assert secret.hide(f"{digits.upper()} {ONE}") == f"{secret.HIDDEN} {secret.HIDDEN}"


def test_it_may_stand_in_a_file_that_the_environment_names(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{ONE}\n{TWO}\n")
    environ = {**ENVIRON, "METERBOT_SECRET_KEY_FILE": "key"}
    assert keys(loaded(ANA, environ, tmp_path)) == [ONE, TWO]


def test_the_configuration_may_point_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(TWO)
    assert keys(loaded(f'secret_key_file = "key"\n{ANA}', given(ONE), tmp_path)) == [TWO]
    assert keys(loaded(f'secret_key_env = "MINE"\n{ANA}', {**given(ONE), "MINE": TWO})) == [TWO]


def test_systemd_may_hand_it_over(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text(ONE)
    environ = {**ENVIRON, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert keys(loaded(ANA, environ)) == [ONE]
    assert keys(loaded(ANA, {**environ, "METERBOT_SECRET_KEY": TWO})) == [TWO]


@pytest.mark.parametrize(
    "bad",
    ["changeme", ONE[:-1], f"{ONE}x", f"{ONE[:10]}!{ONE[11:]}", f"{ONE} nonsense", ",", "ab" * 31, "gh" * 32],
    ids=["a word", "cut", "too long", "another alphabet", "one of two", "none", "few digits", "no digits"],
)
def test_a_malformed_key_is_a_problem_that_says_how_to_make_one_and_does_not_show_it(bad: str) -> None:
    (problem,) = problems(ANA, given(bad))
    assert problem.startswith(
        "1:1 secret_key: the environment variable METERBOT_SECRET_KEY must be a key that `meterbot secret-key` prints"
    )
    assert bad.strip(",") == "" or bad not in problem


def test_a_file_that_is_not_there_is_a_problem() -> None:
    (problem,) = problems(ANA, {**ENVIRON, "METERBOT_SECRET_KEY_FILE": "/nowhere/key"})
    assert problem == (
        "1:1 secret_key: the file that METERBOT_SECRET_KEY_FILE names cannot be read: No such file or directory"
    )


def test_a_variable_that_is_not_set_is_a_problem() -> None:
    (problem,) = problems(f'secret_key_env = "MINE"\n{ANA}')
    assert problem == "1:1 secret_key_env: the environment variable MINE is not set"


def test_both_ways_at_once_are_a_problem() -> None:
    (problem,) = problems(ANA, {**given(ONE), "METERBOT_SECRET_KEY_FILE": "key"})
    assert (
        problem
        == "1:1 secret_key: METERBOT_SECRET_KEY and METERBOT_SECRET_KEY_FILE are both set: keep one of the two"
    )


def test_it_is_never_written_in_the_file() -> None:
    (problem,) = problems(f'secret_key = "{ONE}"\n{ANA}')
    assert problem.startswith("1:1 secret_key: a secret is never written in this file")
    assert ONE not in problem


def test_every_one_of_the_keys_is_hidden_from_then_on() -> None:
    config = loaded(ANA, given(f"{ONE},{TWO}"))
    assert secret.hide(f"{ONE} {TWO}") == f"{secret.HIDDEN} {secret.HIDDEN}"
    assert ONE not in f"{config!r} {config}"
