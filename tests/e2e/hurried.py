"""`python -m tests.e2e.hurried run` is `meterbot run` with a clock and jobs that are ten times as fast: what a bot does
after half a minute is seen after three seconds."""

from datetime import UTC, datetime
from functools import partial

from meterbot.app import serve
from meterbot.app.run import TICK_SECONDS
from meterbot.cli import main
from meterbot.core.clock import FastClock

TIMES = 10.0

if __name__ == "__main__":
    clock = FastClock(datetime.now(UTC), TIMES)
    serve.serve = partial(serve.serve, clock=clock, tick_seconds=TICK_SECONDS / TIMES)
    main()
