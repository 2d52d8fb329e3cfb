"""Alerts about thresholds: of a seat's cap or amount, and of the team's budget."""

from meterbot.core.text import percent_text
from meterbot.delivery.alerts.event_facts import AlertText, EventFacts
from meterbot.delivery.alerts.limits import changes
from meterbot.delivery.alerts.remedies import Situation


def threshold_crossed(facts: EventFacts) -> AlertText:
    used, share = facts.shown("used"), facts.percent
    if not facts.event.initial or used is None:
        title = facts.with_spent(f"{facts.who} passed {facts.level()}")
    elif share is not None:
        title = facts.with_spent(f"{facts.who} is at {percent_text(share)} of the cap", share=False)
    else:
        title = f"{facts.who} has spent {used} this month"
    details = (*changes(facts), *facts.also_crossed(), *facts.pace())
    return AlertText(title, facts.remedy(_ahead(facts)), details, facts.bar(), evidence=facts.month_end())


def _ahead(facts: EventFacts) -> Situation:
    if facts.money("cap") is None:
        return Situation.NO_CAP
    return Situation.CAP_AHEAD if facts.percent is None or facts.percent < 100 else Situation.CAP_REACHED


def budget_crossed(facts: EventFacts) -> AlertText:
    title = facts.with_spent(f"The team passed {facts.level()}")
    if facts.event.initial and facts.percent is not None:
        title = facts.with_spent(f"The team is at {percent_text(facts.percent)} of the budget", share=False)
    partial = facts.event.facts.get("complete") is False
    missing = ("The real amount may be higher: not every seat could be read.",) if partial else ()
    action = "See who spends with /claude-spend. A budget only warns: it does not stop extra usage."
    return AlertText(
        title, action, (*facts.also_crossed(), *missing), facts.bar(), evidence=facts.month_end()
    )
