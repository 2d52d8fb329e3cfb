"""A short campaign on each database, and the same with a naive sender, in which the oracle must find something."""

import os
import re
from pathlib import Path

import pytest

from tests import postgres
from tests.e2e import process
from tests.missing import missing

pytestmark = pytest.mark.timeout(300)


async def campaign(*words: str, tmp_path: Path) -> tuple[int, str]:
    """Its exit status and report."""
    environ = {"TMPDIR": str(tmp_path), "METERBOT_TEST_PG_URL": os.environ.get("METERBOT_TEST_PG_URL", "")}
    root = Path(__file__).parents[2]
    ended = await process.meterbot(*words, environ=environ, cwd=root, seconds=280, module="qa.faults")
    return ended.status, ended.stdout + ended.stderr


async def test_no_fault_loses_or_doubles_a_message_on_sqlite(tmp_path: Path) -> None:
    status, report = await campaign("--runs", "7", "--seed", "1", "--workers", "1", tmp_path=tmp_path)
    assert "lost: 0, doubled: 0, out of order: 0, held up: 0, other problems: 0" in report, report
    assert status == 0, report


async def test_no_fault_loses_or_doubles_a_message_of_two_bots_on_postgresql(tmp_path: Path) -> None:
    if why := postgres.trouble():
        missing(why)
    words = ("--runs", "2", "--seed", "6", "--workers", "1", "--database", "postgresql")
    status, report = await campaign(*words, tmp_path=tmp_path)
    assert "lost: 0, doubled: 0, out of order: 0, held up: 0, other problems: 0" in report, report
    assert status == 0, report


async def test_no_bug_that_a_campaign_has_found_is_back(tmp_path: Path) -> None:
    status, report = await campaign("--found", "--workers", "1", tmp_path=tmp_path)
    assert "lost: 0, doubled: 0, out of order: 0, held up: 0, other problems: 0" in report, report
    assert status == 0, report


async def test_of_a_naive_sender_the_oracle_finds_lost_and_doubled_messages(tmp_path: Path) -> None:
    status, report = await campaign("--found", "--naive", "--workers", "1", tmp_path=tmp_path)
    lost, doubled = re.findall(r"lost: (\d+), doubled: (\d+)", report)[-1]  # the others are progress
    assert status == 1, report
    assert int(lost) > 0, report
    assert int(doubled) > 0, report
