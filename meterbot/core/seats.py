"""The seats by name: those of the configuration, and those that were invited while the bot runs."""

from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView

from meterbot.core.models import Seat

RESERVED_NAMES = {"team", "me", "default", "share"}
"""Words of /claude-spend, which cannot name a seat."""


def has_letter_or_digit(name: str) -> bool:
    """Every seat's name has one."""
    return any(map(str.isalnum, name))


class SeatDirectory(Mapping[str, Seat]):
    """The configured seats, then the invited ones. Threads may read it while `set_invited` replaces the invited
    ones."""

    def __init__(self, configured: Iterable[Seat], invited: Iterable[Seat] = ()) -> None:
        self._configured = {seat.name: seat for seat in configured}
        self._all: dict[str, Seat] = {}
        self.set_invited(invited)

    def set_invited(self, seats: Iterable[Seat]) -> None:
        """A configured seat keeps its name where an invited one has the same."""
        self._all = self._configured | {
            seat.name: seat for seat in seats if seat.name not in self._configured
        }

    @property
    def invited(self) -> tuple[Seat, ...]:
        return tuple(seat for seat in self._all.values() if seat.name not in self._configured)

    def is_configured(self, name: str) -> bool:
        return name in self._configured

    def __getitem__(self, name: str) -> Seat:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    # The inherited views would look up each name again, which may be gone by then.

    def values(self) -> ValuesView[Seat]:
        return self._all.values()

    def items(self) -> ItemsView[str, Seat]:
        return self._all.items()
