"""meterbot, as the agent sees it: where it is, the token that opens it, and what its answers mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from meterbot.agent.transport import Answer, address, exchange
from meterbot.agent.trouble import RefusedError, SetupError
from meterbot.core import secret
from meterbot.sources.responses import retry_after

PATH = "/api/v1/snapshots"
HEADERS = {"Content-Type": "application/json"}

_ADVICE = {
    400: "meterbot could not read what was sent (400): update both ends to the same version",
    401: "meterbot does not know this token (401): ask for a new one, whoever runs the bot makes it with "
    "`meterbot seat add NAME`",
    403: "something in front of meterbot refuses the request (403): ask whoever runs the bot",
    404: "there is no meterbot at this address (404): check METERBOT_URL",
    405: "there is no meterbot at this address (405): check METERBOT_URL",
    409: "meterbot knows this seat with another account (409): sign in to the seat's own account with `claude`, or "
    "let whoever runs the bot say `meterbot seat forget NAME --account`, if the seat is meant to change hands",
    413: "meterbot finds the snapshots too large (413): send fewer at once",
    415: "meterbot could not read what was sent (415): update both ends to the same version",
}
_FOR_NOW = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Destination:
    """`url` is where snapshots are posted."""

    url: str
    token: str = field(repr=False)

    def send(self, body: bytes, now: datetime) -> str:
        """What came of it, in one sentence. Raises `RefusedError` when meterbot did not take it."""
        answer = exchange("POST", self.url, {**HEADERS, "Authorization": f"Bearer {self.token}"}, body)
        if answer.status == 202:
            return "sent, and stored by meterbot"
        if answer.status == 200:
            return "sent; meterbot already knew all of it"
        raise _refused(answer, now)


def from_environment(env: Mapping[str, str], url: str | None = None) -> Destination:
    """Raises `SetupError` for what is missing or cannot be right."""
    return Destination(posting_address(env, url), _token(env))


def posting_address(env: Mapping[str, str], url: str | None = None) -> str:
    """`url`, or else METERBOT_URL, as the address that snapshots are posted to."""
    told = (url or env.get("METERBOT_URL", "")).strip()
    if not told:
        raise SetupError(
            "METERBOT_URL is not set: it is the address of your team's meterbot, ask whoever runs it"
        )
    base = address(told, "METERBOT_URL", env)
    return base if base.endswith("/snapshots") else base + PATH


def _token(env: Mapping[str, str]) -> str:
    token, file = env.get("METERBOT_PUSH_TOKEN", ""), env.get("METERBOT_PUSH_TOKEN_FILE", "")
    if token and file:
        raise SetupError("METERBOT_PUSH_TOKEN and METERBOT_PUSH_TOKEN_FILE are both set: which one counts?")
    if file:
        try:
            token = Path(file).expanduser().read_text("utf-8")
        except (OSError, ValueError):
            raise SetupError("the file that METERBOT_PUSH_TOKEN_FILE names cannot be read") from None
    token = token.strip()
    if not token:
        raise SetupError(
            "METERBOT_PUSH_TOKEN is not set: whoever runs the bot makes one with `meterbot seat add NAME`"
        )
    secret.remember(token)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SetupError("METERBOT_PUSH_TOKEN holds characters that no token has: was it pasted whole?")
    return token


def _refused(answer: Answer, now: datetime) -> RefusedError:
    status, wait = answer.status, retry_after(answer.headers.get("retry-after"), now)
    if status in _FOR_NOW or status >= 500:
        why = "meterbot asks to wait" if status == 429 else "meterbot cannot take it for now"
        return RefusedError(f"{why} ({status})", wait)
    if 300 <= status < 400:
        return RefusedError(
            f"METERBOT_URL answers with a redirect ({status}), and the token is not carried on: set the final address",
            final=True,
        )
    if status == 422:
        return RefusedError(f"meterbot does not take these snapshots (422){_reason(answer)}", final=True)
    return RefusedError(_ADVICE.get(status, f"meterbot answered with something else ({status})"), final=True)


def _reason(answer: Answer) -> str:
    """What meterbot says of it. Its words, but they went through a network: one printable line, without secrets."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    if isinstance(said, dict):
        said = said.get("error") or said.get("detail")
    text = "".join(char for char in said if char.isprintable())[:200] if isinstance(said, str) else ""
    return f": {secret.hide(text)}" if text else ""
