"""The webhook over real HTTP."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from meterbot.app import log_setup
from meterbot.app.github_endpoint import LARGEST, PATH, GitHubEndpoint, signed
from meterbot.app.health import BotHealth
from meterbot.app.web import HttpServer, application
from meterbot.core.clock import ManualClock
from meterbot.ingest.pull_requests import PullRequestTracker
from meterbot.sources.github import read_hook
from meterbot.store import Store, pull_requests
from tests.ingest.test_pull_requests import SEATS, Desk
from tests.simulator import github as simulated
from tests.simulator.github import SimulatedPull, closed, ping, sign

NOON = datetime(2026, 4, 9, 12, tzinfo=UTC)
SECRET, OLD_SECRET = "planted-webhook-secret", "planted-older-secret"
PULL = SimulatedPull("acme/app", 812, "ana", NOON - timedelta(hours=1), NOON)


@dataclass
class WebhookAnswer:
    """An answer."""

    status: int
    body: Any
    headers: Any


class Hook:
    """The route on a real port."""

    def __init__(self, url: str, store: Store, clock: ManualClock, session: aiohttp.ClientSession) -> None:
        self.url, self.store, self.clock, self._session = url, store, clock, session

    async def send(
        self,
        payload: Any = None,
        *,
        event: str = "pull_request",
        delivery: str = "d1",
        secret: str = SECRET,
        **headers: Any,
    ) -> WebhookAnswer:
        body = payload if isinstance(payload, bytes) else json.dumps(payload or closed(PULL)).encode()
        sent = {
            "Content-Type": "application/json",
            "X-GitHub-Event": event,
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": sign(body, secret),
        }
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in (sent | changed).items() if value is not None}
        async with self._session.post(self.url, data=io.BytesIO(body), headers=sent) as response:
            return WebhookAnswer(response.status, await response.json(), response.headers)

    async def stored(self) -> list[str]:
        return [one.pull.merged.name for one in await self.store.read(pull_requests.still_open)]


async def _health() -> BotHealth:
    return BotHealth(now=NOON, version="0", database=True, last_tick=NOON)


@pytest.fixture
async def hook(store: Store) -> AsyncIterator[Hook]:
    clock = ManualClock(NOON)
    merges = PullRequestTracker(store, SEATS, Desk(store).ingest)
    route = GitHubEndpoint(merges, read_hook, (SECRET, OLD_SECRET), clock.now)
    listener = HttpServer(application(_health, route.routes()), [("127.0.0.1", 0)])
    port = await listener.start()
    async with aiohttp.ClientSession() as session:
        yield Hook(f"http://127.0.0.1:{port}{PATH}", store, clock, session)
    await listener.close()


def test_githubs_own_example_of_a_signature_is_right() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert signed(b"Hello, World!", signature, ["It's a Secret to Everybody"])
    assert signed(b"Hello, World!", signature, ["another", "It's a Secret to Everybody"])
    assert not signed(b"Hello, World?", signature, ["It's a Secret to Everybody"])
    assert not signed(b"Hello, World!", signature, [])


async def test_a_merged_pull_request_is_stored_and_a_redelivery_changes_nothing(hook: Hook) -> None:
    answered = await hook.send()
    assert (answered.status, answered.body) == (202, {"status": "taken", "pull_request": "acme/app#812"})
    for delivery in ("d1", "d2"):
        answered = await hook.send(delivery=delivery)
        assert (answered.status, answered.body["status"]) == (200, "known already")
    assert await hook.stored() == ["acme/app#812"]


async def test_the_secret_before_a_rotation_is_good_too(hook: Hook) -> None:
    assert (await hook.send(secret=OLD_SECRET)).status == 202


async def test_a_ping_is_answered(hook: Hook) -> None:
    answered = await hook.send(ping(), event="ping")
    assert (answered.status, answered.body) == (200, {"status": "pong"})


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("push", {"ref": "refs/heads/main"}),
        ("pull_request", {"action": "opened"}),
        ("pull_request", closed(SimulatedPull("acme/app", 812, "ana", NOON, NOON, merged=False))),
        ("pull_request", closed(SimulatedPull("acme/app", 812, "dependabot[bot]", NOON, NOON))),
    ],
)
async def test_all_else_that_is_signed_is_accepted_without_effect(
    hook: Hook, event: str, payload: dict[str, Any]
) -> None:
    answered = await hook.send(payload, event=event)
    assert (answered.status, answered.body["status"]) == (202, "ignored")
    assert answered.body["why"]
    assert await hook.stored() == []


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        sign(b"another body", SECRET),
        sign(json.dumps(closed(PULL)).encode(), "another secret"),
        "sha1=" + "0" * 40,
        "sha256=Ã¼",
    ],
)
async def test_what_is_not_signed_with_the_secret_is_refused(hook: Hook, signature: str | None) -> None:
    answered = await hook.send(X_Hub_Signature_256=signature)
    assert answered.status == 401
    assert "github.webhook_secret" in answered.body["remedy"]
    assert await hook.stored() == []


async def test_one_changed_byte_breaks_the_signature(hook: Hook) -> None:
    body = json.dumps(closed(PULL)).encode()
    answered = await hook.send(body.replace(b"812", b"813"), X_Hub_Signature_256=sign(body, SECRET))
    assert answered.status == 401


async def test_an_address_that_keeps_failing_is_told_to_wait(hook: Hook) -> None:
    for _ in range(10):
        assert (await hook.send(secret="guess")).status == 401
    answered = await hook.send()
    wait = answered.body["retry_after"]
    assert (answered.status, answered.headers["Retry-After"]) == (429, str(wait))
    assert answered.body["error"] == "too many requests from this address"
    assert answered.body["remedy"] == f"wait {wait} seconds"
    hook.clock.advance(timedelta(seconds=31))
    assert (await hook.send()).status == 202


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"payload=%7B%7D", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        (b"{}", {"Content_Encoding": "gzip"}, 415),
        (b" " * (LARGEST + 1), {}, 413),
        (b"planted", {}, 422),
        (b'{"action": "closed"}', {}, 422),
        (b"{}", {"X_GitHub_Delivery": None}, 400),
        (b"{}", {"X_GitHub_Delivery": "d" * 300}, 400),
        (b"{}", {"X_GitHub_Event": None}, 400),
    ],
)
async def test_what_cannot_be_taken_says_what_is_wrong(
    hook: Hook, body: bytes, headers: dict[str, Any], status: int
) -> None:
    answered = await hook.send(body, **headers)
    assert answered.status == status
    assert answered.body["error"]
    assert status != 422 or "report it as a bug in meterbot" in answered.body["remedy"]
    assert "planted" not in json.dumps(answered.body)


async def test_the_secret_shows_nowhere(hook: Hook, capsys: pytest.CaptureFixture[str]) -> None:
    log_setup.set_up()
    answers = [
        await hook.send(secret="guess"),
        await hook.send(b"planted"),
        await hook.send(),
        await hook.send(event="push"),
    ]
    written = capsys.readouterr()
    for text in (written.out, written.err, *(json.dumps(answered.body) for answered in answers)):
        assert SECRET not in text
        assert OLD_SECRET not in text
    assert "a request to the GitHub webhook was refused" in written.err


async def test_a_database_that_fails_is_told_so_that_github_shows_it(hook: Hook) -> None:
    with hook.store._writer.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE pull_requests RENAME TO elsewhere")
    answered = await hook.send()
    assert (answered.status, answered.body["remedy"]) == (503, "redeliver it")
    with hook.store._writer.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO pull_requests")


async def test_many_at_once_are_one(hook: Hook) -> None:
    answers = await asyncio.gather(*(hook.send(delivery=f"d{number}") for number in range(8)))
    assert sorted(answered.status for answered in answers) == [200] * 7 + [202]


async def test_the_simulated_github_delivers_what_is_taken(hook: Hook) -> None:
    async with simulated.GitHub() as github:
        pull = github.merge("acme/app", 7, "bo", opened_at=NOON, merged_at=NOON)
        status, _ = await github.deliver(pull, hook.url, SECRET)
    assert status == 202
    assert await hook.stored() == ["acme/app#7"]
