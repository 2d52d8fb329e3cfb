"""Alerts about what stops or bills the next prompt: blocks, changed settings, full windows."""

from collections.abc import Mapping

from meterbot.core.money import percent, show
from meterbot.core.text import local_day, one_line, percent_text, window_label
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts
from meterbot.delivery.alerts.remedies import Remedy
from meterbot.rules.fact_json import fact_money

_REASONS = {
    "cap": (Remedy.CAP_REACHED, "The extra usage cap is reached."),
    "balance": (Remedy.BALANCE_EMPTY, "The prepaid credits are used up."),
}
_UNKNOWN_REASON = (
    Remedy.BLOCKED,
    "The cap is reached or the credits are used up; Anthropic does not say which.",
)

_NOT_READ = "The next prompt is refused if a plan window is full; the windows were not read."
_BILLED = "Once a plan window is full, prompts are billed."
_REFUSED = "Once a plan window is full, prompts are refused."
_METERING: Mapping[str, tuple[str, str, Remedy | None]] = {
    "on": ("extra usage was switched on", _BILLED, None),
    "off": ("extra usage was switched off", _REFUSED, Remedy.SWITCHED_OFF),
    "paused": ("extra usage was paused by an administrator", _REFUSED, Remedy.PAUSED),
    "unmetered": ("extra usage is no longer set up", _REFUSED, None),
}
"""What changed, what follows from it, and which remedy there is."""


def seat_blocked(facts: EventFacts) -> AlertText:
    remedy, reason = _REASONS.get(facts.text("why") or "", _UNKNOWN_REASON)
    hard, until = facts.event.facts.get("hard"), facts.until("until")
    if hard is None:
        plan = "It is unknown whether the plan quota still works."
    elif hard:
        plan = f"The plan quota is used up too{facts.full_windows()}: the next prompt is refused."
    else:
        plan = "The plan still works until one of its windows is full."
    otherwise = (f"Otherwise the block lifts on {until}.",) if until else ()
    return AlertText(
        facts.with_spent(f"{facts.who} is BLOCKED", share=False),
        " ".join([facts.remedy(remedy), *otherwise]),
        (*changes(facts), f"{reason} {plan}"),
        seat_line=_seat_line(facts),
    )


def _seat_line(facts: EventFacts) -> str:
    """`$50.00 / $50.00 (100%)  BLOCKED until Fri May 1`"""
    used, cap, until = facts.money("used"), facts.money("cap"), facts.instant("until")
    amount = "unknown" if used is None else show(used)
    if cap is not None:
        share = None if used is None else percent(used, cap)
        amount += f" / {show(cap)}" + ("" if share is None else f" ({percent_text(share)})")
    elif used is not None:
        amount += " used"
    ends = f" until {local_day(until, facts.tz)}" if until is not None and until > facts.event.at else ""
    return f"{amount}  BLOCKED{ends}"


def seat_unblocked(facts: EventFacts) -> AlertText:
    title, since = facts.with_spent(f"{facts.who} is no longer blocked"), facts.when("since")
    evidence = (f"It had been blocked since {since}.",) if since else ()
    return AlertText(title, details=changes(facts), evidence=evidence)


def changes(facts: EventFacts) -> tuple[str, ...]:
    """`The cap was raised from $50.00 to $100.00.`, one sentence for each change of the settings."""
    return tuple(f"{_change(change)}." for change in facts.items("changes") or [])


def balance_low(facts: EventFacts) -> AlertText:
    left = facts.money("balance")
    amount = "few" if left is None else f"{show(left, grouped=True)} in" if left.minor else "no"
    whose = f"{facts.who}'s organization" if facts.event.facts.get("shared") else facts.who
    title = f"{whose} has {amount} prepaid credits left"
    some_left = left is None or left.minor
    if some_left and facts.event.resolves is not None:
        return AlertText(title)
    if some_left:
        follows = "Once they are used up, prompts are refused while a plan window is full."
        return AlertText(title, facts.remedy(Remedy.BALANCE_LOW), (follows,))
    if facts.event.facts.get("auto_reload") is True:
        action = "Auto-reload is on. If the balance stays at 0, check the payment method."
        return AlertText(title, action)
    follows = {
        "refused": f"The plan quota is used up too{facts.full_windows()}: the next prompt is refused.",
        "plan": "The plan still works until one of its windows is full. Then the next prompt is refused.",
    }.get(facts.text("next") or "", _NOT_READ)
    return AlertText(title, facts.remedy(Remedy.BALANCE_EMPTY), (follows,))


def metering_changed(facts: EventFacts) -> AlertText:
    items = facts.items("changes") or []
    states = [
        _METERING[str(one.get("to"))]
        for one in items
        if one.get("what") == "metering" and one.get("to") in _METERING
    ]
    remedy = next((each for _, _, each in states if each is not None), None)
    removed = any(one.get("what") == "cap" and one.get("to") is None for one in items)
    if remedy is None and removed:
        remedy = Remedy.NO_CAP
    raw = facts.text("wire_reason")
    return AlertText(
        f"{facts.who}: {'; '.join(map(_lowered, changes(facts))) or 'extra usage has changed'}",
        "" if remedy is None else facts.remedy(remedy),
        tuple(dict.fromkeys(follows for _, follows, _ in states)),
        facts.bar(),
        evidence=(f"Anthropic's reason: {raw}.",) if raw else (),
    )


def _change(change: Mapping[str, object]) -> str:
    what, old, new = change.get("what"), change.get("from"), change.get("to")
    if what == "cap":
        return _cap_change(old, new)
    if what == "metering" and new in _METERING:
        text = _METERING[str(new)][0]
        return f"{text[:1].upper()}{text[1:]}"
    return f"The {one_line(str(what))} changed from {one_line(str(old))} to {one_line(str(new))}"


def _cap_change(old: object, new: object) -> str:
    before, after = fact_money(old), fact_money(new)
    if after is None:
        return "The cap was removed" + ("" if before is None else f" (it was {show(before, grouped=True)})")
    if before is None:
        return f"A cap of {show(after, grouped=True)} was set"
    verb = "raised" if after.major > before.major else "lowered"
    return f"The cap was {verb} from {show(before, grouped=True)} to {show(after, grouped=True)}"


def _lowered(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:].removesuffix('.')}"


def window_full(facts: EventFacts) -> AlertText:
    name, resets = window_label(facts.text("window") or "plan"), facts.until("resets_at")
    until, next_prompt = (f" until {resets}" if resets else ""), facts.text("next")
    title = f"{facts.who}: the {name} window is full"
    due = facts.when("reset_due")
    late = (f"Its reset was due at {due}, but the window is still full.",) if due else ()
    if next_prompt == "billed":
        action = f"Prompts are billed as extra usage{until}. Pause if this is not wanted."
        spent = facts.spent()
        return AlertText(title, action, (*late, *((f"Extra usage so far: {spent}.",) if spent else ())))
    if next_prompt == "refused":
        return AlertText(title, f"Prompts are refused{until}.", late)
    return AlertText(title, f"It is unknown whether prompts are billed or refused{until}.", late)


def window_reset(facts: EventFacts) -> AlertText:
    name = window_label(facts.text("window") or "plan")
    return AlertText(
        f"{facts.who}: the {name} window has reset",
        "Unless another window is full, the plan covers prompts again.",
    )
