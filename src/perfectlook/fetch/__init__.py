"""Gets pictures over HTTP(S) from strangers' servers: bounded in size and time, public addresses only."""

from perfectlook.fetch.fetcher import Fetched, Fetcher, Validators, fetch_picture
from perfectlook.fetch.limits import DEFAULT_LIMITS, FetchLimits

__all__ = ["DEFAULT_LIMITS", "FetchLimits", "Fetched", "Fetcher", "Validators", "fetch_picture"]
