"""The bugs that campaigns have found, each with a schedule that shows it."""

from qa.faults.play import Schedule
from qa.faults.stories import Story, script
from qa.faults.weather import Fault

_DAY = 86_400.0
_ONE_SEAT = script(("ana",), ("ana", "26.60", 40), ("ana", "41.40", 5), ("ana", "48.10", 240))


def _pushed(
    name: str, story: Story, *faults: Fault, platform: str = "slack", polled: bool = False
) -> Schedule:
    return Schedule(name, story, faults, (platform,), polled, bots=1)


NAIVE = (
    # A sender that gives up too soon loses everything, and the oracle must notice.
    _pushed(
        "Slack is away for longer than anybody tries",
        script(("ana",), ("ana", "26.60", 40), ("ana", "41.40", 5), ("ana", "48.10", 1500)),
        Fault("outage 503", 1, "slack", "any", 1400),
    ),
    # A sender that does not look posts a message again after its connection broke.
    *(
        _pushed(
            f"Slack takes a post and then answers with a {kind}",
            _ONE_SEAT,
            Fault(kind, 0, "slack", "post", accept=True),
        )
        for kind in ("reset", "drop", "500")
    ),
)
"""Not bugs of ours: what a naive sender does wrong."""

FOUND = (
    *NAIVE,
    # The jobs used the machine's clock, deadlines lay in the old future, and a limit lasted for that day.
    _pushed("the clock is set back by a day", _ONE_SEAT, Fault("clock jump", 1, number=-_DAY)),
    _pushed(
        "the clock is set back by a day where seats are polled",
        script(("ana",), ("ana", "26.60", 40), ("ana", "41.40", 5)),
        Fault("clock jump", 1, number=-_DAY),
        polled=True,
    ),
    # The queue of a destination was free again only a day later.
    _pushed(
        "the clock is set right again while messages wait",
        _ONE_SEAT,
        Fault("clock jump", 1, number=_DAY, times=2),
        Fault("outage 503", 1, "slack", "any", 120),
    ),
    # The message was searched from the stored time of the first attempt, a day after it was posted.
    _pushed(
        "a post is lost while the clock is a day ahead",
        _ONE_SEAT,
        Fault("clock jump", 1, number=_DAY, times=2),
        Fault("reset", 1, "slack", "post", accept=True),
    ),
    # Nor was it found from a day before that time, because the clock was ahead by two.
    _pushed(
        "a post is lost while the clock is two days ahead",
        _ONE_SEAT,
        Fault("clock jump", -1, number=_DAY),
        Fault("clock jump", 1, number=_DAY),
        Fault("reset", 1, "slack", "post", accept=True),
    ),
    # A bot whose clock was ahead by so much stores nothing until its operator says that the clock is right.
    _pushed(
        "the clock is two days ahead and is set right while seats spend",
        _ONE_SEAT,
        Fault("clock jump", -1, number=_DAY),
        Fault("clock jump", 0, number=_DAY, times=2),
    ),
    # The reply for the second level did not name the first, and the third overtook the edit that did.
    _pushed(
        "two levels at once are overtaken by a third",
        script(("ana",), ("ana", "15.60", 40), ("ana", "41.40", 1), ("ana", "48.10", 40)),
        Fault("outage 503", 1, "slack", "any", 120),
    ),
    # What had just begun was posted before what had begun and ended a day earlier.
    _pushed(
        "a seat is blocked again before its last block was posted",
        script(
            ("ana",),
            ("ana", "30.51", 5),
            ("ana", "48.57", 40),
            ("ana", "blocked", 90),
            ("ana", "lifted", 5),
            ("ana", "blocked", 5),
            ("ana", "lifted", 5),
        ),
        Fault("500", -1, "slack", "post", times=6),
        Fault("500", 0, "slack", "any", accept=True),
        Fault("clock jump", 4, number=_DAY, times=2),
        Fault("kill point", 4, number=229),
    ),
    # A seat was not read for a day: the reading that went on while the clock was set back set the next one by the old
    # time.
    _pushed(
        "the clock is set back by a day while a seat is read",
        script(("ana",), ("ana", "30.70", 1), ("ana", "48.10", 240)),
        Fault("kill point", -1, number=28),
        Fault("term", 0, number=30),
        Fault("clock jump", 1, number=-_DAY),
        polled=True,
    ),
)
