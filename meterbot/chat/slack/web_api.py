"""Slack's Web API: one request per call, no retries, and every failure a `SendError` that says what is known."""

import re
from collections.abc import Mapping
from logging import Logger
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from meterbot.core.errors import Outcome, SendError
from meterbot.core.messages import Picture
from meterbot.core.proxies import proxy_for

_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")
_SCOPES = re.compile(r"[a-z0-9:._, -]{1,200}")
_LONGEST_WAIT = 3600.0
_MOST_ALT = 1000
_USUAL_WAIT = 30.0

_LIMITED = {"ratelimited", "rate_limited"}
# Slack says of `fatal_error` and `internal_error` that part of the work may have been done before it failed.
_UNSURE = {"fatal_error", "internal_error", "service_unavailable"}
_NOT_READ = {"request_timeout"}
# A person deleted the message, the workspace closes messages to edits after a while, or it is not (any more) ours.
_GONE = {"cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found"}

REMEDIES = {
    # What a person can do about what Slack says.
    "account_inactive": "the bot's user is deactivated: reinstall the app",
    "channel_not_found": "check [slack] channel, and /invite the bot if the channel is private",
    "invalid_auth": "the token is wrong: copy it again from the app's pages",
    "is_archived": "the channel is archived: unarchive it, or set another [slack] channel",
    "message_limit_exceeded": "the workspace's message limit is reached: nothing can be posted until it is raised",
    "missing_scope": "add the scope to the app and reinstall it",
    "not_allowed_token_type": "this call needs the other kind of token: xoxb- for the bot, xapp- for Socket Mode",
    "not_authed": "no token was sent",
    "not_in_channel": "/invite the bot to the channel",
    "restricted_action": "the workspace's settings forbid the bot to post there",
    "token_revoked": "the token was revoked: reinstall the app and copy the new one",
}


class SlackWeb:
    """The calls of one bot. `timeout` is in seconds for a whole call."""

    def __init__(self, token: str, api_url: str, timeout: float, logger: Logger) -> None:
        self._token = token
        self._api_url = api_url
        self._timeout = timeout
        self._logger = logger
        self._session: aiohttp.ClientSession | None = None

    async def call(self, method: str, **arguments: Any) -> Mapping[str, Any]:
        """Slack's answer (`ok` is true). `arguments` are those of `AsyncWebClient.api_call`. Raises `SendError`."""
        return (await self.exchange(method, **arguments))[0]

    async def exchange(self, method: str, **arguments: Any) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """The same with the answer's headers."""
        try:
            response = await self._client().api_call(method, **arguments)
        except SlackApiError as error:
            failure = _refusal(method, error.response)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientHttpProxyError,
        ) as error:
            # Raised while connecting, before a byte of the request is written.
            failure = SendError(Outcome.NOT_SENT, f"Slack cannot be reached ({type(error).__name__})")
        except aiohttp.InvalidURL:
            failure = SendError(Outcome.REFUSED, "endpoints.slack_api is not a URL")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = SendError(
                Outcome.IN_DOUBT, f"no answer to {method} from Slack ({type(error).__name__})"
            )
        except AttributeError:
            # slack_sdk takes every text/plain or JSON answer of status 200 for an object and asks it for "ok".
            failure = _unreadable(method, 200)
        else:
            return response.data if isinstance(response.data, dict) else {}, response.headers
        # Not in the handler: the library's exceptions hold request and answer, and would ride along as context.
        raise failure

    async def respond(self, url: str, payload: Mapping[str, Any]) -> int:
        """Posts to a `response_url`, once. The HTTP status."""
        webhook = AsyncWebhookClient(url, session=self._opened(), logger=self._logger, retry_handlers=[])
        webhook.proxy = proxy_for(url)
        return (await webhook.send_dict(dict(payload))).status_code

    async def upload(self, picture: Picture, channel: str | None) -> str:
        """Puts a file into a channel, or where only a view shows it: Slack says where to, takes the bytes, and keeps it.
        The file's id. Raises `SendError`."""
        wanted = {"filename": picture.name, "length": len(picture.png), "alt_txt": picture.alt[:_MOST_ALT]}
        place = await self.call("files.getUploadURLExternal", params=wanted)
        try:
            url = place["upload_url"]
            async with self._opened().post(url, data=picture.png, proxy=proxy_for(url)) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = f"no answer to the upload ({type(error).__name__})"
        else:
            failure = "" if status == 200 else f"Slack refuses the upload (HTTP {status})"
        if failure:
            raise SendError(Outcome.REFUSED, failure)
        files = [{"id": place["file_id"], "title": picture.name}]
        where = {} if channel is None else {"channel_id": channel}
        await self.call("files.completeUploadExternal", json={"files": files, **where})
        return str(place["file_id"])

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> AsyncWebClient:
        # No retry handlers: slack_sdk's default repeats a post whose connection broke, and so posts it twice.
        client = AsyncWebClient(
            self._token, self._api_url, session=self._opened(), logger=self._logger, retry_handlers=[]
        )
        client.proxy = proxy_for(self._api_url)  # slack_sdk's own choice ignores NO_PROXY
        return client

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # A fresh connection per call: posts are rare, and a kept one that the server has just closed would leave
            # a post in doubt.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True),
                timeout=aiohttp.ClientTimeout(total=self._timeout, connect=self._timeout / 2),
            )
        return self._session


def _refusal(method: str, response: object) -> SendError:
    if not isinstance(response, AsyncSlackResponse):  # the body was no JSON
        return _unreadable(method, getattr(response, "status", 200))
    status = response.status_code
    code = _word(response.get("error"))
    if status == 429 or code in _LIMITED:
        wait = _seconds(response.headers.get("Retry-After"))
        return SendError(Outcome.NOT_SENT, f"Slack asks to wait {wait:g} seconds", wait)
    if code in _NOT_READ:
        return SendError(Outcome.NOT_SENT, f"Slack did not read {method} ({code})")
    if code is None or status >= 500 or code in _UNSURE:
        return _unreadable(method, status) if code is None else _unsure(method, code)
    outcome = Outcome.GONE if code in _GONE else Outcome.REFUSED
    return SendError(outcome, _explained(method, code, response.get("needed")), code=code)


def _unreadable(method: str, status: int) -> SendError:
    """No answer of Slack's own, but a proxy's, a gateway's or a maintenance page."""
    refused = 400 <= status < 500
    reason = f"the answer to {method} is not Slack's (HTTP {status})"
    return SendError(Outcome.REFUSED if refused else Outcome.IN_DOUBT, reason)


def _unsure(method: str, code: str) -> SendError:
    return SendError(Outcome.IN_DOUBT, f"Slack failed during {method} ({code})")


def _explained(method: str, code: str, needed: object) -> str:
    remedy = REMEDIES.get(code)
    scope = f" {needed}" if isinstance(needed, str) and _SCOPES.fullmatch(needed) else ""
    return f"Slack refuses {method}: {code}{scope}" + (f" ({remedy})" if remedy else "")


def _word(value: object) -> str | None:
    """An error code, as long as it looks like one: the rest of a body is not repeated."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _seconds(header: str | None) -> float:
    try:
        wait = float(header or "")
    except ValueError:
        return _USUAL_WAIT
    return min(wait, _LONGEST_WAIT) if wait >= 0 else _USUAL_WAIT
