"""Who may see a seat's numbers in an answer. For alerts, `delivery/redaction` decides."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from hashlib import sha256

from meterbot.commands.team_report import SeatRow, TeamReport
from meterbot.core.operators import Rows


@dataclass(frozen=True, slots=True)
class View:
    """A report as one reader may see it: `own` are their seats; `public`: the whole channel reads it.

    Totals and the list of missing seats are for everyone. `rows` decides about the numbers of single seats; an
    `operator` sees all of them. `salt` is new for every answer: it shuffles the rows without names.
    """

    report: TeamReport
    tz: tzinfo = UTC
    rows: Rows = "named"
    own: frozenset[str] = frozenset()
    public: bool = False
    operator: bool = False
    salt: str = ""

    def may_see(self, seat: str) -> bool:
        """Its numbers with its name."""
        return self.rows == "named" or (not self.public and (self.operator or seat in self.own))

    def may_ask_for(self, seat: str) -> bool:
        """The same for a seat asked for by name: people may share their own."""
        return seat in self.own or self.may_see(seat)

    def sees_rows_of(self, seat: str) -> bool:
        """Its numbers, with or without its name."""
        return self.rows == "anonymous" or self.may_see(seat)

    @property
    def sees_others(self) -> bool:
        """Numbers of other people's seats, with or without names."""
        return self.rows != "self" or (self.operator and not self.public)

    def rows_shown(self, rows: Iterable[SeatRow]) -> list[SeatRow]:
        """The rows that this reader may see. Where names are hidden, the reader's own come first and the others in an
        order that changes with every answer, so that a row's place tells nothing about its owner."""
        if self.rows == "named":
            return list(rows)
        shown = [row for row in rows if self.sees_rows_of(row.seat.name)]
        named = all(self.may_see(row.seat.name) for row in shown)
        return shown if named else sorted(shown, key=self._shuffled)

    def _shuffled(self, row: SeatRow) -> tuple[bool, str]:
        text = f"{self.salt}\n{row.seat.name}\n{row.counter}"
        return not self.may_see(row.seat.name), sha256(text.encode()).hexdigest()
