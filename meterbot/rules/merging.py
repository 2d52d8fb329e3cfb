"""What is known of a counter: the newest snapshot, completed with the last good values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from meterbot.core.models import ExtraUsage, Health, LastKnown, Snapshot, Subscription
from meterbot.core.money import Money
from meterbot.core.org_spend import completed as completed_spend
from meterbot.rules.memory import SeenSubscription
from meterbot.rules.months import CLOCK_SKEW, calendar_month
from meterbot.rules.window_trend import extended

_BALANCE_HOLDS = timedelta(days=1)
"""A balance that was not read for longer is not known any more."""
_NOT_THE_MEMBERS = "overage: not sent, and the usage has the whole organization's amounts"
_PUSHED = "push"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_SUBSCRIPTION_FIELDS = (
    "status", "next_charge_date", "next_charge_at", "billing_interval", "ends_on", "changes_to", "paused_until",
)  # fmt: skip

_Part = TypeVar("_Part", ExtraUsage, Subscription, SeenSubscription, Snapshot)


def merge(known: LastKnown | None, snapshot: Snapshot, now: datetime) -> LastKnown | None:
    """`known` with the snapshot's values, or None if an old, repeated or future-dated snapshot changes nothing.

    A part that was not read keeps its last good value and that value's age, and so does a rejected field of extra
    usage or the subscription. A stale snapshot only fills in what was never known. Known values from the future are
    dropped, and so is the e-mail address.
    """
    if snapshot.fetched_at > now + CLOCK_SKEW or snapshot.org_uuid is None:
        return None
    if known is None:
        return _first(snapshot)
    if from_future(known, now):
        known = undated(known)
    if snapshot.fetched_at <= known.snapshot.fetched_at:
        return None
    at, old = snapshot.fetched_at, known.snapshot
    stale = snapshot.health is Health.STALE
    keep_windows = known.windows_at is not None and (stale or not snapshot.windows_read)
    keep_subscription = known.subscription_at is not None and (stale or not snapshot.subscription_read)
    extra, extra_usage_at = _extra_usage(known, snapshot, stale=stale)
    subscription = snapshot.subscription
    if keep_subscription:
        subscription = old.subscription
    elif subscription and old.subscription and subscription_drifted(snapshot):
        subscription = filled(subscription, old.subscription, *_SUBSCRIPTION_FIELDS)
    merged = replace(
        filled(snapshot, old, "account_uuid", "org_name", "tier", "usage_is_total"),
        account_email=None,
        windows=old.windows if keep_windows else snapshot.windows,
        extra_usage=_balance_dated(extra, at),
        subscription=subscription,
        org_spend=completed_spend(snapshot.org_spend, old.org_spend),
    )
    return LastKnown(
        snapshot=merged,
        windows_at=known.windows_at if keep_windows else _when(at, read=snapshot.windows_read),
        extra_usage_at=extra_usage_at,
        subscription_at=(
            known.subscription_at if keep_subscription else _when(at, read=snapshot.subscription_read)
        ),
        trail=known.trail if keep_windows else extended(known.trail, snapshot.windows, at),
    )


def _first(snapshot: Snapshot) -> LastKnown:
    at, extra = snapshot.fetched_at, fields_read(snapshot, None)
    return LastKnown(
        snapshot=replace(snapshot, account_email=None, extra_usage=_balance_dated(extra, at)),
        windows_at=_when(at, read=snapshot.windows_read),
        extra_usage_at=_when(at, read=snapshot.extra_usage_read),
        subscription_at=_when(at, read=snapshot.subscription_read),
        trail=extended({}, snapshot.windows, at) if snapshot.windows_read else {},
    )


def _when(at: datetime, *, read: bool) -> datetime | None:
    return at if read else None


def _extra_usage(
    known: LastKnown, snapshot: Snapshot, *, stale: bool
) -> tuple[ExtraUsage | None, datetime | None]:
    """Extra usage after the snapshot, and when it was last read."""
    at, last, last_at = snapshot.fetched_at, known.snapshot.extra_usage, known.extra_usage_at
    keep = last_at is not None and (stale or not snapshot.extra_usage_read)
    extra, read_at = fields_read(snapshot, last), _when(at, read=snapshot.extra_usage_read)
    if keep:
        read_at = last_at
        if stale or extra is None:
            return last, read_at
    if extra is None or last is None:
        return extra, read_at
    if last_at is not None and calendar_month(last_at) != calendar_month(at):
        last = without_amounts(last)
    if extra.used is None and last.used is not None:
        read_at = last_at  # a reason was read, and no amount
        extra = _apart(extra, last)
    return _completed(extra, last, at), read_at


def without_team_total(known: LastKnown | None, snapshot: Snapshot) -> Snapshot:
    """The snapshot; without amounts if the counter's `/usage` is known to have the whole organization's. Only the
    member's own overage row has the member's, and a push may lack it."""
    extra = snapshot.extra_usage
    if known is None or not known.snapshot.usage_is_total or snapshot.usage_is_total is not None:
        return snapshot
    if extra is None or extra.why_known:
        return snapshot
    return replace(
        snapshot, extra_usage=None, extra_usage_read=False, errors=(*snapshot.errors, _NOT_THE_MEMBERS)
    )


def missing_amount_as_drift(known: LastKnown | None, snapshot: Snapshot, push_silence: timedelta) -> Snapshot:
    """The snapshot; with a note of drift if it lacks an amount that the seat has read in the same month (UTC).

    Money that was spent does not vanish before the month ends, even if the answer looks as if nothing was metered. The
    source's health becomes drifted. A pushed seat stays healthy until no amount has come for `push_silence`, because
    one of its two machines may run a program that sends none.
    """
    if known is None or not _lacks_amount(snapshot):
        return snapshot
    last, last_at = known.snapshot.extra_usage, known.extra_usage_at
    if last is None or last.used is None or last.used.minor == 0 or last_at is None:
        return snapshot
    if calendar_month(last_at) != calendar_month(snapshot.fetched_at):
        return snapshot
    gone = f"{last.used_field}: expected a number, got nothing"
    noted = replace(snapshot, extra_usage_read=False, drift=(*snapshot.drift, gone))
    if snapshot.source == _PUSHED and snapshot.fetched_at - last_at <= push_silence:
        return noted
    detail = f"an answer no longer says how much extra usage was spent ({gone})"
    return replace(noted, health=Health.DRIFTED, detail=detail)


def _lacks_amount(snapshot: Snapshot) -> bool:
    """Whether a healthy snapshot has no amount. A failed overage row is an error of its own."""
    if snapshot.health is not Health.OK or not snapshot.windows_read:
        return False
    if snapshot.extra_usage_read:
        return snapshot.extra_usage is None
    return not any(error.startswith("overage:") for error in snapshot.errors)


def is_repeated(known: LastKnown | None, snapshot: Snapshot, now: datetime) -> bool:
    """Whether the seat has sent this snapshot already, or a newer one, by its machine's own clock. That clock may be
    ahead of ours, and the time of receipt is another one each time."""
    if known is None or known.snapshot.seat != snapshot.seat:
        return False
    return snapshot.own_time <= known.snapshot.own_time <= now + CLOCK_SKEW


def from_future(known: LastKnown, now: datetime) -> bool:
    """Whether the known values were read while the clock was ahead, and it was set back since."""
    return known.snapshot.fetched_at > now + CLOCK_SKEW


def undated(known: LastKnown) -> LastKnown:
    """The values that need no trustworthy time: identity, units and settings, but no amount and no window."""
    old = known.snapshot
    extra = None if old.extra_usage is None else replace(without_amounts(old.extra_usage), balance=None)
    return LastKnown(
        replace(old, fetched_at=_LONG_AGO, windows=(), extra_usage=extra, subscription=None, org_spend=None)
    )


def subscription_drifted(snapshot: Snapshot) -> bool:
    """Whether a field of the subscription was rejected, so that a missing one proves nothing."""
    return any(note.startswith("subscription") for note in snapshot.drift)


def fields_read(snapshot: Snapshot, last: ExtraUsage | None) -> ExtraUsage | None:
    """The fields of extra usage that the snapshot really read, in the last known units of the counter."""
    extra = snapshot.extra_usage
    if extra is None:
        return None
    if not snapshot.extra_usage_read:
        # The amount was rejected, or its currency was: then no amount can be trusted.
        extra = replace(extra, used=None)
        if "currency" in extra.assumed:
            extra = replace(extra, cap=None, cap_known=False, currency=None)
    return extra if last is None else _in_known_units(extra, last)


def _in_known_units(extra: ExtraUsage, last: ExtraUsage) -> ExtraUsage:
    """Replaces an assumed currency or scale by the last known one: otherwise a body without a currency would look
    like a switch to dollars."""
    keep_currency = "currency" in extra.assumed and last.currency is not None
    keep_scale = "scale" in extra.assumed
    if not keep_currency and not keep_scale:
        return extra
    held = last.used or last.cap

    def restated(amount: Money | None) -> Money | None:
        if amount is None:
            return None
        code = last.currency if keep_currency and last.currency is not None else amount.currency
        known_scale = keep_scale and held is not None and held.currency == code
        return Money(
            amount.minor, code, held.exponent if known_scale and held is not None else amount.exponent
        )

    currency = last.currency if keep_currency else extra.currency
    return replace(extra, used=restated(extra.used), cap=restated(extra.cap), currency=currency)


def without_amounts(extra: ExtraUsage) -> ExtraUsage:
    """The counter has returned to 0 since, so any block has ended: only the settings still hold."""
    return replace(
        extra, used=None, out_of_credits=None, spend_limit_reached=None, reason=None, reason_class=None,
        disabled_until=None, why_known=False,
    )  # fmt: skip


def _apart(extra: ExtraUsage, last: ExtraUsage) -> ExtraUsage:
    """Marks a cap that was read alone: an amount of an earlier reading proves nothing against it."""
    if not extra.cap_known or extra.cap == last.cap:
        return extra
    return replace(extra, cap=None, cap_known=False, comparable=False)


def _balance_dated(extra: ExtraUsage | None, at: datetime) -> ExtraUsage | None:
    """With when the balance was read, so that it can be shown with its age once it is not read any more."""
    if extra is None or extra.balance is None or extra.balance.at is not None:
        return extra
    return replace(extra, balance=replace(extra.balance, at=at))


def _completed(extra: ExtraUsage, last: ExtraUsage, at: datetime) -> ExtraUsage:
    held = last.balance
    if extra.balance is None and held is not None and held.at is not None and at - held.at <= _BALANCE_HOLDS:
        extra = replace(extra, balance=held)
    if extra.used is None:
        extra = replace(extra, used_field=last.used_field)
    extra = filled(extra, last, "enabled", "used", "currency")
    if not extra.cap_known and extra.comparable:
        extra = replace(extra, cap=last.cap, cap_known=last.cap_known)
    if extra.why_known or not last.why_known:
        # A source that never reads the row has nothing to carry over.
        return extra
    return explained(extra, last)


def explained(extra: ExtraUsage, other: ExtraUsage) -> ExtraUsage:
    """Takes the reason of a block from `other` where this one has none."""
    why = filled(extra, other, "reason", "reason_class", "out_of_credits", "disabled_until")
    return replace(why, why_known=True)


def filled(new: _Part, last: _Part, *names: str) -> _Part:
    """`new`, with the last value of each of these fields that it lacks."""
    missing = {name: getattr(last, name) for name in names if getattr(new, name) is None}
    return replace(new, **missing) if missing else new
