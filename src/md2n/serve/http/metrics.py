"""What a server counts, in the format of Prometheus."""

from typing import Any

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 256, 1024)


class Meters:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("md2n_requests", "Requests by path and status", ["path", "status"], **own)
        self._refusals = Counter("md2n_refusals", "Requests refused, by kind", ["kind"], **own)
        self._seconds = Histogram("md2n_request_seconds", "Time to answer", ["path"], buckets=SECONDS, **own)
        self._rows = Counter("md2n_rows", "Samples answered for", ["ability"], **own)
        self._batches = Histogram("md2n_batch_rows", "Samples in one call of the model", buckets=ROWS, **own)
        self._open = Gauge("md2n_open_requests", "Requests being answered", **own)

    def begin(self) -> None:
        """A request has come."""
        self._open.inc()

    def end(self, path: str, status: int, seconds: float) -> None:
        """Its response has gone.

        Args:
            path: the route's pattern, so that no client makes series of its own.
            status: of the response.
            seconds: since the request came.
        """
        self._open.dec()
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def refusal(self, kind: str) -> None:
        """A request was refused."""
        self._refusals.labels(kind).inc()

    def batch(self, ability: str, rows: int) -> None:
        """The model was called."""
        self._rows.labels(ability).inc(rows)
        self._batches.observe(rows)

    def text(self) -> bytes:
        """All of it, for a scraper."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
