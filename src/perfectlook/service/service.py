"""All that endpoints share: the recommender, its workers, and what the service keeps."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Self

import numpy as np

from perfectlook.catalogue import Catalogue
from perfectlook.fetching import Fetcher, FetchLimits
from perfectlook.files import cache_folder, worker_count
from perfectlook.images import PictureLimits
from perfectlook.model.runtime import Model
from perfectlook.recommender import Recommender, Rules
from perfectlook.recommender.rules import NO_RULES
from perfectlook.service.answers import Usual
from perfectlook.service.feedback import FeedbackStore
from perfectlook.service.metrics import Metrics
from perfectlook.service.security import Keys
from perfectlook.service.settings import Settings
from perfectlook.service.thumbnails import Pictures, Samples
from perfectlook.service.workers import Workers
from perfectlook.stores import Query

FETCHING_THREADS, FETCHING_PLACES = 8, 32
READING_THREADS, READING_PLACES = 4, 512
WRITING_PLACES = 32
FETCH_SECONDS = 10.0


class Service:
    """Everything that is open while a service runs."""

    def __init__(self, settings: Settings, recommender: Recommender) -> None:
        """Take an open recommender; `Service.open` is the way in."""
        self.settings = settings
        self.recommender = recommender
        self.rules = Rules.read(settings.rules) if settings.rules else NO_RULES
        self.keys = Keys(Path(settings.keys) if settings.keys else None)
        self.samples = Samples(Path(settings.samples) if settings.samples else None)
        self.feedback = FeedbackStore(_feedback_file(settings))
        self.metrics = Metrics()
        self.pictures = Pictures()
        self.usual = Usual(recommender)
        self.limits = PictureLimits(max_bytes=settings.max_upload)
        threads = _threads(settings)
        self.workers = Workers("model", threads, threads * settings.queue, settings.queue_seconds)
        self.readers = Workers("reader", READING_THREADS, READING_PLACES)
        self.writers = Workers("writer", 1, WRITING_PLACES)
        self._fetchers = Workers("fetcher", FETCHING_THREADS, FETCHING_PLACES)
        self.metrics.gauge("queue", "Photos that are looked at or wait for it.", lambda: self.workers.inside)

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open everything, so that the first request is answered as fast as the second.

        Raises:
            PerfectLookError: the model, the catalogue or a file of the settings cannot be used.
        """
        model = Model.open(settings.model)
        catalogue = Catalogue.open(settings.catalogue, model, approximate_above=settings.approximate or None)
        recommender = Recommender.open(catalogue, model, threads=_threads(settings))
        try:
            service = cls(settings, recommender)
            service.warm()
        except BaseException:
            recommender.close()
            raise
        return service

    def warm(self) -> None:
        """Load what is otherwise loaded by the first request: the networks, and the catalogue's vectors."""
        from PIL import Image

        with ThreadPoolExecutor(1, thread_name_prefix="open") as beside:
            opening = beside.submit(lambda: self.recommender.backbone)
            self._read_vectors()
            opening.result()
        seen = self.recommender.embed(Image.new("RGB", (64, 64), "grey"))
        answer = self.recommender.complete(seen, k=1, limit=1)
        self.usual.parts(seen.scene, [each.category for each in answer.categories])

    def _read_vectors(self) -> None:
        catalogue, model = self.recommender.catalogue, self.recommender.model
        if smallest := min(catalogue.categories().items(), key=itemgetter(1), default=None):
            point = np.zeros(model.dimension, np.float32)
            catalogue.search([Query(point, 1, frozenset(smallest[:1]))], model)

    @cached_property
    def _fetcher(self) -> Fetcher:
        """Made for the first URL: reading the certificates of the system takes its time."""
        return Fetcher(
            FetchLimits(
                max_bytes=self.settings.max_upload,
                seconds=FETCH_SECONDS,
                tries=1,
                allow_private=self.settings.allow_private,
            )
        )

    async def fetched(self, url: str) -> bytes:
        """Return what lies at a URL; FetchError where that is nothing, Refusal where too many are fetched."""
        content = (await self._fetchers.run(lambda: self._fetcher.fetch(url))).content
        assert content is not None  # no validators, so it cannot be unchanged
        return content

    @property
    def hidden(self) -> tuple[str, ...]:
        """Texts that no answer may tell."""
        places = (self.settings.catalogue, self.settings.model, self.recommender.catalogue.location)
        return tuple(place for place in places if place)

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for workers in (self.workers, self.readers, self.writers, self._fetchers):
            workers.close()
        if "_fetcher" in vars(self):
            self._fetcher.close()
        self.feedback.close()
        self.recommender.close()


def _threads(settings: Settings) -> int:
    return settings.workers or worker_count()


def _feedback_file(settings: Settings) -> Path:
    return Path(settings.feedback) if settings.feedback else _kept(settings, "feedback", ".sqlite")


def _kept(settings: Settings, name: str, suffix: str = "") -> Path:
    """Where a service keeps what is its own: beside a catalogue on this machine, else in the cache folder."""
    if "://" not in settings.catalogue:
        return Path(settings.catalogue) / f"{name}{suffix}"
    shop = hashlib.sha256(settings.catalogue.encode()).hexdigest()[:16]
    return cache_folder() / f"{name}-{shop}{suffix}"
