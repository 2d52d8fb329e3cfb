"""What is said about what stops or bills the next prompt: blocks, settings, full windows."""

from collections.abc import Mapping

from meterbot.core.messages import Field
from meterbot.core.money import show
from meterbot.core.text import one_line, window_label
from meterbot.delivery.alerts.facts import USAGE_SETTINGS, EventFacts, Words, windows
from meterbot.rules import fact_money

_WHY = {"cap": "Its extra usage cap is spent.", "balance": "Its prepaid credits are used up."}
_CURE = {
    "cap": f"To go on now, raise the cap {USAGE_SETTINGS}.",
    "balance": f"To go on now, buy credits {USAGE_SETTINGS}.",
}
_STATES = {
    "on": ("extra usage was switched on", "Once a window of the plan is full, prompts are billed."),
    "off": ("extra usage was switched off", "Once a window of the plan is full, prompts are refused."),
    "paused": (
        "extra usage was paused by an administrator",
        "Once a window of the plan is full, prompts are refused.",
    ),
    "unmetered": (
        "extra usage is no longer set up",
        "Once a window of the plan is full, prompts are refused.",
    ),
}


def seat_blocked(told: EventFacts) -> Words:
    reason, hard = told.text("why") or "", told.event.facts.get("hard")
    why = _WHY.get(reason, "Its cap or its credits ran out; Anthropic does not say which.")
    if hard is None:
        force = "Whether its plan quota still serves is unknown."
    elif hard:
        full = told.items("full_windows")
        which = f" ({windows(full, told.tz)})" if full else ""
        force = f"Its plan quota is used up too{which}: the next prompt is refused."
    else:
        force = "Its plan quota still serves; once a window is full, prompts are refused."
    until = told.moment("until")
    advice = [_CURE.get(reason, f"What ran out can be seen {USAGE_SETTINGS}.")]
    advice += [f"Otherwise it ends on {until}."] if until else []
    fields = told.spent() + ((Field("Until", until),) if until else ())
    return Words(f"{told.who} is blocked", (why, force), tuple(advice), fields)


def seat_unblocked(told: EventFacts) -> Words:
    since = told.moment("since")
    meaning = (f"It had been blocked since {since}.",) if since else ()
    return Words(f"{told.who} is no longer blocked", meaning, (), told.spent())


def metering_changed(told: EventFacts) -> Words:
    said = [_change(change) for change in told.items("changes") or []]
    meanings = tuple(dict.fromkeys(meaning for _, meaning in said if meaning))
    raw = told.text("wire_reason")
    reason = (f"Anthropic's reason: {raw}.",) if raw else ()
    if len(said) == 1:
        return Words(f"{told.who}: {said[0][0]}", meanings, reason, told.spent())
    changes = tuple(f"{what[0].upper()}{what[1:]}." for what, _ in said)
    title = f"{told.who}: extra usage has changed"
    whole = f"{told.who}: {'; '.join(what for what, _ in said)}"
    return Words(title, (*changes, *meanings), reason, told.spent(), whole)


def _change(change: Mapping[str, object]) -> tuple[str, str]:
    """What changed from what to what, and what follows from it."""
    what, old, new = change.get("what"), change.get("from"), change.get("to")
    if what == "cap":
        return _cap_change(old, new)
    if what == "metering" and new in _STATES:
        return _STATES[str(new)]
    before, after = one_line(str(old)), one_line(str(new))
    return f"{one_line(str(what))} changed from {before} to {after}", ""


def _cap_change(old: object, new: object) -> tuple[str, str]:
    before, after = fact_money(old), fact_money(new)
    if after is None:
        was = "" if before is None else f", it was {show(before, grouped=True)}"
        return f"the cap was removed{was}", "Nothing limits its extra usage now."
    if before is None:
        return f"a cap of {show(after, grouped=True)} was set", ""
    verb = "raised" if after.major > before.major else "lowered"
    return f"the cap was {verb} from {show(before, grouped=True)} to {show(after, grouped=True)}", ""


def window_full(told: EventFacts) -> Words:
    name, resets = window_label(told.text("window") or "plan"), told.moment("resets_at")
    until = f" until {resets}" if resets else ""
    meaning = {
        "billed": f"Prompts are billed as extra usage{until}.",
        "refused": f"Prompts are refused{until}.",
    }.get(told.text("next") or "", f"Whether prompts are billed or refused{until} is unknown.")
    advice = () if resets else ("When it resets is unknown.",)
    fields = ((Field("Resets", resets),) if resets else ()) + told.spent()
    verb = "is" if told.event.initial else "is now"
    return Words(f"{told.who}: the {name} window {verb} full", (meaning,), advice, fields)
