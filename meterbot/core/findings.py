"""What a look at something found: one sentence, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`warn` is worth a look, `fail` keeps meterbot from doing its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `id` never changes, and comes once per finding; `remedy` is there unless all is well."""

    id: str
    status: Status
    sentence: str
    remedy: str | None = None

    @property
    def page(self) -> str:
        """Where more is said of it."""
        return f"docs/checks.md#{self.id}"
