"""Reads what a seat's own machine sends: claude-meter's JSON, with bodies as the server sent them or as that program
wrote them.

The document's own fields (whose it is, when it was read) must be right, or the whole document is rejected. The bodies
in it are read like answers of claude.ai, field by field. A body that is null or missing was not read: it proves no
block, no end of a block and no renewal.

The health is `stale` if the sender repeats an older reading, `unreachable` if there is no number at all, `drifted` if
a main window or an amount was there but could not be parsed, else `ok`.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meterbot.core.models import Estimate, Health, Seat, Snapshot, Throttle
from meterbot.core.money import Money
from meterbot.rules.months import CLOCK_SKEW
from meterbot.sources import UnusablePushError
from meterbot.sources.billing import billing_of
from meterbot.sources.exact_json import NotJsonError, parse
from meterbot.sources.extra_usage import metering_of
from meterbot.sources.fields import DriftNotes, kind, read
from meterbot.sources.organization import NO_AMOUNT, OrganizationAnswers, parse_usage
from meterbot.sources.responses import Missing
from meterbot.sources.usage_statements import overage_row
from meterbot.sources.wire import EstimateShape, OverageShape, PushShape, ThrottleShape

MOST_SNAPSHOTS = 100
"""Snapshots in one document."""

_STRICT = ("org_uuid", "account_uuid", "fetched_at", "stale")
_SECTIONS = ("usage", "overage", "subscription")
_SHARED_PLANS = ("team", "enterprise")
_ROOT = "push"
_MONTH = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_PROGRAM = re.compile(r"[a-z][a-z0-9-]{0,39}")


def snapshots_of(seat: Seat, document: bytes, now: datetime) -> tuple[Snapshot, ...]:
    """The snapshots of one pushed document, the oldest first. Raises `UnusablePushError`."""
    try:
        value = parse(document)
    except NotJsonError as bad:
        raise UnusablePushError(f"the body is {bad}") from None
    except RecursionError:
        raise UnusablePushError("the body is nested too deeply") from None
    if not isinstance(value, list):
        return _in_the_present([_snapshot(seat, value, _ROOT, now)], now)
    if not value:
        raise UnusablePushError("an empty list: there is nothing to store", "body")
    if len(value) > MOST_SNAPSHOTS:
        raise UnusablePushError(f"more than {MOST_SNAPSHOTS} snapshots in one request: send fewer", "body")
    snapshots = [_snapshot(seat, item, f"{_ROOT}[{place}]", now) for place, item in enumerate(value)]
    # Otherwise a newer one of the same organization would make the store ignore an older one behind it.
    return _in_the_present(sorted(snapshots, key=lambda snapshot: snapshot.fetched_at), now)


def _in_the_present(snapshots: Sequence[Snapshot], now: datetime) -> tuple[Snapshot, ...]:
    """If the sender's clock is a little ahead, the newest snapshot was read now, and the others that much earlier than
    they say. Otherwise it would hide what another seat reads of the same counter in the next minutes. The sender's own
    time stays beside it: by that, a repeated document is recognized."""
    ahead = snapshots[-1].fetched_at - now
    if ahead <= timedelta(0):
        return tuple(snapshots)
    return tuple(
        replace(one, fetched_at=one.fetched_at - ahead, sender_time=one.fetched_at) for one in snapshots
    )


def _snapshot(seat: Seat, value: object, path: str, now: datetime) -> Snapshot:
    notes = DriftNotes()
    sent, fetched_at = _envelope(value, path, notes, now)
    answers = _answers(seat, sent, notes)
    health, detail = _health(sent, answers)
    estimate, throttle = _estimate(sent, notes), _throttle(sent, notes, now)
    return replace(
        answers.snapshot(seat, fetched_at),
        health=health,
        account_uuid=sent.account_uuid,
        account_email=sent.account_email,
        org_uuid=sent.org_uuid,
        estimate=estimate,
        throttle=throttle,
        detail=detail,
        drift=tuple(note.removeprefix(f"{path}.") for note in notes.drift),
        errors=tuple(_errors(sent, answers)),
    )


# Whose it is, and when it was read.


def _envelope(value: object, path: str, notes: DriftNotes, now: datetime) -> tuple[PushShape, datetime]:
    """The object, and when it was read. Raises `UnusablePushError` with the field if these are not certain."""
    sent = read(PushShape, value, path, notes)
    if sent is None:
        raise _refused(path, f"expected an object, got {kind(value)}")
    for note in notes.drift:
        field, _, said = note.partition(": ")
        if field in notes.rejected and field.removeprefix(f"{path}.") in _STRICT:
            raise _refused(field, said)
    for name in _SECTIONS:
        body = getattr(sent, name)
        if body is not None and not isinstance(body, dict):
            raise _refused(f"{path}.{name}", f"expected an object or null, got {kind(body)}")
    if sent.org_uuid is None:
        raise _refused(f"{path}.org_uuid", "is missing: which organization is this of?")
    if sent.fetched_at is None:
        raise _refused(f"{path}.fetched_at", "is missing: when was this read? (such as 2026-04-30T10:00:00Z)")
    if sent.fetched_at > now + CLOCK_SKEW:
        raise _refused(f"{path}.fetched_at", "is in the future: set the clock of the machine that sends this")
    return sent, sent.fetched_at


def _refused(path: str, sentence: str) -> UnusablePushError:
    field = path.removeprefix(_ROOT).removeprefix(".") or "body"
    return UnusablePushError(f"{field}: {sentence}", field)


# The numbers.


def _answers(seat: Seat, sent: PushShape, notes: DriftNotes) -> OrganizationAnswers:
    """Reads each body on its own: what one lacks does not affect the others."""
    answers = OrganizationAnswers(notes=notes)
    usage = None if sent.usage is None else parse_usage(sent.usage, answers)
    plan = seat.plan or ""
    # Only the configured plan says whether an organization's row is everybody's.
    team = plan.startswith(_SHARED_PLANS)
    overage: OverageShape | Missing = Missing.FAILED
    if sent.overage is not None:
        overage = overage_row(sent.overage, notes, account=sent.account_uuid, org=sent.org_uuid, team=team)
    answers.metering = metering_of(usage, overage, notes, team=team, enterprise=plan.startswith("enterprise"))
    if sent.subscription is not None:
        answers.billing = billing_of(sent.subscription, notes)
    return answers


def _estimate(sent: PushShape, notes: DriftNotes) -> Estimate | None:
    """All of it or nothing: an amount without its month or currency would mislead."""
    shape = read(EstimateShape, sent.list_price_estimate, "list_price_estimate", notes)
    if shape is None or shape.amount_minor is None or shape.currency is None or shape.exponent is None:
        return None
    if not _MONTH.fullmatch(shape.period or "") or not _PROGRAM.fullmatch(shape.source or ""):
        notes.reject("list_price_estimate", "a month and a program", "something else")
        return None
    amount = Money(shape.amount_minor, shape.currency, shape.exponent)
    return Estimate(amount, shape.period or "", shape.source or "")


def _throttle(sent: PushShape, notes: DriftNotes, now: datetime) -> Throttle | None:
    shape = read(ThrottleShape, sent.throttle, "throttle", notes)
    if shape is None or shape.throttling is None or shape.as_of is None or shape.as_of > now + CLOCK_SKEW:
        return None
    if not _PROGRAM.fullmatch(shape.tool or ""):
        notes.reject("throttle.tool", "a program", "something else")
        return None
    return Throttle(shape.tool or "", shape.enabled, shape.throttling, shape.delay_seconds, shape.as_of)


def _health(sent: PushShape, answers: OrganizationAnswers) -> tuple[Health, str | None]:
    if sent.stale:
        return Health.STALE, "the seat's machine repeats an older reading: it could not get a new one"
    if answers.metering.lost or (sent.usage is not None and not answers.windows_read):
        return Health.DRIFTED, f"what the seat's machine sends has changed its form ({answers.notes.worst()})"
    if not _any_number(answers):
        return Health.UNREACHABLE, "the seat's machine sends, but could read nothing"
    return Health.OK, None


def _any_number(answers: OrganizationAnswers) -> bool:
    return answers.windows_read or answers.metering.read or answers.billing.read


def _errors(sent: PushShape, answers: OrganizationAnswers) -> list[str]:
    """In our own words: the sender's text may contain anything."""
    number = len(sent.errors) if isinstance(sent.errors, list) else int(bool(sent.errors))
    errors = [f"the seat's machine met {number} error{'s' if number > 1 else ''}"] if number else []
    if _any_number(answers) and not answers.metering.read and not answers.metering.lost:
        errors.append(NO_AMOUNT)
    return errors
