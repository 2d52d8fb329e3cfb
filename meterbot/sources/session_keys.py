"""Stores the session keys that claude.ai renews, so that they survive a restart.

A seat begins with its configured key. A renewal is stored, encrypted, with a fingerprint of the configured key: if
the operator configures another key, that one wins. Processes that share the database share the renewals; the newest
wins. Without a cipher nothing is stored, and a restart begins with the configured key.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from functools import partial

from meterbot.core.cipher import Cipher
from meterbot.core.log import get_logger
from meterbot.core.models import SessionEnd
from meterbot.store import Store, StoredSession, sessions

_SAME_END = timedelta(hours=1)
"""A smaller change of a cookie's end is not stored."""
_USUAL_AGE = timedelta(days=28)
"""How long after the sign-in a session usually ends."""
_INSTANT = timedelta(microseconds=1)

log = get_logger(__name__)


class Unkept(Enum):
    """Why a seat's renewals are not stored."""

    NO_KEY = "there is no METERBOT_SECRET_KEY"
    UNREADABLE = "what is stored was encrypted with another METERBOT_SECRET_KEY"
    SUPERSEDED = "another process runs with another session key of this seat"
    FORGOTTEN = "the seat was forgotten while it was being read"


@dataclass(frozen=True, slots=True)
class _SessionKey:
    """A session key. `renewed_at` None: the configured one."""

    key: str = field(repr=False)
    renewed_at: datetime | None = None
    ends_at: datetime | None = None


class SeatSession:
    """One seat's session key. `configured` is the one it begins with."""

    def __init__(self, seat: str, configured: str, store: Store, cipher: Cipher | None) -> None:
        self._seat = seat
        self._store = store
        self._cipher = cipher
        self._session_key = _SessionKey(configured.strip())
        self._fingerprints = () if cipher is None else cipher.fingerprints(seat, self._session_key.key)
        self._loaded = False
        self._unsaved = False
        self._adopted: StoredSession | None = None
        self._fresh = False
        self._begun_at: datetime | None = None
        self._beginning_stored = False
        self.unkept = Unkept.NO_KEY if cipher is None else None
        """Why renewals are not stored; None while they are."""

    @property
    def end(self) -> SessionEnd | None:
        """When the current session ends: as its cookie says, else as its age suggests."""
        if self._session_key.ends_at is not None:
            return SessionEnd(self._session_key.ends_at)
        since = self._session_key.renewed_at or self._begun_at
        return None if since is None else SessionEnd(since + _USUAL_AGE, estimated=True)

    async def note_beginning(self, now: datetime) -> None:
        """Counts the session's age from now, unless an earlier process has stored when it began. It is stored as soon
        as something may be; without a cipher that is never, so each process starts again."""
        known = self._loaded or self._adopted is not None or self._cipher is None
        if self.end is None and known:
            self._begun_at = now
        begun_at, seat, fingerprints = self._begun_at, self._seat, self._fingerprints
        if begun_at is None or self._beginning_stored or self.unkept is not None:
            return
        await self._store.run(lambda tx: sessions.begin(tx, seat, fingerprints, begun_at))
        self._beginning_stored = True

    async def current(self) -> str:
        """The newest key, stored by this process or another. Raises the store's errors until it has answered once:
        until then the configured key may be outdated."""
        if self._cipher is not None:
            try:
                if not self._fresh:
                    await self._load()
                self._fresh = False
                await self.save()
            except Exception:
                if not self._loaded:
                    raise
                log.exception("stored session key not read, the last one is used", seat=self._seat)
        return self._session_key.key

    async def renewed(self, key: str, ends_at: datetime | None, now: datetime) -> None:
        """Uses and stores a renewal; if storing fails, it is tried again before the next reading."""
        old = self._session_key
        if key == old.key and (ends_at is None or _alike(ends_at, old.ends_at)):
            return
        # Two renewals in one reading have the same `now`, and a clock can be set back: the later one is newer.
        at = now if old.renewed_at is None else max(now, old.renewed_at + _INSTANT)
        self._session_key, self._unsaved = _SessionKey(key, at, ends_at), True
        try:
            await self.save()
        except Exception:
            log.exception("renewed session key not stored yet, it will be tried again", seat=self._seat)

    async def save(self) -> None:
        """Stores a renewal that is not stored yet. Raises the store's errors."""
        if not self._unsaved or self._cipher is None or self.unkept is not None:
            return
        session_key = self._session_key
        ciphertext = self._cipher.encrypt(self._seat, session_key.key)
        row = StoredSession(
            self._seat, self._fingerprints[0], ciphertext, session_key.renewed_at, session_key.ends_at
        )
        # It must be on the disk before the next request: claude.ai may refuse the old key from then on.
        renew = partial(sessions.renew, renewed=row, descends_from=self._fingerprints)
        if await self._store.run(renew, durable=True):
            self._unsaved = self._session_key is not session_key
        else:
            await self._load()

    def adopt(self, row: StoredSession, *, fresh: bool = False) -> None:
        """Uses the stored key if it is newer and of this configured key. `fresh`: this process alone reads the seat
        now, so no second look is needed."""
        unkept, key = self._opened(row)
        if unkept is not None:
            return
        self._use(row, key)
        self._loaded |= fresh
        self._fresh = fresh and self.unkept is None

    def first_row(self) -> StoredSession | None:
        """What to store if nothing is stored yet; None once this process has looked: then the seat was forgotten."""
        return None if self._loaded else StoredSession(self._seat, self._fingerprints[0])

    async def _load(self) -> None:
        """Uses the stored key if it is newer.

        The first look deletes renewals of another configured key, unless they cannot be decrypted: the right
        METERBOT_SECRET_KEY may come back.
        """
        row = await self._row()
        unkept, key = self._opened(row)
        begins = not self._loaded and unkept in {Unkept.FORGOTTEN, Unkept.SUPERSEDED}
        if begins or (self.unkept is Unkept.UNREADABLE and row is None):
            if row is not None and row.ciphertext is not None:
                log.info(
                    "another session key is configured: the stored renewals of the old one are dropped",
                    seat=self._seat,
                )
            new = StoredSession(self._seat, self._fingerprints[0])
            await self._store.run(partial(sessions.start, new=new, instead_of=row))
            row = await self._row()
            unkept, key = self._opened(row)
        if unkept is not None and unkept is not self.unkept:
            log.warning("renewals of this seat's session key are not kept", seat=self._seat, why=unkept.value)
        self._loaded, self.unkept = True, unkept
        if row is not None and unkept is None:
            self._use(row, key)

    def _use(self, row: StoredSession, key: str | None) -> None:
        """`key`: the decrypted one in the row, if there is one."""
        if row == self._adopted:
            return
        self._adopted = row
        self._begun_at = row.begun_at or self._begun_at
        self._beginning_stored = row.begun_at is not None
        held = self._session_key.renewed_at
        if key is not None and row.renewed_at is not None and (held is None or row.renewed_at >= held):
            self._session_key, self._unsaved = _SessionKey(key, row.renewed_at, row.ends_at), False

    async def _row(self) -> StoredSession | None:
        return (await self._store.read(lambda c: sessions.read(c, [self._seat]))).get(self._seat)

    def _opened(self, row: StoredSession | None) -> tuple[Unkept | None, str | None]:
        """Why the row cannot be used, or None and the key in it. The key of a row that is in use already is not
        decrypted again."""
        if row is None:
            return Unkept.FORGOTTEN, None
        if row == self._adopted:
            return None, None
        key = None
        if self._cipher is not None and row.ciphertext is not None:
            key = self._cipher.decrypt(self._seat, row.ciphertext)
            if key is None:
                return Unkept.UNREADABLE, None
        return (None, key) if row.fingerprint in self._fingerprints else (Unkept.SUPERSEDED, None)


def _alike(end: datetime, other: datetime | None) -> bool:
    return other is not None and abs(end - other) <= _SAME_END


class Sessions:
    """All seats' session keys. `configured` by seat."""

    def __init__(self, configured: Mapping[str, str], store: Store, cipher: Cipher | None) -> None:
        self.seats = {seat: SeatSession(seat, key, store, cipher) for seat, key in configured.items()}
        self._store = store
        self._stored = bool(configured) and cipher is not None
        if cipher is None and configured:
            log.warning(
                "renewed session keys are not kept, so sessions end early",
                why=Unkept.NO_KEY.value,
                seats=sorted(configured),
            )

    async def refresh(self) -> None:
        """Loads what other processes renewed: they read these seats, too."""
        if self._stored and not self._store.sole:
            for seat, row in (await self._rows(self.seats)).items():
                self.seats[seat].adopt(row)

    async def prepare(self, seats: Iterable[str]) -> None:
        """Loads the keys of seats that this process alone is going to read, with one query, and one more if some are
        new. What cannot be used is left to `SeatSession.current`, which looks again."""
        wanted = [seat for seat in seats if seat in self.seats]
        if not self._stored or not wanted:
            return
        rows = await self._rows(wanted)
        new = [self.seats[seat].first_row() for seat in wanted if seat not in rows]
        if begun := [row for row in new if row is not None]:
            await self._store.run(lambda tx: sessions.start_all(tx, begun))
            rows |= await self._rows([row.seat for row in begun])
        for seat, row in rows.items():
            self.seats[seat].adopt(row, fresh=True)

    async def _rows(self, seats: Collection[str]) -> dict[str, StoredSession]:
        return await self._store.read(lambda c: sessions.read(c, seats))

    async def ends(self, now: datetime) -> dict[str, SessionEnd]:
        """When the current sessions end, by seat, if known or estimated."""
        for session in self.seats.values():
            await session.note_beginning(now)
        return {seat: session.end for seat, session in self.seats.items() if session.end is not None}

    def unkept(self) -> dict[str, list[str]]:
        """The seats whose renewed keys are not stored, by the reason."""
        found: dict[str, list[str]] = {}
        for seat, session in sorted(self.seats.items()):
            if session.unkept is not None:
                found.setdefault(session.unkept.value, []).append(seat)
        return found

    async def save(self) -> None:
        """Stores what is not stored yet, before the store is closed."""
        for seat, session in self.seats.items():
            try:
                await session.save()
            except Exception:
                log.exception("renewed session key is lost", seat=seat)
