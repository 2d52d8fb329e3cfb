"""The failures that change what meterbot does next. A text here is read by a person: no secret, no traceback."""

from enum import StrEnum


class MeterbotError(Exception):
    """The root: everything meterbot raises on purpose."""


class Outcome(StrEnum):
    """What is known about a message whose sending failed."""

    NOT_SENT = "not_sent"
    """The platform said no for now, or was never reached: send again later."""
    IN_DOUBT = "in_doubt"
    """The request left and no answer came: look before sending again."""
    REFUSED = "refused"
    """The platform will keep saying no until a person changes something."""
    GONE = "gone"
    """The message that is to be edited or answered was deleted, or is closed for ever: nothing is left to send."""
    INVALID = "invalid"
    """The platform refuses this message for its content, in plain text too: only this message is at fault, and others
    in the same channel can be sent."""
    NO_DIRECT = "no_direct"
    """The person does not accept direct messages from the bot: they have to be told elsewhere."""


LOOKUP_EXHAUSTED = "lookup_exhausted"
"""The `code` of a search for a message that ended before all messages were read."""


class SendError(MeterbotError):
    """A delivery that did not end in a known message.

    `retry_after`: seconds the platform asked us to wait, or None. `code`: the platform's own word for it, where it has
    one and we know it.
    """

    def __init__(
        self, outcome: Outcome, reason: str, retry_after: float | None = None, code: str | None = None
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.retry_after = retry_after
        self.code = code


class StartError(MeterbotError):
    """A part that cannot start as configured; the text says what to do."""


class UnavailableError(StartError):
    """A part that cannot start now, although nothing has to change: a later start may succeed."""
