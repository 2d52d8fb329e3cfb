"""What the log says of the items that were set aside."""

import json

import pytest

from qa.faults.items import log_problems


def lines(*ids: str) -> list[str]:
    said = [json.dumps({"event": "gave up on a message", "delivery": each}) for each in ids]
    return [json.dumps({"event": "a tick"}), *said]


@pytest.mark.parametrize("alone", [False, True])
def test_each_item_that_was_set_aside_is_in_the_log_once(*, alone: bool) -> None:
    assert log_problems({"a", "b"}, lines("b", "a"), alone=alone) == []
    assert log_problems({"a", "b"}, lines("a", "b", "a"), alone=alone) != []


@pytest.mark.parametrize("alone", [False, True])
def test_another_item_in_the_log_does_not_stand_for_it(*, alone: bool) -> None:
    assert log_problems({"a", "b"}, lines("a", "c"), alone=alone) != []


def test_a_line_may_be_missing_only_where_a_bot_may_have_been_ended_before_it() -> None:
    assert log_problems({"a", "b"}, lines("a"), alone=False) == []
    assert log_problems({"a", "b"}, lines("a"), alone=True) != []
