from collections.abc import Awaitable, Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from qa.faults.campaign import Report
from qa.faults.oracle import Sighting, Verdict, judge
from qa.faults.play import Outcome
from qa.faults.refusals import Refusal
from qa.faults.stories import UNBLOCKED, Fact, Standing, Step, Story

HALF, MOST = Fact("ana", (r"(?<![\d.])50%",)), Fact("ana", (r"(?<![\d.])80%",))
BLOCKED, FREE = Fact("ana", ("is BLOCKED",)), Fact("ana", (UNBLOCKED,))


def story(*facts: Fact) -> Story:
    return Story(("ana",), tuple(Step("ana", "spends", Standing(), (fact,), 1) for fact in facts))


def post(at: int, *texts: str, mark: str | None = None, root: str | None = None) -> Sighting:
    return Sighting(at, root, mark or f"m{at}", texts)


FIRST, SECOND = post(1, "ana passed 50% of the cap"), post(2, "ana passed 80% of the cap")


def test_what_is_reported_once_and_in_order_is_well() -> None:
    assert judge(story(HALF, MOST), [FIRST, SECOND]) == Verdict()


def test_a_fact_that_nobody_posted_is_lost() -> None:
    assert judge(story(HALF, MOST), [FIRST]).lost == [f"{MOST} (posted 0 of 1 times)"]


def test_a_level_that_was_reached_twice_must_be_posted_twice() -> None:
    assert judge(story(HALF, HALF), [FIRST]).lost == [f"{HALF} (posted 1 of 2 times)"]


def test_what_was_edited_away_was_reported() -> None:
    edited = post(1, "ana passed 50% of the cap", "ana passed 80% of the cap")
    assert judge(story(HALF, MOST), [edited]).lost == []


@pytest.mark.parametrize("again", [post(3, "ana is well", mark="m1"), replace(FIRST, at=3, mark="m3")])
def test_a_second_message_of_one_delivery_or_with_the_same_words_is_doubled(again: Sighting) -> None:
    assert len(judge(story(HALF), [FIRST, again]).doubled) == 1


def test_the_same_line_in_two_threads_is_not_doubled() -> None:
    lines = [post(3, "it is over", root="1"), post(4, "it is over", root="2")]
    assert judge(story(HALF), [FIRST, *lines]).doubled == []


def test_a_lower_level_after_a_higher_one_is_out_of_order() -> None:
    turned = [replace(FIRST, at=2), replace(SECOND, at=1)]
    assert judge(story(HALF, MOST), turned).disordered == [f"{MOST} stands before {HALF}"]


def test_the_end_of_a_block_before_the_block_is_out_of_order() -> None:
    turned = [post(1, "ana is no longer blocked"), post(2, "ana is BLOCKED")]
    assert len(judge(story(BLOCKED, FREE), turned).disordered) == 1


def test_what_is_reported_together_is_reported_as_often_as_it_has_a_line() -> None:
    line = "Tue Apr 14 10:0{}: ana is BLOCKED: $5{}.00 of $5{}.00. Resolved Tue Apr 14 10:03."
    together = post(1, "\n".join(["2 alerts that are over", *(line.format(n, n, n) for n in (1, 2))]))
    assert judge(story(FREE, FREE), [together]) == Verdict()
    assert len(judge(story(FREE, FREE, FREE), [together]).lost) == 1


def test_a_report_counts_the_bad_items_that_nothing_came_upon() -> None:
    report = Report()
    for met in (True, False):
        report.add(Outcome("1", item="refused form", met=met))
    assert "1 of 2 bad items met: refused form 1 of 2" in report.lines()


async def test_a_refusal_is_met_by_the_call_that_it_refuses() -> None:
    met: list[str] = []
    refusal = Refusal("refused form", "slack", lambda: met.append("met"))
    request = SimpleNamespace(method="POST", path="/chat.postMessage", read=_body(b'{"text": "plain"}'))
    assert await refusal.answer("slack", "post", request) is None  # type: ignore[arg-type]
    assert met == []
    request.read = _body(b'{"blocks": [{}]}')
    assert await refusal.answer("slack", "post", request) is not None  # type: ignore[arg-type]
    assert met == ["met"]


def _body(sent: bytes) -> Callable[[], Awaitable[bytes]]:
    async def read() -> bytes:
        return sent

    return read
