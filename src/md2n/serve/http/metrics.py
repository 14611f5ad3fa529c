"""What a server counts, in the format of Prometheus.

Several workers write their counts to files of one folder; whichever of them is asked adds up the files.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from md2n.serve.http.workers import METRICS

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 256, 1024)


class Meters:
    """Counters of one server, in a registry of their own; or of all its workers, where there are several."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self.registry = CollectorRegistry()
        self._folder = os.environ.get(METRICS, "")
        if not self._folder:
            ProcessCollector(registry=self.registry)
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("md2n_requests", "Requests by path and status", ["path", "status"], **own)
        self._refusals = Counter("md2n_refusals", "Requests refused, by kind", ["kind"], **own)
        self._seconds = Histogram("md2n_request_seconds", "Time to answer", ["path"], buckets=SECONDS, **own)
        self._rows = Counter("md2n_rows", "Samples answered for", ["ability"], **own)
        self._batches = Histogram("md2n_batch_rows", "Samples in one call of the model", buckets=ROWS, **own)
        self._open = Gauge("md2n_open_requests", "Requests being answered", multiprocess_mode="livesum", **own)

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
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if self._folder:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
            registry.register(Processes(Path(self._folder)))
        return generate_latest(registry)


class Processes:
    """Memory and processor time of each worker that runs, under its process id.

    Args:
        folder: where workers write their counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def collect(self) -> Iterator[Any]:
        """The metrics of ``ProcessCollector`` with a label ``worker``."""
        from prometheus_client import ProcessCollector
        from prometheus_client.core import Metric

        merged: dict[str, Metric] = {}
        for file in self.folder.glob("gauge_livesum_*.db"):
            pid = file.stem.rpartition("_")[2]
            for metric in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                own = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    own.add_sample(sample.name, {"worker": pid}, sample.value)
        yield from merged.values()
