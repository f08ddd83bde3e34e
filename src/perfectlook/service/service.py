"""The state that all routes share: the recommender, the worker threads, the metrics and the feedback."""

import asyncio
import hashlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cached_property, partial
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Self, TypeVar, cast

import numpy as np
from fastapi import Depends, Request
from PIL import Image
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from perfectlook.backbones import open_backbone
from perfectlook.catalogue import Catalogue
from perfectlook.errors import CatalogueError, FetchError, ModelError, PerfectLookError
from perfectlook.fetching import Fetcher, FetchLimits, host_of
from perfectlook.files import Closable, cache_folder, model_folder, worker_count
from perfectlook.images import PictureLimits
from perfectlook.model.files import ModelRecord
from perfectlook.model.runtime import Model
from perfectlook.recommender import Recommender, Rules
from perfectlook.recommender.rules import NO_RULES
from perfectlook.recommender.slots import SlotTable
from perfectlook.service.decoding import Decoder
from perfectlook.service.errors import LOGGER, Refusal, RequestState, cause_of
from perfectlook.service.experiment import Arm, Experiment
from perfectlook.service.facets import FacetCounts
from perfectlook.service.feedback import FeedbackStore
from perfectlook.service.security import Keys
from perfectlook.service.settings import Settings
from perfectlook.service.thumbnails import Samples, Thumbnails
from perfectlook.service.workers import Workers
from perfectlook.stores import Query

Result = TypeVar("Result")

FETCH_SECONDS = 10.0
FETCHES = 64
"""How many photos are fetched at the same time."""
READY_SECONDS = 0.2
"""For how long all who ask get the same answer to whether the catalogue can be used."""
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the metrics' histogram buckets, in seconds."""


class Service(Closable):
    """All open resources of a running service."""

    def __init__(self, settings: Settings, recommender: Recommender) -> None:
        """Take an open recommender. `Service.open` calls this."""
        self.settings = settings
        self.recommender = recommender
        self.rules = Rules.read(settings.rules) if settings.rules else NO_RULES
        self.slots = SlotTable.given(settings.slots or None)
        self.keys = Keys(Path(settings.keys) if settings.keys else None)
        self.samples = Samples(Path(settings.samples) if settings.samples else None)
        self.experiment = Experiment.read(settings.experiment) if settings.experiment else None
        file, chosen = _feedback_file(settings), bool(settings.feedback)
        arms = self.experiment.labels if self.experiment else ()
        self.feedback = FeedbackStore(file, settings.feedback_max, needed=chosen, arms=arms)
        threads = settings.workers or worker_count()
        self.decoder = _decoder(settings, threads)
        self.thumbnails = Thumbnails(self.decoder)
        queue = threads * settings.queue
        self.workers = Workers("model", threads, queue, settings.queue_seconds, around=self._following)
        self.readers = Workers("reader", threads=4, places=512, around=self._following)
        self.parsers = Workers("parser", threads=2, places=512)
        self._state = Workers("state", threads=1, places=1, around=self._following)
        self.writers = Workers("writer", threads=1, places=32, around=self._following)
        self.facets = FacetCounts()
        self.arms: list[Arm] = []
        """The arms of the experiment."""
        self.shop: Path | None = None
        """Folder of a shop's static pages, which are served at `/shop`."""
        self._follows = bool(settings.follow_model)
        self._switching = threading.Lock()
        self._next: Recommender | None = None
        self._settled: set[str] = set()  # collections that cannot become the staged one
        self._closing = threading.Event()
        self._fetchers = Workers("fetcher", threads=FETCHES, places=0, share=0.25)
        self._ready: asyncio.Future[tuple[int, str]] | None = None
        self._ready_until = 0.0
        self.metrics = Metrics(lambda: self.workers.inside)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open and warm up everything, so that the first request is as fast as later ones.

        Raises:
            PerfectLookError: the model, the catalogue or a file of the settings cannot be used.
        """
        model = Model.open(settings.model)
        catalogue = Catalogue.open(settings.catalogue, model, approximate_above=settings.approximate or None)
        recommender = Recommender.open(catalogue, model, threads=settings.workers or worker_count())
        service: Self | None = None
        try:
            service = cls(settings, recommender)
            service._warm()
            service._open_arms()
            if settings.follow_model:
                service.watch()
            opened = {"model": model.name, "host": settings.host, "port": settings.port}
            LOGGER.info("open", extra=opened)
        except BaseException:
            (service or recommender).close()
            raise
        return service

    def _warm(self) -> None:
        """Load the networks and the catalogue's vectors, which the first request would load otherwise."""
        catalogue, model = self.recommender.catalogue, self.recommender.model
        self.decoder.warm()
        with ThreadPoolExecutor(1, thread_name_prefix="open") as pool:
            opening = pool.submit(lambda: self.recommender.backbone)
            if smallest := min(catalogue.categories().items(), key=itemgetter(1), default=None):
                point = np.zeros(model.dimension, np.float32)
                catalogue.search([Query(point, 1, frozenset(smallest[:1]))], model)
            opening.result()
        photo = self.recommender.embed(Image.new("RGB", (64, 64), "grey"))
        self.recommender.complete(photo, k=1, limit=1)

    def arm(self, session: str | None) -> Arm:
        """Return what answers a session. Without a session, it is the server's own model and rules."""
        if self.experiment and session is not None:
            return self.arms[self.experiment.place(session)]
        return Arm("", self.recommender, self.rules)

    def _open_arms(self) -> None:
        if self.experiment is None:
            return
        for name, given in zip(self.experiment.labels, self.experiment.arms, strict=True):
            recommender = self.recommender
            if given.model or given.catalogue:
                model = Model.open(given.model) if given.model else recommender.model
                place, above = given.catalogue or self.settings.catalogue, self.settings.approximate or None
                catalogue = Catalogue.open(place, model, approximate_above=above)
                recommender = self._recommender(catalogue, model)
            rules = Rules.read(given.rules) if given.rules else self.rules
            options = given.options.model_dump(exclude_none=True)
            self.arms.append(Arm(name, recommender, rules, options))

    def _recommender(self, catalogue: Catalogue, model: Model) -> Recommender:
        """Return a recommender that is warmed up. It shares the network of the present one, if it can."""
        now, threads = self.recommender, self.settings.workers or worker_count()
        shared = model.backbone == now.model.backbone
        backbone = now.backbone if shared else open_backbone(model.backbone, threads=threads)
        found = Recommender(catalogue, model, threads, backbone)
        found.embed(Image.new("RGB", (64, 64), "grey"))
        return found

    def watch(self) -> None:
        """Prepare the staged model of the catalogue again and again, until the service closes."""

        def prepare() -> None:
            while not self._closing.wait(1.0):
                with suppress(PerfectLookError):
                    self._prepare()

        threading.Thread(target=prepare, name="follow", daemon=True).start()

    def look_again(self) -> None:
        """Prepare the model that is now in the folder, to switch to it with the catalogue (SIGHUP)."""
        self._follows = True
        try:
            self._prepare()
        except PerfectLookError as error:
            reason = str(error) if isinstance(error, ModelError) else cause_of(error)
            LOGGER.warning("model", extra={"reason": reason})

    def _prepare(self) -> None:
        """Open the staged model, or switch to the active one."""
        self._follow()
        catalogue = self.recommender.catalogue
        names = set(catalogue.store.collections())
        if self._next is None and len(names) > 1 and names != self._settled:
            manifest = catalogue.manifest()
            if manifest.staged:
                self._next = self._opened(manifest.staged.model.identity)
            self._settled = set() if manifest.staged or manifest.pending else names

    def _following(self, work: Callable[[], Result]) -> Result:
        """Do work. If the catalogue has switched to another model meanwhile, do it again with that model."""
        before = self.recommender
        try:
            return work()
        except Exception as error:
            if self._follows and isinstance(error, CatalogueError):
                self._follow()
            if self.recommender is before:
                raise
            return work()

    def _follow(self) -> None:
        """Use the model of the catalogue, if it is another one than before and is in the folder."""
        with self._switching:
            catalogue, ready = self.recommender.catalogue, self._next
            wanted = catalogue.model.identity
            if self.recommender.model.identity == wanted:
                return
            if ready is None or ready.model.identity != wanted:
                ready = self._opened(wanted)
            if ready is not None:
                self.recommender, self._next = ready, None
                LOGGER.info("model", extra={"model": ready.model.name})

    def _opened(self, identity: str) -> Recommender | None:
        """Open and warm up the model with an identity. Return None if no folder of the settings has it."""
        roots = [Path(each) for each in (self.settings.follow_model, self.settings.model) if each]
        inner = [file.parent for root in roots for file in sorted(root.glob("*/config.json"))]
        for folder in (*map(model_folder, roots), *inner):
            with suppress(ModelError):
                if ModelRecord.read(folder).identity == identity:
                    return self._recommender(self.recommender.catalogue, Model.open(folder))
        return None

    @cached_property
    def _fetcher(self) -> Fetcher:
        """The fetcher, made for the first URL: reading the system's certificates takes a while."""
        return Fetcher(self._limits)

    @cached_property
    def _listed_fetcher(self) -> Fetcher:
        """The fetcher for hosts of a list. It follows no redirect, which could lead to another host."""
        return Fetcher(replace(self._limits, redirects=0))

    @property
    def _limits(self) -> FetchLimits:
        most, private = self.settings.max_upload, self.settings.allow_private
        limits = FetchLimits(max_bytes=most, seconds=FETCH_SECONDS, tries=1, allow_private=private)
        return replace(limits, connections=FETCHES)

    async def fetched(self, url: str, state: RequestState) -> bytes:
        """Return the content of a URL that a request names.

        Only a server's key may name any host. A public key may name those of the setting `photo_hosts`. So
        may requests without a key, if the setting names a host.

        Raises:
            FetchError: the URL cannot be fetched.
            Refusal: the host is not on the list (422), or too many URLs are being fetched (503).
        """
        hosts = self.settings.photo_hosts
        is_limited = state.is_public and (bool(hosts) or state.key is not None)
        host = host_of(url)
        state.host = host[:100]
        if is_limited and host not in hosts:
            message = f"url: photos from the host '{state.host}' are not accepted. Add it to --photo-hosts."
            raise Refusal(422, "invalid", message)
        fetch, photo = (self._listed_fetcher if is_limited else self._fetcher).fetch, _Held(state)
        try:
            await self._fetchers.run(lambda: fetch(url, file=photo))
        except FetchError as error:
            if isinstance(error.__cause__, Refusal):
                raise error.__cause__ from None
            raise
        return photo.getvalue()

    async def ready(self) -> tuple[int, str]:
        """Return the number of products and the name of the model. Requests of about the same time share it.

        Raises:
            PerfectLookError: a catalogue cannot be read, or was synced with another model.
        """
        now = time.monotonic()
        if self._ready is None or (self._ready.done() and now >= self._ready_until):
            self._ready = asyncio.ensure_future(self._state.run(self._count))
            self._ready_until = now + READY_SECONDS
        return await asyncio.shield(self._ready)

    def _count(self) -> tuple[int, str]:
        catalogue, model = self.recommender.catalogue, self.recommender.model
        for each in (self.recommender, *(arm.recommender for arm in self.arms)):
            each.catalogue.check(each.model)
        return catalogue.count(), model.name

    @property
    def cache_control(self) -> str:
        """Cache pictures for an hour: in any cache, or only in the client's if reading requires a key."""
        return f"{'private' if self.settings.keyed_reading else 'public'}, max-age=3600"

    def _release(self) -> None:
        """Finish the accepted work, then close. This may take as long as the slowest request."""
        self._closing.set()
        pools = self.workers, self.readers, self.parsers, self._state, self.writers, self._fetchers
        for workers in pools:
            workers.close()
        self.decoder.close()
        for name in {"_fetcher", "_listed_fetcher"} & vars(self).keys():
            getattr(self, name).close()
        self.feedback.close()
        for each in self.arms:
            each.recommender.close()  # closing it again does nothing
        self.recommender.close()


class _Held(BytesIO):
    """A photo that is being fetched. Its bytes are taken from the budget of bodies as they come."""

    def __init__(self, state: RequestState) -> None:
        super().__init__()
        self._state = state

    def write(self, part: bytes, /) -> int:  # type: ignore[override]
        self._state.hold(len(part))
        return super().write(part)


async def service_of(request: Request) -> Service:
    """Return the service of a request's application."""
    return cast(Service, request.app.state.service)


OpenService = Annotated[Service, Depends(service_of)]
"""Parameter type of a route that uses the service."""


class Metrics:
    """Counters and timers of one service. Each service has its own registry: a process may have several."""

    def __init__(self, queue: Callable[[], float]) -> None:
        """Start all counts at zero. `queue` returns how many photos are being processed or waiting."""
        self._registry = registry = CollectorRegistry()
        times = partial(Histogram, registry=registry, buckets=_BUCKETS)
        labels = ("method", "route", "status")
        self._requests = times("perfectlook_request_seconds", "Duration of requests.", labels)
        self._stages = times("perfectlook_stage_seconds", "Duration of the stages of an answer.", ("stage",))
        self._errors = Counter(
            "perfectlook_errors", "Requests answered with an error.", ("code",), registry=registry
        )
        self._results = Counter(
            "perfectlook_results", "Products in answers.", ("endpoint",), registry=registry
        )
        waiting = Gauge("perfectlook_queue", "Photos being processed or waiting.", registry=registry)
        waiting.set_function(queue)

    def request(self, method: str, route: str, status: int, seconds: float, error: str | None) -> None:
        """Count and time a request, and count the code of its error."""
        self._requests.labels(method, route, status).observe(seconds)
        if error:
            self._errors.labels(error).inc()

    def answer(self, endpoint: str, timings: Mapping[str, float], products: int) -> None:
        """Count the products of an answer, and record the milliseconds of its stages."""
        for stage, milliseconds in timings.items():
            self._stages.labels(stage).observe(milliseconds / 1000)
        self._results.labels(endpoint).inc(products)

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


def _decoder(settings: Settings, workers: int) -> Decoder:
    limits = PictureLimits(
        max_bytes=settings.max_upload,
        max_pixels=round(settings.max_megapixels * 1e6),
        max_jpeg_pixels=round(settings.max_megapixels_jpeg * 1e6),
        max_heic_pixels=round(settings.max_megapixels_heic * 1e6),
    )
    return Decoder(workers, limits, settings.decode_seconds, settings.decode_memory * 2**20)


def _feedback_file(settings: Settings) -> Path:
    """Return the file of the settings. Default: next to a local catalogue, otherwise in the cache folder."""
    if settings.feedback:
        return Path(settings.feedback)
    if "://" not in settings.catalogue and os.access(settings.catalogue, os.W_OK):
        return Path(settings.catalogue) / "feedback.sqlite"
    shop = hashlib.sha256(settings.catalogue.encode()).hexdigest()[:16]
    return cache_folder() / f"feedback-{shop}.sqlite"
