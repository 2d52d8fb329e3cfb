"""Counters of this process, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from meterbot.core.models import Health


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
        self._round: list[tuple[Health, float]] = []

    def read(self, source: str, result: Health, seconds: float) -> None:
        self._reads.labels(source, result.value).inc()
        self._seconds.labels(source).observe(seconds)
        self._round.append((result, seconds))

    def delivery(self, chat: str, outcome: str) -> None:
        self._deliveries.labels(chat, outcome).inc()

    def failed(self, kind: str) -> None:
        """Counts an item that was given up so that the others continue."""
        self._failed.labels(kind).inc()

    def end_round(self) -> list[tuple[Health, float]]:
        """The health that each read since the last call found, and its duration in seconds."""
        ended, self._round = self._round, []
        return ended
