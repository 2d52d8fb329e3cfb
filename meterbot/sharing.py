"""What several seats that read one counter know of it together: of each part, what is known best."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meterbot.models import ExtraUsage, Known

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Shared:
    """`known` of one seat, completed. `through`: part (`windows`, `spend`, `block`, `subscription`) → the other seat
    that knows it better."""

    known: Known
    through: Mapping[str, str]


def completed(own: Known, others: Mapping[str, Known]) -> Shared:
    """What a seat knows of a counter, and where another one knows more, that. `others`: by the seat's name.

    The newer reading of a part wins. Why a seat is blocked is taken from the newest that could know, of the same month
    (UTC) as the amount.
    """
    known, through = own, dict[str, str]()
    for name in sorted(others):
        other = others[name]
        if _at(other.windows_at) > _at(known.windows_at):
            through["windows"] = name
            windows = replace(known.snapshot, windows=other.snapshot.windows)
            known = replace(known, snapshot=windows, windows_at=other.windows_at)
        if _at(other.extra_usage_at) > _at(known.extra_usage_at):
            through["spend"] = name
            spend = replace(known.snapshot, extra_usage=other.snapshot.extra_usage)
            known = replace(known, snapshot=spend, extra_usage_at=other.extra_usage_at)
        if _at(other.subscription_at) > _at(known.subscription_at):
            through["subscription"] = name
            billing = replace(known.snapshot, subscription=other.snapshot.subscription)
            known = replace(known, snapshot=billing, subscription_at=other.subscription_at)
    extra = known.snapshot.extra_usage
    if extra is None or extra.why_known:
        return Shared(known, through)
    return _with_why(known, extra, {"": own, **others}, through)


def _with_why(
    known: Known, extra: ExtraUsage, everyone: Mapping[str, Known], through: Mapping[str, str]
) -> Shared:
    best = max(
        sorted(everyone), key=lambda name: (_knows_why(everyone[name]), _at(everyone[name].extra_usage_at))
    )
    told = everyone[best].snapshot.extra_usage
    if told is None or not _knows_why(everyone[best]):
        return Shared(known, through)
    if _month(everyone[best].extra_usage_at) != _month(known.extra_usage_at):
        return Shared(known, through)
    extra = replace(
        extra,
        why_known=True,
        reason=extra.reason or told.reason,
        reason_class=extra.reason_class or told.reason_class,
        out_of_credits=told.out_of_credits if extra.out_of_credits is None else extra.out_of_credits,
        disabled_until=extra.disabled_until or told.disabled_until,
    )
    snapshot = replace(known.snapshot, extra_usage=extra)
    return Shared(replace(known, snapshot=snapshot), {**through, "block": best} if best else through)


def _knows_why(known: Known) -> bool:
    extra = known.snapshot.extra_usage
    return extra is not None and extra.why_known and known.extra_usage_at is not None


def _at(at: datetime | None) -> datetime:
    return at or _NEVER


def _month(at: datetime | None) -> tuple[int, int]:
    utc = _at(at).astimezone(UTC)
    return utc.year, utc.month
