from prometheus_client import generate_latest

from meterbot.core.counters import ProcessCounters
from meterbot.core.models import Health


def test_a_round_is_what_was_read_since_the_last() -> None:
    counters = ProcessCounters()
    counters.read("claude_ai", Health.OK, 0.5)
    counters.read("claude_ai", Health.CHALLENGED, 2.0)
    assert counters.end_round() == [(Health.OK, 0.5), (Health.CHALLENGED, 2.0)]
    assert counters.end_round() == []


def test_what_is_counted_has_few_labels() -> None:
    counters = ProcessCounters()
    counters.read("claude_ai", Health.OK, 0.3)
    counters.read("claude_ai", Health.OK, 0.3)
    counters.delivery("slack", "delivered")
    text = generate_latest(counters.registry).decode()
    assert 'meterbot_reads_total{result="ok",source="claude_ai"} 2.0' in text
    assert 'meterbot_read_duration_seconds_bucket{le="0.5",source="claude_ai"} 2.0' in text
    assert 'meterbot_deliveries_total{chat="slack",outcome="delivered"} 1.0' in text
