"""Asks a server: `Client` and, for asyncio, `AsyncClient`; what answers say is typed."""

from perfectlook.client.asyncclient import AsyncClient
from perfectlook.client.client import Client
from perfectlook.client.completed import Attention, Completed, PhotoSize, Section
from perfectlook.client.failure import ServerFetchError, ServerPictureError, ServerUsageError
from perfectlook.client.feedback import Counted, FeedbackEvent, Stats
from perfectlook.client.job import Job
from perfectlook.client.look import Alternative, Look, Slot
from perfectlook.client.photo import Photo
from perfectlook.client.product import Product, ProductPage
from perfectlook.client.ready import Ready
from perfectlook.client.resolved import Resolved
from perfectlook.client.sample import Sample
from perfectlook.client.similar import AlikeSection, Lookalike, Similar
from perfectlook.client.suggestion import AppliedRule, Shown, Suggestion, UnusedRule, Why

__all__ = [
    "AlikeSection",
    "Alternative",
    "AppliedRule",
    "AsyncClient",
    "Attention",
    "Client",
    "Completed",
    "Counted",
    "FeedbackEvent",
    "Job",
    "Look",
    "Lookalike",
    "Photo",
    "PhotoSize",
    "Product",
    "ProductPage",
    "Ready",
    "Resolved",
    "Sample",
    "Section",
    "ServerFetchError",
    "ServerPictureError",
    "ServerUsageError",
    "Shown",
    "Similar",
    "Slot",
    "Stats",
    "Suggestion",
    "UnusedRule",
    "Why",
]
