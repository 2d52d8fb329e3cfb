from prometheus_client import generate_latest

from meterbot.core.counters import ProcessCounters, ReadRound
from meterbot.core.models import Health


def test_a_round_is_what_was_read_since_the_last() -> None:
    tally = ProcessCounters()
    tally.read("claude_ai", Health.OK, 0.5)
    tally.read("claude_ai", Health.CHALLENGED, 2.0)
    assert tally.end_round() == ReadRound(reads=2, failed=1, seconds=2.5, slowest=2.0)
    assert tally.end_round() == ReadRound()


def test_what_is_counted_has_few_labels() -> None:
    tally = ProcessCounters()
    tally.read("claude_ai", Health.OK, 0.3)
    tally.read("claude_ai", Health.OK, 0.3)
    tally.delivery("slack", "delivered")
    text = generate_latest(tally.registry).decode()
    assert 'meterbot_reads_total{result="ok",source="claude_ai"} 2.0' in text
    assert 'meterbot_read_duration_seconds_bucket{le="0.5",source="claude_ai"} 2.0' in text
    assert 'meterbot_deliveries_total{chat="slack",outcome="delivered"} 1.0' in text
