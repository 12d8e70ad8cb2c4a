"""What an endpoint counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


class Metrics:
    """Counters of one endpoint."""

    def __init__(self, name: str) -> None:
        self._registry = registry = CollectorRegistry()
        labels = {"endpoint": name}
        self._requests = Counter(
            "lepton_requests", "Requests answered.", ["endpoint", "verb", "code"], registry=registry
        )
        self._seconds = Histogram(
            "lepton_request_seconds",
            "From the arrival of a request to its answer.",
            ["endpoint", "verb"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._samples = Histogram(
            "lepton_batch_samples",
            "Samples that a worker ran together.",
            ["endpoint"],
            buckets=_SAMPLES,
            registry=registry,
        ).labels(**labels)
        self._computing = Counter(
            "lepton_worker_seconds",
            "Time workers took for batches.",
            ["endpoint"],
            registry=registry,
        ).labels(**labels)
        self._name = name
        self.predictions = 0
        self._known: dict[tuple[str, int], Counter] = {}
        self._histograms: dict[str, Histogram] = {}

    def watch(self, what: str, about: str, value: Callable[[], float]) -> None:
        """Give a gauge that is read when somebody asks."""
        gauge = Gauge(f"lepton_{what}", about, ["endpoint"], registry=self._registry)
        gauge.labels(endpoint=self._name).set_function(value)

    def answered(self, verb: str, status: int, seconds: float) -> None:
        """Count an answer."""
        counter = self._known.get((verb, status))
        if counter is None:
            counter = self._requests.labels(endpoint=self._name, verb=verb, code=str(status))
            self._known[verb, status] = counter
        counter.inc()
        histogram = self._histograms.get(verb)
        if histogram is None:
            histogram = self._seconds.labels(endpoint=self._name, verb=verb)
            self._histograms[verb] = histogram
        histogram.observe(seconds)

    def batch(self, rows: int, seconds: float) -> None:
        """Count a batch that a worker has run."""
        if rows:
            self._samples.observe(rows)
            self.predictions += rows
        self._computing.inc(seconds)

    def text(self) -> bytes:
        """Return all in Prometheus' text format."""
        return bytes(generate_latest(self._registry))
