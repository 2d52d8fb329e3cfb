"""`python -m qa.faults --runs 10000`: the fault campaign.

Exits with 0 if nothing was lost, doubled or out of order, and prints each schedule with a problem. `--replay SEED`
plays one of them again and shows the channels.
"""

import argparse
import signal
import sys
import time

from qa.faults.campaign import Campaign, Report
from qa.faults.found import FOUND, NAIVE
from qa.faults.items import EVERY
from qa.faults.play import Schedule

_SILENT_SECONDS = 5.0


def main() -> int:
    options = _options()
    # A campaign that is ended this way leaves nothing behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    schedules = _schedules(options)
    by_name = {schedule.name: schedule for schedule in schedules}
    campaign = Campaign(
        schedules,
        options.database,
        workers=options.workers,
        naive=options.naive,
        show=options.replay is not None,
        seconds=options.seconds,
    )
    began, shown = time.monotonic(), 0.0

    def progress(report: Report) -> None:
        nonlocal shown
        passed, last = time.monotonic() - began, report.last
        if last is not None and (options.replay is not None or not last.good):
            print("\n".join([*by_name[last.name].lines(), *last.seen, *last.lines()]), flush=True)
        if report.runs == len(schedules) or passed - shown > _SILENT_SECONDS:
            shown = passed
            print(f"{passed:5.0f} s  {report.runs}/{len(schedules)}  {report.verdict}", flush=True)

    report = campaign.run(progress)
    print("\n".join(report.lines()))
    return int(bool(report.bad) or report.runs < len(schedules))


def _options() -> argparse.Namespace:
    summary, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="python -m qa.faults", description=summary, epilog=more)
    parser.add_argument("--runs", type=int, default=1000, help="how many schedules (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first; the others follow (%(default)s)")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--workers", type=int, default=2, help="cores to use (%(default)s)")
    parser.add_argument("--naive", action="store_true", help="send the way one usually does: it has to fail")
    parser.add_argument("--replay", metavar="SEED", type=int, help="play this one, and show the channels")
    parser.add_argument("--items", action="store_true", help="only schedules with a bad item")
    parser.add_argument(
        "--found", action="store_true", help="play those that once found a bug, or a naive sender's"
    )
    parser.add_argument("--seconds", type=float, default=4 * 3600.0, help="end after so long (%(default)g)")
    return parser.parse_args()


def _schedules(options: argparse.Namespace) -> tuple[Schedule, ...]:
    if options.found:
        return NAIVE if options.naive else FOUND
    if options.replay is not None:
        seeds = range(options.replay, options.replay + 1)
    elif options.items:
        first = -(-options.seed // EVERY) * EVERY
        seeds = range(first, first + EVERY * options.runs, EVERY)
    else:
        seeds = range(options.seed, options.seed + options.runs)
    bots = 2 if options.database == "postgresql" else 1
    return tuple(Schedule.of(seed, options.database, bots=bots) for seed in seeds)


if __name__ == "__main__":
    sys.exit(main())
