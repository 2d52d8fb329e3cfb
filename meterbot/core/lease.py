"""Work that only one process may do at a time: whether it is this one's turn, and waiting until that changes."""

import asyncio

GATEWAY = "discord.gateway"
"""The lease of the one process that listens to Discord; all of them send."""
CHECKS = "checks"
"""The lease of the one process that checks, for all seats, what happens just because time passes."""


class Lease:
    """By name. The owner of the leases calls `turn`."""

    def __init__(self, name: str, *, held: bool = False) -> None:
        self.name = name
        self._held, self._free = asyncio.Event(), asyncio.Event()
        self.turn(held=held)

    @property
    def held(self) -> bool:
        return self._held.is_set()

    def turn(self, *, held: bool) -> None:
        came, went = (self._held, self._free) if held else (self._free, self._held)
        went.clear()
        came.set()

    async def gained(self) -> None:
        await self._held.wait()

    async def lost(self) -> None:
        await self._free.wait()
