"""What is said about pace: a cap that will fall, and a spend far above the habit."""

from meterbot.core.money import show, subtract
from meterbot.core.text import moment, span
from meterbot.delivery.alerts.facts import USAGE_SETTINGS, EventFacts, Words, instant


def cap_forecast(told: EventFacts) -> Words:
    at, ends = instant(told.event.facts.get("cap_eta")), instant(told.event.facts.get("ends"))
    meaning = []
    if at is not None:
        early = "" if ends is None else f", {span(ends - at)} before the counter starts again"
        meaning.append(f"At today's pace its cap falls at about {moment(at, told.tz)}{early}.")
    meaning += _month(told)
    advice = f"Extra usage stops then: raise the cap {USAGE_SETTINGS}, or slow down."
    return Words(
        f"{told.who} is heading past its cap", tuple(meaning), (advice, *told.month_end()), told.spent()
    )


def _month(told: EventFacts) -> list[str]:
    """`The month would end between …, most likely $27.40 above the cap.`"""
    low, likely, high, cap = (told.money(fact) for fact in ("low", "likely", "high", "cap"))
    if low is None or likely is None or high is None or cap is None or likely.currency != cap.currency:
        return []
    above = show(subtract(likely, cap), grouped=True)
    between = f"{show(low, grouped=True)} and {show(high, grouped=True)}"
    return [f"Without a cap the month would end between {between}, most likely {above} above it."]


def spend_spike(told: EventFacts) -> Words:
    fast, usual, times = told.money("pace"), told.money("usual"), told.text("times")
    title = (
        f"{told.who} is spending {'far faster than' if times is None else f'{times} times as fast as'} usual"
    )
    meaning = []
    if fast is not None and usual is not None:
        meaning.append(
            f"{show(fast, grouped=True)} an hour; nine of ten of its busy hours stay within {show(usual, grouped=True)}."
        )
    advice = "Look at what it runs: a loop, many agents at once, or a larger model."
    return Words(title, tuple(meaning), (advice,), told.spent())
