"""`make bench`: everything that is measured, as one table."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks import measure, poll, start, store, tick, whole, workers
from benchmarks.measure import Line

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
    wanted = parser.parse_args().parts or list(PARTS)
    if unknown := set(wanted) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    measure.prepare()
    began, lines = time.monotonic(), []
    for part in wanted:
        print(f"measuring {part} …", flush=True)
        lines += asyncio.run(_run(part))
    print(f"\n{measure.table(lines)}\n\n{time.monotonic() - began:,.0f} seconds")


async def _run(part: str) -> list[Line]:
    return await PARTS[part]()


if __name__ == "__main__":
    main()
