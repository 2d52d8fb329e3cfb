"""`make bench`: all measurements, as one table."""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from qa.benchmarks import (
    measure,
    poll,
    profiles,
    start,
    store,
    tick,
    whole,
    workers,
)
from qa.benchmarks.measure import Line

PARTS: dict[str, Callable[[], Awaitable[list[Line]]]] = {
    "poll": poll.lines,
    "tick": tick.lines,
    "start": start.lines,
    "store": store.lines,
    "whole": whole.lines,
    "workers": workers.lines,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--profile", choices=profiles.PROFILES, help="where the time or the memory goes")
    asked = parser.parse_args()
    if asked.profile:
        measure.quiet()
        print(asyncio.run(_profile(asked.profile)))
        return
    wanted = asked.parts or list(PARTS)
    if unknown := set(wanted) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    measure.prepare()
    began, load, lines = time.monotonic(), os.getloadavg()[0], []
    for part in wanted:
        print(f"measuring {part} …", flush=True)
        lines += asyncio.run(_run(part))
    took = f"{time.monotonic() - began:,.0f} seconds"
    print(
        f"\n{measure.table(lines)}\n\nMade in {took}; {load:.0f} programs wanted its {os.cpu_count()} cores when it began."
    )


async def _profile(what: str) -> str:
    return await profiles.PROFILES[what]()


async def _run(part: str) -> list[Line]:
    return await PARTS[part]()


if __name__ == "__main__":
    main()
