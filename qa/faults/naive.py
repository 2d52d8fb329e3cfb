"""The usual way to send alerts: post, then record; resend without looking, as slack_sdk does by default; give up after
some attempts.

The oracle must find what it loses and doubles: otherwise finding nothing wrong with meterbot would prove nothing.
"""

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from meterbot.chat.discord.web_api import DiscordWeb
from meterbot.chat.slack.web_api import SlackWeb
from meterbot.core.errors import SendError
from meterbot.delivery.worker import DeliveryWorker
from meterbot.store import delivery_outcomes

_TRIES = 2


def take_over() -> None:
    """Makes this process send in the naive way."""
    DeliveryWorker._find_earlier = _do_not_look  # type: ignore[method-assign]
    DeliveryWorker._put_back = _give_up_soon  # type: ignore[method-assign]
    SlackWeb._client = _usual_client  # type: ignore[method-assign]
    DiscordWeb.call = _without_nonce  # type: ignore[method-assign]


async def _do_not_look(*_: Any, **__: Any) -> None:
    return None


_put_back = DeliveryWorker._put_back


async def _give_up_soon(self: DeliveryWorker, delivery: Any, error: SendError, **more: Any) -> None:
    if delivery.attempts >= _TRIES:
        await self.store.run(
            lambda c: delivery_outcomes.mark_superseded(c, delivery, "given up", self.clock.now())
        )
    else:
        await _put_back(self, delivery, error, **more)


def _usual_client(self: SlackWeb) -> AsyncWebClient:
    return AsyncWebClient(self._token, self._api_url, session=self._opened(), logger=self._logger)


_call = DiscordWeb.call


async def _without_nonce(
    self: DiscordWeb, method: str, path: str, json: Any = None, query: Any = None, **ids: str
) -> Any:
    sent = (
        {key: value for key, value in json.items() if key != "enforce_nonce"}
        if isinstance(json, dict)
        else json
    )
    return await _call(self, method, path, sent, query, **ids)
