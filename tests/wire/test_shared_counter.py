"""One counter of two seats, or of a sender that learns its account: the organization's total is never the member's."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from meterbot.core.models import Counter, Event, Seat, Snapshot
from meterbot.core.money import plain
from meterbot.rules.settings import RuleSettings
from meterbot.sources.pushed import snapshots_of
from tests.sources.served import ACCOUNT, ORG
from tests.wire.played import NOON, Ingested, bodies, reading

ROW: dict[str, Any] = {
    "limit_type": "member", "account_uuid": ACCOUNT, "organization_uuid": ORG, "is_enabled": True,
    "monthly_credit_limit": 5000, "used_credits": 500, "currency": "USD",
}  # fmt: skip
TOTAL: dict[str, Any] = {
    "five_hour": {"utilization": 10}, "seven_day": {"utilization": 10},
    "extra_usage": {"is_enabled": True, "monthly_limit": 5000, "used_credits": 4800, "currency": "USD"},
}  # fmt: skip
MINUTE = timedelta(minutes=1)


def pushed(seat: Seat, at: datetime, now: datetime, **fields: Any) -> Snapshot:
    document = {"org_uuid": ORG, "fetched_at": at.isoformat(), "usage": TOTAL, **fields}
    (snapshot,) = snapshots_of(seat, json.dumps(document).encode(), now)
    return snapshot


def amounts(ingested: Ingested) -> list[str | None]:
    """Of each counter, and of each seat's row."""
    known = [state.known for state in ingested.changes.states.values()]
    found = [one.snapshot.extra_usage for one in [*known, *ingested.changes.latest.values()]]
    return [None if extra is None or extra.used is None else plain(extra.used) for extra in found]


async def test_a_machine_that_sends_the_total_does_not_change_the_members_amount() -> None:
    laptop = Seat("laptop", "push", plan="team")
    async with reading("claude_ai", "team") as (seat, read):
        ingested, events = Ingested(seat, RuleSettings()), list[Event]()
        for number in range(3):
            at, later = NOON + 2 * number * MINUTE, NOON + (2 * number + 1) * MINUTE
            events += ingested.read(await read(bodies(at, TOTAL, ROW)), at)
            events += ingested.read(pushed(laptop, later, later, account_uuid=ACCOUNT), later, seat=laptop)
            assert amounts(ingested) == ["5.00", "5.00", None]
    assert events == []
    assert {plain(sample.used) for sample in ingested.samples} == {"5.00"}


def test_the_total_is_no_members_amount_once_the_sender_has_learned_its_account() -> None:
    seat = Seat("ana", "push", plan="team")
    ingested = Ingested(seat, RuleSettings())
    ingested.read(pushed(seat, NOON, NOON, overage=ROW), NOON)
    assert set(ingested.changes.states) == {Counter.of_seat("ana", ORG)}
    for number in (1, 2):
        at = NOON + number * MINUTE
        assert ingested.read(pushed(seat, at, at, account_uuid=ACCOUNT), at) == []
        assert ingested.changes.latest["ana", Counter(ACCOUNT, ORG)].extra_usage_at == NOON
        assert set(amounts(ingested)) == {"5.00"}


@pytest.mark.parametrize("account", [ACCOUNT, None])
def test_a_document_dated_ahead_is_stored_once_also_if_another_seat_reads_the_counter_in_between(
    account: str | None,
) -> None:
    """Nor does it hide what the other seat reads."""
    first, second, ahead = Seat("ana", "push"), Seat("laptop", "push"), 4 * MINUTE
    ingested = Ingested(first, RuleSettings())

    def read(seat: Seat, used: int, at: datetime, now: datetime, account: str | None) -> None:
        usage = {**TOTAL, "extra_usage": {**TOTAL["extra_usage"], "used_credits": used}}
        ingested.read(pushed(seat, at, now, usage=usage, account_uuid=account), now, seat=seat)

    read(first, 900, NOON + ahead - MINUTE, NOON - MINUTE, ACCOUNT)
    read(first, 1000, NOON + ahead, NOON, account)
    read(second, 1100, NOON + MINUTE, NOON + MINUTE, ACCOUNT)
    read(first, 1000, NOON + ahead, NOON + 2 * MINUTE, account)
    known = ingested.changes.states[Counter(ACCOUNT, ORG)].known
    assert known.extra_usage_at == NOON + MINUTE
    assert amounts(ingested) == ["11.00", "10.00", "11.00"]


def test_a_document_dated_ahead_is_stored_once_also_if_the_seat_had_another_account_in_between() -> None:
    seat, ahead = Seat("ana", "push"), 4 * MINUTE
    ingested = Ingested(seat, RuleSettings())
    other = "99999999-9999-4999-8999-999999999999"
    for number, account in enumerate((ACCOUNT, other)):
        at = NOON + number * MINUTE
        ingested.read(pushed(seat, at + ahead, at, account_uuid=account), at)
    ingested.read(pushed(seat, NOON + ahead, NOON + 2 * MINUTE, account_uuid=ACCOUNT), NOON + 2 * MINUTE)
    assert ingested.samples[-1].at == NOON + MINUTE
    assert set(ingested.changes.latest) == {("ana", Counter(other, ORG))}
