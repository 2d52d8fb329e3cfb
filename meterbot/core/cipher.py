"""Encrypts secrets that must be stored, with keys that are not in the database."""

import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_FINGERPRINT = b"meterbot: fingerprint of a configured session key"


def new_key() -> str:
    return Fernet.generate_key().decode()


class Cipher:
    """Encrypts with the first of its keys and decrypts with any of them. `keys` as `new_key` makes them; at least
    one."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]
        self._newest = Fernet(self._keys[0])
        self._all = MultiFernet([Fernet(key) for key in self._keys])

    def __repr__(self) -> str:
        return "Cipher(…)"

    def encrypt(self, seat: str, text: str) -> str:
        """Only for this seat: another seat's value does not decrypt."""
        return self._newest.encrypt(f"{seat}\n{text}".encode()).decode()

    def decrypt(self, seat: str, ciphertext: str) -> str | None:
        """None if it was encrypted with another key or for another seat, or is damaged."""
        return _decrypted(self._all, seat, ciphertext)

    def can_decrypt(self, seat: str, ciphertext: str | None) -> bool:
        """True also for None: there is nothing to decrypt."""
        return ciphertext is None or self.decrypt(seat, ciphertext) is not None

    def is_newest(self, seat: str, ciphertext: str) -> bool:
        """Whether the first key alone decrypts it."""
        return _decrypted(self._newest, seat, ciphertext) is not None

    def fingerprints(self, seat: str, text: str) -> tuple[str, ...]:
        """A digest of the secret under each key, the first key's first."""
        message = b"\n".join([_FINGERPRINT, seat.encode(), text.encode()])
        return tuple(hmac.digest(key, message, "sha256").hex() for key in self._keys)


def _decrypted(cipher: Fernet | MultiFernet, seat: str, ciphertext: str) -> str | None:
    try:
        whose, _, text = cipher.decrypt(ciphertext.encode()).decode().partition("\n")
    except (InvalidToken, ValueError):
        return None
    return text if whose == seat else None
