"""Only the right key decrypts a stored value, and only for its own seat."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.core.cipher import Cipher, new_key

K1, K2, K3 = new_key(), new_key(), new_key()
SECRET = "sk-ant-sid01-planted-0123456789abcdefghij"


@given(seat=st.from_regex(r"[a-z0-9._-]{1,64}", fullmatch=True), text=st.text())
def test_what_is_encrypted_is_decrypted(seat: str, text: str) -> None:
    cipher = Cipher([K1])
    assert cipher.decrypt(seat, cipher.encrypt(seat, text)) == text


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    old = Cipher([K1]).encrypt("ana", SECRET)
    both = Cipher([K2, K1])
    assert (both.decrypt("ana", old), both.is_newest("ana", old)) == (SECRET, False)
    new = both.encrypt("ana", SECRET)
    assert (both.decrypt("ana", new), both.is_newest("ana", new)) == (SECRET, True)
    assert Cipher([K1]).decrypt("ana", new) is None


@pytest.mark.parametrize("damaged", ["", "nonsense", "gAAAAAB", "é", "\x00"])
def test_what_is_no_ciphertext_decrypts_to_nothing(damaged: str) -> None:
    assert Cipher([K1]).decrypt("ana", damaged) is None
    assert not Cipher([K1]).can_decrypt("ana", damaged)


@given(place=st.integers(0), bit=st.integers(0, 6))
def test_a_changed_ciphertext_never_decrypts_to_something_else(place: int, bit: int) -> None:
    cipher = Cipher([K1])
    whole = bytearray(cipher.encrypt("ana", SECRET).encode())
    whole[place % len(whole)] ^= 1 << bit
    assert cipher.decrypt("ana", whole.decode()) in {None, SECRET}


def test_a_ciphertext_is_worth_nothing_to_another_seat() -> None:
    cipher = Cipher([K1])
    assert cipher.decrypt("bo", cipher.encrypt("ana", SECRET)) is None


def test_a_fingerprint_names_a_secret_of_a_seat_under_a_key_and_tells_nothing() -> None:
    (one,) = Cipher([K1]).fingerprints("ana", SECRET)
    assert Cipher([K1]).fingerprints("ana", SECRET) == (one,)
    others = {
        *Cipher([K1]).fingerprints("bo", SECRET),
        *Cipher([K1]).fingerprints("ana", f"{SECRET}x"),
        *Cipher([K2]).fingerprints("ana", SECRET),
    }
    assert len(others) == 3
    assert one not in others
    assert SECRET[-8:] not in one


def test_the_fingerprint_of_the_newest_key_comes_first() -> None:
    prints = Cipher([K3, K1]).fingerprints("ana", SECRET)
    assert prints == Cipher([K3]).fingerprints("ana", SECRET) + Cipher([K1]).fingerprints("ana", SECRET)


def test_a_cipher_does_not_show_its_keys() -> None:
    cipher = Cipher([K1, K2])
    assert K1 not in f"{cipher!r} {cipher}"
