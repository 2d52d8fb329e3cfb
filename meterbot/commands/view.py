"""Who sees whose numbers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from hashlib import sha256

from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.core.privacy import Rows


@dataclass(frozen=True, slots=True)
class View:
    """A report as the person who asked may see it: `own` are their seats, `public` means the whole channel reads it.

    Totals, and which source does not deliver, are for everyone; `rows` decides about the numbers of single seats, and
    an `operator` sees all of them. `salt` is drawn anew for every answer: it mixes the rows without names.
    """

    report: TeamReport
    tz: tzinfo = UTC
    rows: Rows = "named"
    own: frozenset[str] = frozenset()
    public: bool = False
    operator: bool = False
    salt: str = ""

    def may_see(self, seat: str) -> bool:
        """Its numbers under its name."""
        return self.rows == "named" or (not self.public and (self.operator or seat in self.own))

    def may_ask_for(self, seat: str) -> bool:
        """The same of a seat that they ask for by name: who shares their own has decided to."""
        return seat in self.own or self.may_see(seat)

    def sees_rows_of(self, seat: str) -> bool:
        """Its numbers, perhaps without its name."""
        return self.rows == "anonymous" or self.may_see(seat)

    @property
    def sees_others(self) -> bool:
        """Numbers of others' seats, perhaps without a name."""
        return self.rows != "self" or (self.operator and not self.public)

    def rows_shown(self, rows: Iterable[SeatRow]) -> list[SeatRow]:
        """Those that this reader may see. Without names one's own come first, and the others in an order that is another
        in each answer: neither the place of a row nor its number says who it is, or who spends most."""
        if self.rows == "named":
            return list(rows)
        shown = [row for row in rows if self.sees_rows_of(row.seat.name)]
        named = all(self.may_see(row.seat.name) for row in shown)
        return shown if named else sorted(shown, key=self._mixed)

    def _mixed(self, row: SeatRow) -> tuple[bool, str]:
        mark = f"{self.salt}\n{row.seat.name}\n{row.counter}"
        return not self.may_see(row.seat.name), sha256(mark.encode()).hexdigest()
