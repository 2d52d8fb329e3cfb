"""Works the deliveries off: claim, send, record; in doubt, look.

An alert is never lost: a delivery leaves the queue only when it stands in the channel, or when nothing is left to
say. It is never posted twice: whatever may have arrived is looked for before it is sent again.
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import timedelta

import structlog

from meterbot.chat import Chat
from meterbot.clock import Clock
from meterbot.errors import Outcome, SendError
from meterbot.messages import Posted
from meterbot.store import Delivery, DeliveryKind, DeliveryState, Store
from meterbot.tally import Tally

CLAIM_SECONDS = 60.0
"""How long a worker may take over one delivery before another looks after it."""
SEND_SECONDS = 40.0
"""When a platform that does not answer is given up for now; well inside the claim."""
LOOK_BACK = timedelta(minutes=5)
"""How far before our first attempt a lost message is looked for: the platforms' clocks are not ours."""

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
_REFUSED_PAUSE = 600.0
_GOODBYE_SECONDS = 2.0

_STATE = {
    Outcome.NOT_SENT: DeliveryState.QUEUED,
    Outcome.IN_DOUBT: DeliveryState.IN_DOUBT,
    Outcome.REFUSED: DeliveryState.REFUSED,
}

log = structlog.get_logger(__name__)


class Notify:
    """One line of deliveries per chat, so that a hanging platform delays nobody else."""

    def __init__(
        self,
        store: Store,
        chats: Mapping[str, Chat],
        clock: Clock,
        *,
        worker: str,
        rng: random.Random | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._store = store
        self._chats = chats
        self._clock = clock
        self._worker = worker
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._tally = tally or Tally()
        self._wakers = {name: asyncio.Event() for name in chats}
        self._stopping = False
        self._trouble: dict[str, str] = {}

    def wake(self) -> None:
        """Something was queued, or time has passed: look now."""
        for waker in self._wakers.values():
            waker.set()

    async def run(self) -> None:
        """Works until `stop`; each chat on its own."""
        async with asyncio.TaskGroup() as group:
            for name in self._chats:
                group.create_task(self._work(name))

    def stop(self) -> None:
        """Lets the message being sent arrive, then ends `run`."""
        self._stopping = True
        self.wake()

    async def _work(self, name: str) -> None:
        waker, halted = self._wakers[name], False
        while not self._stopping:
            waker.clear()
            try:
                moved = await self.deliver_next(name)
            except Exception:
                # The database is away, or we have a bug: the rows are safe, the next wake tries again.
                if not halted:
                    log.exception("deliveries stopped for now", chat=name)
                moved, halted = False, True
            else:
                if halted:
                    log.info("deliveries go on", chat=name)
                halted = False
            if not moved:
                await waker.wait()

    async def drain(self) -> None:
        """Sends everything that is due now; returns when no line moves any more."""
        await asyncio.gather(*(self._drain(name) for name in self._chats))

    async def _drain(self, name: str) -> None:
        while await self.deliver_next(name):
            pass

    async def deliver_next(self, name: str) -> bool:
        """Handles the head of one of the chat's lines. False when nothing was due."""
        now = self._clock.now()
        delivery = await self._store.claim(name, now, self._worker, CLAIM_SECONDS)
        if delivery is None:
            return False
        try:
            where = await self._send(self._chats[name], delivery)
        except SendError as error:
            if error.outcome is Outcome.GONE:
                # It must not hold up the alerts behind it for ever.
                log.info("nothing is left to send", chat=name, reason=error.reason)
                await self._store.superseded(delivery.id, error.reason)
                self._tally.delivery(name, "superseded")
            else:
                await self._put_back(delivery, error)
        except asyncio.CancelledError:
            await self._say_goodbye(delivery)
            raise
        except Exception:
            # A chat tells every failure of the outside by a SendError: this one is our own.
            log.exception("a chat failed", chat=name, delivery=delivery.id)
            await self._put_back(delivery, SendError(Outcome.IN_DOUBT, "meterbot itself failed to send it"))
        else:
            await self._record(delivery, where)
        return True

    async def _say_goodbye(self, delivery: Delivery) -> None:
        """Notes the doubt, so that the next start settles it at once and not when the claim has run out."""
        doubt = SendError(Outcome.IN_DOUBT, "meterbot was stopped while sending")
        try:
            await asyncio.wait_for(asyncio.shield(self._put_back(delivery, doubt)), _GOODBYE_SECONDS)
        except Exception:
            log.exception("a message in doubt could not be noted", delivery=delivery.id)

    async def _send(self, chat: Chat, delivery: Delivery) -> Posted | None:
        """Where the message stands; None when there is nothing left to send."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._send_once(chat, delivery)
        except TimeoutError:
            raise SendError(Outcome.IN_DOUBT, f"{chat.name} did not answer in time") from None

    async def _send_once(self, chat: Chat, delivery: Delivery) -> Posted | None:
        if delivery.kind is DeliveryKind.POST:
            found = await self._look(chat, delivery, thread=None)
            return found or await chat.post(delivery.id, delivery.channel, delivery.message)
        if delivery.root is None:
            return None
        if delivery.kind is DeliveryKind.EDIT:
            # Editing twice shows the same message: no need to look.
            await chat.edit(delivery.id, delivery.root, delivery.message)
            return delivery.root
        found = await self._look(chat, delivery, thread=delivery.root)
        return found or await chat.reply(delivery.id, delivery.root, delivery.message)

    async def _look(self, chat: Chat, delivery: Delivery, thread: Posted | None) -> Posted | None:
        if not delivery.settle:
            return None
        since = (delivery.first_tried_at or delivery.created_at) - LOOK_BACK
        try:
            found = await chat.find(delivery.id, delivery.channel, since, thread)
        except SendError as error:
            if error.outcome is not Outcome.REFUSED:
                raise
            # Not allowed to look, and nobody will ever be: a second post is better than a lost alert.
            log.warning("cannot look for a message in doubt, sending it", reason=error.reason)
            return None
        log.info("settled a doubt by looking", delivery=delivery.id, arrived=found is not None)
        return found

    async def _record(self, delivery: Delivery, where: Posted | None) -> None:
        if where is None:
            await self._store.superseded(delivery.id, "the message it refers to was never posted")
            self._tally.delivery(delivery.chat, "superseded")
            return
        await self._store.delivered(delivery.id, where, self._clock.now())
        self._tally.delivery(delivery.chat, "delivered")
        if self._trouble.pop(delivery.chat, None):
            log.info("messages arrive again", chat=delivery.chat)

    async def _put_back(self, delivery: Delivery, error: SendError) -> None:
        self._tally.delivery(delivery.chat, error.outcome.value)
        pause = self._pause(delivery, error)
        not_before = self._clock.now() + timedelta(seconds=pause)
        # A doubt stays one, whatever stopped this attempt: looking once more is harmless.
        state = DeliveryState.IN_DOUBT if delivery.settle else _STATE[error.outcome]
        await self._store.put_back(delivery.id, state, not_before, error.reason, delivery.attempts)
        if self._trouble.get(delivery.chat) != error.reason:
            self._trouble[delivery.chat] = error.reason
            log.warning(
                "a message has to wait", chat=delivery.chat, reason=error.reason, seconds=round(pause)
            )

    def _pause(self, delivery: Delivery, error: SendError) -> float:
        if error.outcome is Outcome.REFUSED:
            pause = _REFUSED_PAUSE
        else:
            pause = min(_FIRST_PAUSE * 2 ** min(delivery.attempts - 1, 20), _LONGEST_PAUSE)
        pause *= self._rng.uniform(0.8, 1.2)
        return max(pause, error.retry_after or 0.0)
