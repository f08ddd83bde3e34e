"""The metrics of a service, in the text format of Prometheus."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """What one service counts and times, in a registry of its own: several may live in one process."""

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
        """Have a value read whenever metrics are requested."""
        Gauge(f"perfectlook_{name}", about, registry=self.registry).set_function(read)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count and time a request."""
        self._requests.labels(method, route, status).observe(seconds)

    def error(self, code: str) -> None:
        """Count an error."""
        self._errors.labels(code).inc()

    def answer(self, endpoint: str, timings: Mapping[str, float], products: int) -> None:
        """Count the products of an answer, and time its stages (milliseconds)."""
        for stage, milliseconds in timings.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        self._results.labels(endpoint).inc(products)

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return generate_latest(self.registry)
