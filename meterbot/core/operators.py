"""Who is an operator. What a person may see is decided in `commands/privacy` (answers) and `delivery/redaction`
(alerts)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

Rows = Literal["named", "anonymous", "self"]


@dataclass(frozen=True, slots=True)
class Operators:
    """People who see every seat under its name, in answers that only they see, and may act on its alerts like
    its owner. By platform: people, and groups or roles."""

    people: Mapping[str, frozenset[str]] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def include(self, platform: str, user: str, groups: Collection[str] = ()) -> bool:
        listed = self.groups.get(platform, frozenset())
        return user in self.people.get(platform, frozenset()) or not listed.isdisjoint(groups)
