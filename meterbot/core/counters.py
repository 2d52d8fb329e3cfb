"""What this process has done since it was started, counted as Prometheus likes it."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from meterbot.core.models import Health


@dataclass(frozen=True, slots=True)
class ReadRound:
    """The reads that ended within a while: how many, how many brought nothing certain, how long they took in all, and
    the slowest of them."""

    reads: int = 0
    failed: int = 0
    seconds: float = 0.0
    slowest: float = 0.0


class ProcessCounters:
    """Counters have labels of which there are few, and never a seat's name: a seat that is removed leaves nothing."""

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
            "Attempts to deliver a message, by outcome: delivered, superseded, not_sent, in_doubt, refused.",
            ["chat", "outcome"],
            registry=self.registry,
        )
        self._failed = Counter(
            "meterbot_failed_items",
            "Work given up after repeated failures, by kind, such as a reading.",
            ["kind"],
            registry=self.registry,
        )
        self._failed.labels("reading")
        self._round = ReadRound()

    def read(self, source: str, result: Health, seconds: float) -> None:
        """A read has ended."""
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
        """An attempt to deliver has ended."""
        self._deliveries.labels(chat, outcome).inc()

    def failed(self, kind: str) -> None:
        """Something was given up, so that what is behind it goes on."""
        self._failed.labels(kind).inc()

    def end_round(self) -> ReadRound:
        """What was read since the last time this was asked."""
        ended, self._round = self._round, ReadRound()
        return ended
