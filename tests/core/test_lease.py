"""Whose turn it is."""

import asyncio

from meterbot.core.lease import Lease


async def test_who_waits_for_a_turn_goes_on_when_it_comes_and_who_waits_for_its_end_when_it_goes() -> None:
    lease = Lease("gateway")
    gained, lost = asyncio.create_task(lease.gained()), asyncio.create_task(lease.lost())
    await asyncio.wait_for(lost, 1)
    assert not lease.held
    assert not gained.done()
    lease.turn(held=True)
    await asyncio.wait_for(gained, 1)
    assert lease.held


async def test_a_lease_may_be_held_from_the_start() -> None:
    lease = Lease("gateway", held=True)
    await asyncio.wait_for(lease.gained(), 1)
    assert lease.held
