"""The findings of `meterbot check`: one sentence each, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`warn` is worth a look; with `fail`, something does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked. `id` never changes; `remedy` is empty only if all is well."""

    id: str
    status: Status
    sentence: str
    remedy: str | None = None

    @property
    def page(self) -> str:
        """Where the documentation explains it."""
        return f"docs/checks.md#{self.id}"
