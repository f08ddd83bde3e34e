"""What the service counts and times, in the text format of Prometheus, and its log as JSON lines."""

import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """One registry a service, so that several may live in one process."""

    def __init__(self) -> None:
        """Begin all counts at zero."""
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "perfectlook_request_seconds",
            "Time of whole requests.",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._stages = Histogram(
            "perfectlook_stage_seconds",
            "Time of each stage of an answer.",
            ("stage",),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._errors = Counter(
            "perfectlook_errors", "Requests answered with an error.", ("code",), registry=self.registry
        )
        self._results = Counter(
            "perfectlook_results", "Products in answers.", ("endpoint",), registry=self.registry
        )

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Have a value read whenever metrics are asked for."""
        Gauge(f"perfectlook_{name}", about, registry=self.registry).set_function(read)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note a request."""
        self._requests.labels(method, route, status).observe(seconds)

    def error(self, code: str) -> None:
        """Note an error."""
        self._errors.labels(code).inc()

    def answer(self, endpoint: str, timings: Mapping[str, float], products: int) -> None:
        """Note an answer: milliseconds by stage, and how many products it has."""
        for stage, milliseconds in timings.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        self._results.labels(endpoint).inc(products)

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)


LOGGER = logging.getLogger("perfectlook.service")
_ALWAYS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Time, level, event and whatever `extra` holds; of an exception its type, text and traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        clock = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said: dict[str, object] = {
            "time": f"{clock}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in _ALWAYS}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def log_as_json(stream: TextIO | None = None) -> None:
    """Send the logs of the service and of its HTTP server to a stream as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("perfectlook.service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False
    logging.getLogger("uvicorn.access").disabled = True  # the service says more, and not what was asked
