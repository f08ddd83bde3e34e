"""The Chromium of this machine, for tests, benchmarks and screenshots of the page."""

import shutil

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""Its commands, as Debian and others call them. The first has no windows, and is faster."""
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
"""How benchmarks and screenshots start it. The tests have more, to save time."""


def installed() -> str | None:
    """Return the path of the first that is installed, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)
