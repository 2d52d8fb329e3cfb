"""`report`: a person without a shell pastes claude-meter's JSON into a form. It goes through the door of the pushes."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from meterbot.chat import Answer, Form, Question
from meterbot.commands.own_seats import chosen
from meterbot.core.messages import Message, button, notice
from meterbot.core.models import Seat, Severity
from meterbot.core.rate_limit import RateLimiter
from meterbot.core.text import count, one_line, sentence
from meterbot.ingest.ingest import PushReceipt
from meterbot.ingest.pushes import PushReceiver
from meterbot.sources import UnusablePushError

VERB = "report"


@dataclass(frozen=True, slots=True)
class PasteResult:
    """Numbers that were right: of which seat, and what became of them."""

    seat: str
    said: str


class PasteCommand:
    """A seat may report six times at once and twice a minute."""

    def __init__(
        self, seats: Mapping[str, Seat], reception: PushReceiver, now: Callable[[], datetime]
    ) -> None:
        self._seats = seats
        self._reception = reception
        self._now = now
        self._reports = RateLimiter(burst=6, seconds=30)

    def form(self, question: Question, words: Sequence[str]) -> Form | None:
        """What to paste into; None where it is not certain for which seat."""
        seat = self._seat(question, words)
        if isinstance(seat, Message):
            return None
        return Form(
            words=(VERB, seat.name),
            title=one_line(f"Numbers of {seat.name}", 24),
            label="Paste claude-meter's JSON",
            hint="As `claude-meter --json` prints it: one object, or a list.",
        )

    async def take(self, question: Question, words: Sequence[str]) -> PasteResult | Answer:
        """Hands in what was pasted. An answer says why nothing of it was taken, and nothing was stored then."""
        seat = self._seat(question, words)
        if isinstance(seat, Message):
            return Answer(seat)
        text, now = (question.text or "").strip(), self._now()
        if not text:
            return _refused(seat, "Nothing was pasted.")
        if seconds := math.ceil(self._reports.wait(seat.name, now)):
            return _refused(seat, f"Too many reports at once: wait {seconds} seconds.")
        try:
            # Half of a surrogate pair is not UTF-8, and refused as such.
            return _taken(
                seat, await self._reception.take(seat.name, text.encode("utf-8", "surrogatepass"), now)
            )
        except UnusablePushError as bad:
            return _refused(seat, f"Nothing was stored. {bad.sentence}")

    def _seat(self, question: Question, words: Sequence[str]) -> Seat | Message:
        named = " ".join(words[1:]) or None
        return chosen(self._seats, question.platform, question.user, VERB, named)


def _taken(seat: Seat, receipt: PushReceipt) -> PasteResult | Answer:
    if receipt.refused is not None:
        remedy = f"If {seat.name} is meant to be another account from now on, ask whoever runs meterbot."
        return _refused(seat, f"{sentence(receipt.refused)} {remedy}")
    if not receipt.new:
        return PasteResult(
            seat.name, "Nothing new: what you pasted is stored already, or older than what is."
        )
    return PasteResult(seat.name, f"Stored {count(receipt.new, 'reading')}. Thank you.")


def _refused(seat: Seat, why: str) -> Answer:
    said = notice("Not taken", why, Severity.WARNING)
    again = button("Try again", VERB, seat.name)
    return Answer(Message(said.title, said.fallback, said.severity, said.text, actions=again), invalid=True)
