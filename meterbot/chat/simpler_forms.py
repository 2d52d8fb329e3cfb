"""Sends the best form of a message that a platform accepts, so that a refused form loses no message."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from meterbot.core.errors import Outcome, SendError
from meterbot.core.log import get_logger

log = get_logger(__name__)

Form = TypeVar("Form")
Sent = TypeVar("Sent")


async def send_best(
    platform: str,
    forms: Sequence[Callable[[], Form]],
    send: Callable[[Form], Awaitable[Sent]],
) -> Sent:
    """Tries the forms in order, the richest first; `send` raises `SendError`. Only a form that cannot be rendered, or
    that the platform calls invalid, leads to the next one: then nothing was posted. Raises the last form's
    `SendError`."""
    *richer, last = forms
    for form in richer:
        try:
            payload = form()
        except SendError as failure:
            log.warning("a form of a message is invalid", chat=platform, reason=failure.reason)
            continue
        except Exception:
            # A bug in our rendering must not lose the content.
            log.exception("a message could not be rendered", chat=platform)
            continue
        try:
            return await send(payload)
        except SendError as failure:
            if failure.outcome is not Outcome.INVALID:
                raise
            log.warning("a form of a message was refused", chat=platform, reason=failure.reason)
    return await send(last())
