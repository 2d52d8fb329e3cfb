"""Something that one process at a time does: whether it is this one's turn, and waiting until that changes."""

import asyncio

GATEWAY = "discord.gateway"
"""The lease of the one process that listens to Discord; all of them send."""
SWEEP = "sweep"
"""The lease of the one process that looks for what becomes true by waiting, for all seats."""


class Lease:
    """By name. Who knows whose turn it is says so with `turn`."""

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
        """Waits until it is this process's turn; not at all while it is."""
        await self._held.wait()

    async def lost(self) -> None:
        """Waits until it is not any more."""
        await self._free.wait()
