"""Fixtures of the agent's tests."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from meterbot.demo.simulated_claude_ai import SimulatedOrganization
from tests.agent.rig import ACCESS, ACCOUNT, EMAIL, ORG, PUSH_TOKEN, Home, Meterbot
from tests.simulator.anthropic_api import AnthropicApi, SignIn
from tests.tripwire import sitecustomize as tripwire


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A machine without Claude Code and sign-in, configured for a meterbot that does not exist.

    It knows no certificate: to read those of the world takes longer than all the rest of a run.
    """
    before = dict(os.environ)
    kept = {name: before[name] for name in (tripwire.LOG, "PYTEST_CURRENT_TEST") if name in before}
    os.environ.clear()
    os.environ.update(
        **kept,
        HOME=str(tmp_path),
        PATH=str(tmp_path / "bin"),
        METERBOT_URL="http://127.0.0.1:9",
        METERBOT_PUSH_TOKEN=PUSH_TOKEN,
        SSL_CERT_FILE=os.devnull,
    )
    yield Home(tmp_path)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
async def meterbot(home: Home) -> AsyncIterator[Meterbot]:
    """A meterbot; the machine is configured for it."""
    async with Meterbot() as server:
        home.env["METERBOT_URL"] = server.url
        yield server


@pytest.fixture
async def anthropic(home: Home) -> AsyncIterator[AnthropicApi]:
    """Anthropic's API with its budget on the machine's clock; the machine is signed in there."""
    async with AnthropicApi(home.clock.now) as server:
        home.env["METERBOT_ANTHROPIC_API"] = server.url
        server.sign_in(ACCESS, account=ACCOUNT, email=EMAIL, organization=SimulatedOrganization(ORG))
        home.sign_in()
        yield server


@pytest.fixture
def ana(anthropic: AnthropicApi) -> SignIn:
    """The account that the machine is signed in to."""
    return anthropic.signed_in[0]
