import json
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterbot.agent.memory import Identity, Memory, MemoryFile, write_private
from meterbot.agent.trouble import PushError
from tests.agent.rig import ACCOUNT, NOW, ORG

FULL = Memory(
    read_after=NOW,
    read_failures=2,
    send_after=NOW + timedelta(seconds=30),
    send_failures=1,
    snapshot="[{}]\n",
    sent=False,
    identity=Identity(ORG, ACCOUNT, NOW, NOW),
)


@pytest.mark.parametrize(
    "memory",
    [Memory(), FULL, replace(FULL, identity=Identity(ORG, ACCOUNT, None, NOW))],
    ids=["none", "full", "part"],
)
def test_what_is_saved_is_loaded(tmp_path: Path, memory: Memory) -> None:
    MemoryFile(tmp_path / "deep/push.json").save(memory)
    assert MemoryFile(tmp_path / "deep/push.json").load() == memory


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    file = MemoryFile(tmp_path / "deep/push.json")
    file.save(FULL)
    assert (tmp_path / "deep/push.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700


def test_a_file_that_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    (tmp_path / "push.json").write_text("{}")
    (tmp_path / "push.json").chmod(0o644)
    MemoryFile(tmp_path / "push.json").save(FULL)
    assert (tmp_path / "push.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["push.json"]


@given(
    st.recursive(st.none() | st.integers() | st.text(), st.lists) | st.dictionaries(st.text(), st.integers())
)
def test_a_document_that_is_no_memory_is_noticed(document: object) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "push.json"
        path.write_text(json.dumps(document))
        assert MemoryFile(path).load() == Memory()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"read_after": 3}', '{"identity": "x"}', "null"])
def test_a_damaged_file_is_no_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "push.json").write_text(text)
    assert MemoryFile(tmp_path / "push.json").load() == Memory()


def test_a_deadline_without_a_time_zone_is_none(tmp_path: Path) -> None:
    MemoryFile(tmp_path / "push.json").save(FULL)
    document = json.loads((tmp_path / "push.json").read_text())
    (tmp_path / "push.json").write_text(json.dumps({**document, "read_after": "2026-04-20T10:00:00"}))
    assert MemoryFile(tmp_path / "push.json").load() == Memory()


def test_without_a_file_it_is_kept_for_the_process() -> None:
    file = MemoryFile(None)
    file.save(FULL)
    assert file.load() == FULL


def test_two_agents_on_one_machine_do_not_double_the_budget(tmp_path: Path) -> None:
    one, other = MemoryFile(tmp_path / "push.json"), MemoryFile(tmp_path / "push.json")
    with one.alone(), pytest.raises(PushError, match="another `meterbot push` is running"), other.alone():
        pytest.fail("both run")
    with other.alone():
        assert (tmp_path / "push.lock").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PushError, match="cannot make"):
        write_private(tmp_path / "file/push.json", "")
    with pytest.raises(PushError, match="cannot make"), MemoryFile(tmp_path / "file/push.json").alone():
        pytest.fail("it runs")
