"""Who sees whose numbers."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal

from meterbot.report import TeamReport

Rows = Literal["named", "anonymous", "self"]


@dataclass(frozen=True, slots=True)
class View:
    """A report as the person who asked may see it: `own` are their seats, `public` means the whole channel reads it.

    Totals, and which source does not deliver, are for everyone; `rows` decides about the numbers of single seats.
    """

    report: TeamReport
    tz: tzinfo = UTC
    rows: Rows = "named"
    own: frozenset[str] = frozenset()
    public: bool = False

    def may_see(self, seat: str) -> bool:
        """Its numbers under its name."""
        return self.rows == "named" or (seat in self.own and not self.public)

    def sees_rows_of(self, seat: str) -> bool:
        """Its numbers, perhaps without its name."""
        return self.rows == "anonymous" or self.may_see(seat)
