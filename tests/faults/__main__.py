"""`python -m tests.faults --runs 10000`: the fault campaign."""

import argparse
import signal
import sys
import time

from tests.faults.campaign import Campaign, Report
from tests.faults.play import Schedule

_SILENT_SECONDS = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--naive", action="store_true")
    parser.add_argument("--replay", type=int)
    parser.add_argument("--seconds", type=float, default=3600.0)
    options = parser.parse_args()
    # Whoever ends it this way finds nothing left behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    first = options.seed if options.replay is None else options.replay
    runs = options.runs if options.replay is None else 1
    bots = 2 if options.database == "postgresql" else 1
    campaign = Campaign(
        tuple(range(first, first + runs)),
        options.database,
        options.workers,
        bots,
        options.naive,
        options.replay is not None,
        options.seconds,
    )
    began = time.monotonic()
    shown = 0.0

    def progress(report: Report) -> None:
        nonlocal shown
        passed = time.monotonic() - began
        last = report.last
        if last is not None and not (last.good and options.replay is None):
            schedule = Schedule.of(last.seed, options.database, bots=bots)
            print("\n".join([*schedule.lines(), *last.seen, *last.lines()]), flush=True)
        if report.runs == runs or passed - shown > _SILENT_SECONDS:
            shown = passed
            counts = ", ".join(f"{what} {number}" for what, number in report.counts().items())
            print(f"{passed:5.0f} s  {report.runs}/{runs}  {counts}", flush=True)

    report = campaign.run(progress)
    print("\n".join(report.lines()))
    print(report.kinds())
    return int(bool(report.bad) or report.runs < runs)


if __name__ == "__main__":
    sys.exit(main())
