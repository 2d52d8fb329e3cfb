"""Which levels hold for which seat."""

from collections.abc import Iterator, Mapping, Sequence

from meterbot.app.config import Config
from meterbot.core.findings import Check, Status
from meterbot.core.money import show
from meterbot.delivery import seat_settings
from meterbot.delivery.seat_settings import levels_said
from meterbot.rules.settings import UNCAPPED_STEP, Threshold


def levels(config: Config, memories: Mapping[str, str]) -> Iterator[Check]:
    """The configured levels, and those of each seat whose owner has set others. `memories`: as they are stored."""
    names = dict.fromkeys([*(seat.name for seat in config.seats), *seat_settings.seats_of(memories)])
    own = {name: seat_settings.of(name, memories).thresholds for name in names}
    set_by_owner = {name: steps for name, steps in own.items() if steps is not None}
    whom = "every seat" if not set_by_owner else "every other seat"
    if not own or len(set_by_owner) < len(own):
        yield Check("levels", Status.OK, f"{whom}: {levels_text(config.alerts.thresholds)}")
    for name, steps in set_by_owner.items():
        yield Check("levels", Status.OK, f"{name}, set by its owner: {levels_text(steps)}")


def levels_text(steps: Sequence[Threshold]) -> str:
    """`80%, 95%; without a cap: $25.00, $50.00, $100.00 and every further $100.00`"""
    always = [step for step in steps if not step.default]
    uncapped = [step for step in steps if step.default]
    if uncapped:
        further = f"{levels_said(uncapped)} and every further {show(UNCAPPED_STEP)}"
        return f"{levels_said(always)}; without a cap: {further}"
    amounts = any(step.amount is not None for step in always)
    return levels_said(always) + ("" if amounts else "; without a cap: none")
