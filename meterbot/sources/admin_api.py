"""Reads an API organization's own spend with an admin key.

`cost_report` (what is charged) is required: if it fails, the source fails. `usage_report/claude_code` (what Claude
Code would cost at list prices) and `spend_limits/effective` (Enterprise only) are optional: if the key may not read
them, they are not requested again. Anthropic allows a hundred requests a minute for the organization, so requests are
sent one at a time, their number is limited for each reading, and a day that is over is read only once.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import quote

from meterbot.core.models import Seat, Snapshot
from meterbot.core.org_spend import OrgSpend, month_name
from meterbot.sources.admin_reports import (
    Day,
    Listing,
    costs_of,
    day_of,
    estimates_of,
    limits_of,
    page_of,
)
from meterbot.sources.fields import DriftNotes, read
from meterbot.sources.http_client import ForbiddenRequestError, HttpClient
from meterbot.sources.organization import OrganizationAnswers
from meterbot.sources.responses import Cause, SourceError, reading
from meterbot.sources.wire import OrgShape

MOST_PAGES = 10
"""Pages of one report. A longer report is incomplete."""
MOST_REQUESTS = 40
"""Requests for each reading. Days that are still missing wait for the next reading."""

_VERSION = "2023-06-01"
_ROOT = "/v1/organizations"
_FINAL_AFTER = timedelta(days=1)
_NOT_FOR_THIS_KEY = {Cause.DENIED, Cause.ABSENT, Cause.SCOPE}
_OF_THE_SOURCE = {
    Cause.KEY,
    Cause.REGION,
    Cause.CHALLENGED,
    Cause.RATE_LIMITED,
    Cause.SPEND_LIMIT,
    Cause.UNREACHABLE,
}


@dataclass(slots=True, kw_only=True)
class _Answers(OrganizationAnswers):
    """The results so far."""

    spend: OrgSpend


class AdminApiSource:
    """Reads one organization. `name_people`: keep the e-mail addresses and key names of the reports."""

    def __init__(
        self, seat: Seat, key: str, transport: HttpClient, base_url: str, *, name_people: bool = False
    ) -> None:
        self._seat = seat
        self._headers = {"x-api-key": key.strip(), "anthropic-version": _VERSION}
        self._transport = transport
        self._base_url = base_url
        self._name_people = name_people
        self._organization: OrgShape | None = None
        self._days: dict[date, Day] = {}
        self._final: set[date] = set()
        self._denied: dict[str, str] = {}
        self._asked = 0

    async def read(self, now: datetime) -> tuple[Snapshot, ...]:
        """One snapshot, whose `org_spend` has what could be read of this UTC month. Never raises for a failure of the
        service."""
        found = _Answers(spend=OrgSpend(month_name(now)))
        self._asked = 0
        try:
            self._organization = self._organization or await self._whose(now, found)
            await self._read_costs(now, found)
            await self._optional("claude_code", self._read_estimates, now, found)
            await self._optional("spend_limits", self._read_limits, now, found)
        except SourceError as trouble:
            found.trouble = trouble
            found.errors.append(trouble.sentence)
        costs = found.spend.costs or found.spend.last_month
        if found.trouble is None and costs is not None and not costs.complete:
            why = found.notes.worst()
            found.trouble = SourceError(Cause.DRIFTED, f"the month's costs could not be read in full ({why})")
        return (self._snapshot(now, found),)

    async def _optional(
        self, name: str, part: Callable[[datetime, _Answers], Awaitable[None]], now: datetime, found: _Answers
    ) -> None:
        """Raises only for failures of the whole source."""
        if name not in self._denied:
            try:
                await part(now, found)
            except SourceError as trouble:
                if trouble.cause in _NOT_FOR_THIS_KEY:
                    self._denied[name] = trouble.sentence
                elif trouble.cause in _OF_THE_SOURCE:
                    raise
                else:
                    found.errors.append(f"{name}: {trouble.sentence}")
        if name in self._denied and name == "claude_code":  # most keys have no limits: not worth a note
            found.errors.append(f"{name}: left out, this key may not read it: {self._denied[name]}")

    # The organization.

    async def _whose(self, now: datetime, found: _Answers) -> OrgShape:
        shape = read(OrgShape, await self._get(f"{_ROOT}/me", now), "me", found.notes)
        if shape is None or shape.id is None:
            found.notes.add("me.id: expected a UUID, got none")
            raise SourceError(Cause.DRIFTED, "the answer does not say which organization the key is of")
        if self._seat.organizations and shape.id not in {each.lower() for each in self._seat.organizations}:
            raise SourceError(Cause.DENIED, "the key is of another organization than the configured one")
        return shape

    # The parts.

    async def _read_costs(self, now: datetime, found: _Answers) -> None:
        today = now.astimezone(UTC).date()
        first = start = today.replace(day=1)
        if today == first:
            # The report has whole days only; without one the API refuses the range like a malformed request.
            start = (first - timedelta(days=1)).replace(day=1)
        days = f"starting_at={start}T00:00:00Z&ending_at={today}T00:00:00Z"
        path = f"{_ROOT}/cost_report?{days}&bucket_width=1d&limit=31"
        report = await self._pages(path, "cost_report", now, found.notes)
        costs = costs_of(report, f"{start:%Y-%m}", now, found.notes)
        if today == first:
            found.spend = replace(found.spend, last_month=costs)
        else:
            found.spend = replace(found.spend, costs=costs)

    async def _read_estimates(self, now: datetime, found: _Answers) -> None:
        month = days_of_month(now)
        self._days = {day: held for day, held in self._days.items() if day in month}
        # The newest first: if the requests run out, the next reading fills in older days.
        for day in reversed(month):
            if day not in self._final and self._asked < MOST_REQUESTS:
                await self._read_day(day, now, found.notes)
        held = [self._days[day] for day in sorted(self._days)]
        complete = len(held) == len(month)
        estimates = estimates_of(held, now, complete=complete, name_people=self._name_people)
        found.spend = replace(found.spend, estimates=estimates)

    async def _read_day(self, day: date, now: datetime, notes: DriftNotes) -> None:
        path = f"{_ROOT}/usage_report/claude_code?starting_at={day.isoformat()}&limit=1000"
        self._days[day] = day_of(await self._pages(path, "claude_code", now, notes), notes)
        over = datetime.combine(day + timedelta(days=1), time(), UTC)
        if now - over >= _FINAL_AFTER and self._days[day].whole:
            self._final.add(day)

    async def _read_limits(self, now: datetime, found: _Answers) -> None:
        report = await self._pages(
            f"{_ROOT}/spend_limits/effective?limit=100", "spend_limits", now, found.notes
        )
        limits = limits_of(report, now, found.notes, name_people=self._name_people)
        found.spend = replace(found.spend, limits=limits)

    # The wire.

    async def _pages(self, path: str, name: str, now: datetime, notes: DriftNotes) -> Listing:
        """All pages of a report. Incomplete if a cursor comes back or the pages do not end."""
        items: list[object] = []
        seen: set[str] = set()
        page = page_of(await self._get(path, now), name, notes)
        while page.next is not None:
            items += page.items
            if page.next in seen:
                notes.reject(f"{name}.next_page", "another page", "one that was there already")
                return Listing(items, whole=False)
            if len(seen) >= MOST_PAGES - 1:
                notes.reject(name, f"at most {MOST_PAGES} pages", "more")
                return Listing(items, whole=False)
            seen.add(page.next)
            page = page_of(await self._get(f"{path}&page={quote(page.next, safe='')}", now), name, notes)
        return Listing([*items, *page.items], page.whole)

    async def _get(self, path: str, now: datetime) -> object:
        self._asked += 1
        try:
            answer = await self._transport.get(self._base_url, path, self._headers)
        except ForbiddenRequestError as problem:
            raise SourceError(Cause.KEY, f"not an admin key: {problem}") from None
        try:
            return reading(answer.status, answer.headers, answer.body, now)
        except SourceError as trouble:
            if trouble.cause in {Cause.UNAUTHORIZED, Cause.SESSION}:
                raise SourceError(Cause.KEY, f"the admin key is not accepted ({answer.status})") from None
            raise

    # The snapshot.

    def _snapshot(self, now: datetime, found: _Answers) -> Snapshot:
        snapshot, organization = found.snapshot(self._seat, now), self._organization
        if organization is None:
            return snapshot
        return replace(snapshot, org_uuid=organization.id, org_name=organization.name, org_spend=found.spend)


def days_of_month(now: datetime) -> list[date]:
    """The UTC days of the month so far."""
    today = now.astimezone(UTC).date()
    return [today.replace(day=number) for number in range(1, today.day + 1)]
