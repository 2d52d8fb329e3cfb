"""The errors that change what meterbot does next. People read their texts: no secret, no traceback."""

from enum import StrEnum


class MeterbotError(Exception):
    """The base class of meterbot's own errors."""


class Outcome(StrEnum):
    """What is known about a message that could not be sent."""

    NOT_SENT = "not_sent"
    """The platform refused for now, or was not reached: send again later."""
    IN_DOUBT = "in_doubt"
    """The request was sent and no answer came: look before sending again."""
    REFUSED = "refused"
    """The platform refuses until a person changes something."""
    GONE = "gone"
    """The message to edit or answer was deleted, or is closed for ever: there is nothing to send."""
    INVALID = "invalid"
    """The platform refuses this message for its content, also as plain text. Other messages in the channel can be
    sent."""
    NO_DIRECT = "no_direct"
    """The person does not accept direct messages from the bot: use another destination."""


LOOKUP_EXHAUSTED = "lookup_exhausted"
"""The `code` of a search for a message that ended before all messages were read."""


class SendError(MeterbotError):
    """A delivery failed or is in doubt. `retry_after`: seconds the platform asked to wait, or None. `code`: the
    platform's own word for it, if known."""

    def __init__(
        self, outcome: Outcome, reason: str, retry_after: float | None = None, code: str | None = None
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.retry_after = retry_after
        self.code = code


class StartError(MeterbotError):
    """A part cannot start with this configuration; the text says what to do. `remedy`: that alone, where a check prints
    it by itself."""

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(f"{sentence}. {remedy}" if remedy else sentence)
        self.sentence = sentence
        self.remedy = remedy


class UnavailableError(StartError):
    """A part cannot start now, but may later without any change."""
