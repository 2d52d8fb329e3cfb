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
from meterbot.core.hosts import proxy_for
from meterbot.core.text import one_line

_CODE = re.compile(r"[a-z][a-z0-9_]{0,60}")
_SCOPES = re.compile(r"[a-z0-9:._, -]{1,200}")
_LONGEST_WAIT = 3600.0
_USUAL_WAIT = 30.0

_LIMITED = {"ratelimited", "rate_limited"}
# With `fatal_error` and `internal_error`, a part of the work may have been done.
_UNSURE = {"fatal_error", "internal_error", "service_unavailable"}
_NOT_READ = {"request_timeout"}
# The message itself is wrong. `invalid_arguments` names a field, too; a wrong channel has codes of its own.
_INVALID = {
    "invalid_arguments",
    "invalid_blocks",
    "invalid_blocks_format",
    "metadata_too_large",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "only_one_table_allowed",
    "too_many_blocks",
}
_NO_DIRECT = {
    "cannot_dm_bot",
    "cannot_find_user",
    "messages_tab_disabled",
    "user_disabled",
    "user_not_found",
    "user_not_visible",
    "users_list_not_supplied",
}
# The workspace is being moved into an Enterprise organization, which takes hours.
_PASSING = {"team_added_to_org", "org_login_required"}
# A person deleted the message, the workspace no longer allows edits, or the message is not ours.
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
    "token_expired": "token rotation is on for this app and cannot be switched off: create the app again without it",
    "token_revoked": "the token was revoked: reinstall the app and copy the new one",
}


ROTATION = (
    "SLACK_BOT_TOKEN is a token that expires after 12 hours (xoxe.…): token rotation is on for this app. Create the app "
    "again from `meterbot slack manifest`, because rotation cannot be switched off, and use its xoxb-… token"
)


def rotates(token: str) -> bool:
    """Whether a token belongs to an app with token rotation, which meterbot does not support."""
    return token.startswith("xoxe.")


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
        # Outside the handler, so that the library's exception with request and answer is not chained.
        raise failure

    async def respond(self, url: str, payload: Mapping[str, Any]) -> None:
        """Posts to a `response_url`, once. Raises `SendError`."""
        webhook = AsyncWebhookClient(url, session=self._opened(), logger=self._logger, retry_handlers=[])
        webhook.proxy = proxy_for(url)
        try:
            response = await webhook.send_dict(dict(payload))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = SendError(Outcome.IN_DOUBT, f"no answer from Slack ({type(error).__name__})")
        else:
            if response.status_code == 200:
                return
            code = _word(response.body.strip())
            outcome = Outcome.INVALID if code in _INVALID else Outcome.REFUSED
            failure = SendError(outcome, f"HTTP {response.status_code} {code or ''}".strip(), code=code)
        raise failure

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> AsyncWebClient:
        # No retry handlers: slack_sdk's default sends a post again whose connection broke, and so posts it twice.
        client = AsyncWebClient(
            self._token, self._api_url, session=self._opened(), logger=self._logger, retry_handlers=[]
        )
        client.proxy = proxy_for(self._api_url)  # slack_sdk's own choice ignores NO_PROXY
        return client

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # A fresh connection per call: posts are rare, and a kept connection that the server has just closed would
            # leave a post in doubt.
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
    if code in _PASSING:
        return SendError(Outcome.NOT_SENT, f"the workspace is being migrated ({code}): meterbot tries again")
    if code is None or status >= 500 or code in _UNSURE:
        return _unreadable(method, status) if code is None else _unsure(method, code)
    return SendError(_outcome_of(code), _explained(method, code, response), code=code)


def _outcome_of(code: str) -> Outcome:
    if code in _GONE:
        return Outcome.GONE
    if code in _NO_DIRECT:
        return Outcome.NO_DIRECT
    return Outcome.INVALID if code in _INVALID else Outcome.REFUSED


def _unreadable(method: str, status: int) -> SendError:
    """Not Slack's answer, but a proxy's, a gateway's or a maintenance page."""
    refused = 400 <= status < 500
    reason = f"the answer to {method} is not Slack's (HTTP {status})"
    return SendError(Outcome.REFUSED if refused else Outcome.IN_DOUBT, reason)


def _unsure(method: str, code: str) -> SendError:
    return SendError(Outcome.IN_DOUBT, f"Slack failed during {method} ({code})")


def _explained(method: str, code: str, answer: AsyncSlackResponse) -> str:
    remedy, needed = REMEDIES.get(code), answer.get("needed")
    scope = f" {needed}" if isinstance(needed, str) and _SCOPES.fullmatch(needed) else ""
    details = _details(answer.get("response_metadata"))
    return f"Slack refuses {method}: {code}{scope}{details}" + (f" ({remedy})" if remedy else "")


def _details(metadata: object) -> str:
    """Slack's own words about the refused fields: `[ERROR] must be less than 151 characters
    [json-pointer:/blocks/0]`."""
    messages = metadata.get("messages") if isinstance(metadata, Mapping) else None
    said = (
        [one_line(each, 200) for each in messages if isinstance(each, str)]
        if isinstance(messages, list)
        else []
    )
    return f": {'; '.join(said[:3])}" if said else ""


def _word(value: object) -> str | None:
    """An error code, if it looks like one; other parts of a body are not repeated."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _seconds(header: str | None) -> float:
    try:
        wait = float(header or "")
    except ValueError:
        return _USUAL_WAIT
    return min(wait, _LONGEST_WAIT) if wait >= 0 else _USUAL_WAIT
