"""Who sees whose numbers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Literal

from meterbot.report import TeamReport

Rows = Literal["named", "anonymous", "self"]


@dataclass(frozen=True, slots=True)
class Operators:
    """Those who see every seat under its name, for their own eyes, and may do what its owner may about its alerts:
    by platform, people, and the groups or roles whose members they are."""

    people: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def include(self, platform: str, user: str, groups: Collection[str] = ()) -> bool:
        listed = self.groups.get(platform, frozenset())
        return user in self.people.get(platform, frozenset()) or not listed.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class View:
    """A report as the person who asked may see it: `own` are their seats, `public` means the whole channel reads it.

    Totals, and which source does not deliver, are for everyone; `rows` decides about the numbers of single seats, and
    an `operator` sees all of them.
    """

    report: TeamReport
    tz: tzinfo = UTC
    rows: Rows = "named"
    own: frozenset[str] = frozenset()
    public: bool = False
    operator: bool = False

    def may_see(self, seat: str) -> bool:
        """Its numbers under its name."""
        return self.rows == "named" or (not self.public and (self.operator or seat in self.own))

    def may_ask_for(self, seat: str) -> bool:
        """The same of a seat that they ask for by name: who shares their own has decided to."""
        return seat in self.own or self.may_see(seat)

    def sees_rows_of(self, seat: str) -> bool:
        """Its numbers, perhaps without its name."""
        return self.rows == "anonymous" or self.may_see(seat)
