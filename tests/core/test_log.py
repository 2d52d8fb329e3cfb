from structlog.testing import capture_logs

from meterbot.core.log import LoggedState, get_logger


def test_a_state_is_logged_when_it_begins_and_when_it_ends() -> None:
    with capture_logs() as logged:
        state = LoggedState(get_logger("test"), "the disk is full", "the disk has room again")
        state.ends()
        for _ in range(3):
            state.begins(OSError("no space"))
        for _ in range(3):
            state.ends()
    assert [(line["log_level"], line["event"]) for line in logged] == [
        ("error", "the disk is full"),
        ("info", "the disk has room again"),
    ]


def test_another_error_is_logged_although_the_state_holds_already() -> None:
    with capture_logs() as logged:
        state = LoggedState(get_logger("test"), "it fails", "it works again", job="checks")
        for error in (OSError("away"), OSError("away"), KeyError("a bug"), KeyError("a bug")):
            state.begins(error)
        state.ends()
    assert [(line["event"], type(line.get("exc_info")), line["job"]) for line in logged] == [
        ("it fails", OSError, "checks"),
        ("it fails", KeyError, "checks"),
        ("it works again", type(None), "checks"),
    ]
