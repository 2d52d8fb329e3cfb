"""Counters of this process, for Prometheus."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from meterbot.core.models import Health


@dataclass(frozen=True, slots=True)
class ReadRound:
    """The readings since the last log line: how many, how many failed, their total duration, and the
    slowest."""

    reads: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class ProcessCounters:
    """No counter has a seat's name as a label, so a removed seat leaves nothing."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._reads = Counter(
            "meterbot_reads",
            "Reads of seats, by the health they found.",
            ["source", "result"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "meterbot_read_duration_seconds",
            "How long a read took.",
            ["source"],
            buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 90),
            registry=self.registry,
        )
        self._deliveries = Counter(
            "meterbot_deliveries",
            "Attempts to deliver a message, by outcome, such as delivered or refused; failed is a message given up.",
            ["chat", "outcome"],
            registry=self.registry,
        )
        self._failed = Counter(
            "meterbot_failed_items",
            "Work given up after repeated failures, by kind, such as a reading.",
            ["kind"],
            registry=self.registry,
        )
        for kind in ("message", "reading", "pull_request"):
            self._failed.labels(kind)
        self._round = ReadRound()

    def read(self, source: str, result: Health, seconds: float) -> None:
        self._reads.labels(source, result.value).inc()
        self._seconds.labels(source).observe(seconds)
        so_far = self._round
        self._round = ReadRound(
            so_far.reads + 1,
            so_far.failed + (result is not Health.OK),
            so_far.seconds + seconds,
            max(so_far.slowest, seconds),
        )

    def delivery(self, chat: str, outcome: str) -> None:
        self._deliveries.labels(chat, outcome).inc()

    def failed(self, kind: str) -> None:
        """Counts an item that was given up so that the others continue."""
        self._failed.labels(kind).inc()

    def end_round(self) -> ReadRound:
        ended, self._round = self._round, ReadRound()
        return ended
