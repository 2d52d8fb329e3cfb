"""What keeps the agent from its work: one sentence each, saying what to do."""

from meterbot.core.errors import MeterbotError, StartError


class SetupError(StartError):
    """Something about how the agent was started: an option, a variable, an address."""


class PushError(MeterbotError):
    """This machine has nothing to read, or what it has cannot be sent. Nobody was asked."""


class RefusedError(PushError):
    """Somebody was asked and gave no reading, or did not take one.

    `retry_after`: the seconds asked for, or None. `final`: repeating the same changes nothing.
    """

    def __init__(self, sentence: str, retry_after: float | None = None, *, final: bool = False) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
        self.final = final
