"""The history for other programs: every kept change, as CSV or JSON, in UTC."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import replace

from meterbot.commands.report_json import json_object
from meterbot.core.models import Counter, Sample
from meterbot.core.money import Money

COLUMNS = (
    "at", "seat", "organization", "currency", "exponent", "used_minor", "used", "cap_minor", "cap", "blocked"
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(samples: Iterable[Sample], seats: Mapping[Counter, str]) -> list[dict[str, object]]:
    """One for each change; a reading that says what the one before said is none. `minor` is in the currency's smallest
    unit, the amount beside it in whole ones. A cap in another currency than the amount is left out; unknown is null."""
    before: dict[Counter, Sample] = {}
    found = []
    for sample in samples:
        old = before.get(sample.counter)
        if sample.counter in seats and (old is None or replace(old, at=sample.at) != sample):
            found.append(_row(sample, seats[sample.counter]))
        before[sample.counter] = sample
    return found


def _row(sample: Sample, seat: str) -> dict[str, object]:
    used, cap = sample.used, sample.cap
    if cap is not None and cap.currency != used.currency:
        cap = None
    values = {
        "at": sample.at,
        "seat": seat,
        "organization": sample.counter.org,
        "currency": used.currency,
        "exponent": used.exponent,
        "used_minor": _minor(used),
        "used": used,
        "cap_minor": _minor(cap),
        "cap": cap,
        "blocked": sample.blocked,
    }
    return json_object(values)


def _minor(amount: Money | None) -> str | None:
    """A whole number where it is one, however the service wrote it: `3000.0` is 3000."""
    if amount is None:
        return None
    text = f"{amount.minor:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_csv(found: Iterable[Mapping[str, object]]) -> str:
    """With a header; null is empty. No cell begins like a formula, which a spreadsheet would run."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for row in found:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    cell = str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
