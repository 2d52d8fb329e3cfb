import errno
import io
import json
import logging
import sys
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog

from meterbot.app import log_setup
from meterbot.core import secret

PLANTED = "planted-secret-of-no-known-shape"
SHAPED = "sk-ant-sid01-planted"


class Screen(io.StringIO):
    """A terminal, as far as logging can tell."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[io.StringIO, Screen], ids=["lines", "terminal"])
def out(request: pytest.FixtureRequest) -> io.StringIO:
    stream: io.StringIO = request.param()
    secret.remember(PLANTED)
    log_setup.set_up(stream)
    return stream


@pytest.fixture
def lines() -> io.StringIO:
    stream = io.StringIO()
    log_setup.set_up(stream)
    return stream


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_what_who_when_and_how_bad(lines: io.StringIO) -> None:
    structlog.get_logger("meterbot.ingest.poller").warning("seat is late", seat="ana", late=1.5, since=None)
    (line,) = written(lines)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "seat is late",
        "logger": "meterbot.ingest.poller",
        "level": "warning",
        "seat": "ana",
        "late": 1.5,
        "since": None,
    }


def test_a_terminal_gets_words_instead_of_json() -> None:
    stream = Screen()
    log_setup.set_up(stream)
    structlog.get_logger("meterbot.ingest.poller").warning("seat is late", seat="ana")
    assert "seat is late" in stream.getvalue()
    assert "{" not in stream.getvalue()


def test_libraries_come_the_same_way_and_only_when_something_is_wrong(lines: io.StringIO) -> None:
    for name in (
        "slack_bolt",
        "slack_sdk",
        "discord",
        "aiohttp.access",
        "sqlalchemy.engine",
        "httpx",
    ):
        logging.getLogger(name).info("chatter of %s", name)
        logging.getLogger(name).warning("trouble of %s", name)
    assert [line["event"].split()[0] for line in written(lines)] == ["trouble"] * 6
    assert written(lines)[0]["logger"] == "slack_bolt"


def test_our_own_parts_are_heard_from_info_up_whichever_logger_they_use(lines: io.StringIO) -> None:
    structlog.get_logger("meterbot.a").info("one")
    logging.getLogger("meterbot.b").info("two")
    structlog.get_logger("meterbot.a").debug("not this")
    logging.getLogger("meterbot.b").debug("nor this")
    assert [line["event"] for line in written(lines)] == ["one", "two"]


def test_standard_output_stays_free(capsys: pytest.CaptureFixture[str]) -> None:
    log_setup.set_up()
    structlog.get_logger("meterbot.a").warning("something")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "something" in captured.err


def test_setting_up_twice_does_not_say_things_twice(lines: io.StringIO) -> None:
    log_setup.set_up(lines)
    structlog.get_logger("meterbot.a").info("once")
    assert len(written(lines)) == 1


class Carrier:
    """An object that shows its secret when it is printed."""

    def __repr__(self) -> str:
        return f"<Carrier {PLANTED}>"


def test_no_secret_gets_out_of_a_message_its_arguments_or_its_fields(out: io.StringIO) -> None:
    ours, theirs = structlog.get_logger("meterbot.a"), logging.getLogger("slack_bolt")
    ours.info(f"token {PLANTED} and {SHAPED}")
    ours.info("token %s", PLANTED)
    ours.info(
        "fields", a=PLANTED, b=[PLANTED, {"c": (SHAPED,)}], d=Carrier(), e={PLANTED: 1}, f=SHAPED.encode()
    )
    theirs.warning("token %s", PLANTED)
    theirs.warning("object %r", Carrier(), extra={"header": f"Bearer {SHAPED}"})
    theirs.warning("stack", stack_info=True)
    assert out.getvalue().count("[hidden]") >= 9
    assert PLANTED not in out.getvalue()
    assert SHAPED not in out.getvalue()


def test_a_field_that_is_named_like_a_secret_is_hidden_whatever_it_looks_like(out: io.StringIO) -> None:
    structlog.get_logger("meterbot.a").info(
        "request", headers={"Cookie": "a=b", "Authorization": "c", "X-Api-Key": "dd"}
    )
    structlog.get_logger("meterbot.a").info("request", push_token="eeee", tokens=["ffff"])
    assert out.getvalue().count("[hidden]") == 5
    assert "a=b" not in out.getvalue()


def test_no_secret_gets_out_of_an_exception_its_cause_or_its_context(out: io.StringIO) -> None:
    def fail() -> None:
        held_in_a_local = PLANTED
        try:
            try:
                raise ValueError(f"first {held_in_a_local}")  # noqa: TRY301 - a chain is what is tested
            except ValueError:
                raise KeyError(SHAPED)  # noqa: B904 - the context is what is tested
        except KeyError as error:
            raise RuntimeError(f"postgresql://u:planted-password@h/d {held_in_a_local}") from error

    for logger in (structlog.get_logger("meterbot.a"), logging.getLogger("sqlalchemy")):
        try:
            fail()
        except RuntimeError:
            logger.exception("failed")
    text = out.getvalue()
    assert text.count("RuntimeError: postgresql://u:[hidden]@h/d [hidden]") == 2
    assert text.count("ValueError: first [hidden]") == 2
    assert not [planted for planted in (PLANTED, SHAPED, "planted-password") if planted in text]


def test_a_record_that_cannot_be_written_does_not_print_its_arguments(
    out: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    # pytest's own handlers raise where the standard library would print.
    root = logging.getLogger()
    root.handlers[:] = [
        handler for handler in root.handlers if not type(handler).__module__.startswith("_pytest")
    ]
    logging.getLogger("discord").warning("a number: %d", PLANTED)
    assert "could not be written" in out.getvalue()
    assert PLANTED not in out.getvalue() + capsys.readouterr().err


def test_a_full_disk_costs_the_log_and_not_the_bot() -> None:
    logged = 0
    # What is still in its buffer cannot be written when it is closed.
    with (
        suppress(OSError),
        Path("/dev/full").open("w", buffering=1, encoding="utf-8") as full,
    ):
        log_setup.set_up(full)
        for _ in range(3):
            structlog.get_logger("meterbot.test").warning("a message has to wait")
            logged += 1
    log_setup.set_up()
    assert logged == 3


def test_a_closed_stream_costs_the_log_and_not_the_bot() -> None:
    stream = io.StringIO()
    log_setup.set_up(stream)
    stream.close()
    structlog.get_logger("meterbot.test").warning("a message has to wait")
    log_setup.set_up()
    with pytest.raises(ValueError, match="closed"):
        stream.getvalue()


class Disk(io.StringIO):
    """A file on a disk that may be full."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_the_records_that_are_missing_are_counted_once_when_there_is_room_again() -> None:
    disk = Disk()
    log_setup.set_up(disk)
    logger = structlog.get_logger("meterbot.test")
    disk.full = True
    for _ in range(3):
        logger.warning("a message has to wait")
    disk.full = False
    for _ in range(2):
        logger.warning("a message is sent")
    missing = "at most 3 log records are missing: writing them failed"
    assert [line["event"] for line in written(disk)] == ["a message is sent", missing, "a message is sent"]


def test_warnings_and_crashes_are_logged_without_secrets(out: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(f"deprecated {PLANTED}", stacklevel=1)
    crash = RuntimeError(f"main {PLANTED}")
    sys.excepthook(RuntimeError, crash, None)
    thread_crash = threading.ExceptHookArgs((RuntimeError, RuntimeError(f"thread {PLANTED}"), None, None))
    threading.excepthook(thread_crash)
    assert "deprecated [hidden]" in out.getvalue()
    assert "main [hidden]" in out.getvalue()
    assert "thread [hidden]" in out.getvalue()
    assert PLANTED not in out.getvalue()


def test_an_interrupt_is_not_a_crash(out: io.StringIO) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert out.getvalue() == ""
