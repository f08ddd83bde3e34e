"""A browser for tests of the page: Debian's Chromium through playwright."""

import os
from pathlib import Path
from typing import Any

import pytest

from chromium import installed

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--in-process-gpu",  # without a graphics card, a process of its own only costs time
)
WIDTHS = {"phone": (390, 844), "tablet": (820, 1100), "desktop": (1440, 900)}
ARTEFACTS = Path(__file__).parents[1] / "out" / "page"
"""Folder of the screenshots, which are not part of the repository."""


def chromium() -> str:
    """Return the browser's executable, if possible of the one without windows, which is faster.

    Without a browser, skip the test, or fail it if CI=true.
    """
    if found := installed():
        return found
    reason = "there is no Chromium; on Debian: apt-get install chromium-headless-shell"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def open_filters(page: Any) -> Any:
    """Open the sheet of filters, and return it."""
    sheet = page.locator("#filters")
    if not sheet.is_visible():
        page.get_by_role("button", name="Filters", exact=True).click()
    return sheet


def settle(page: Any) -> None:
    """Wait until all animations have ended, except endless ones."""
    page.wait_for_function(
        "() => document.getAnimations().every(each => each.playState !== 'running' "
        "|| each.effect?.getComputedTiming().endTime === Infinity)"
    )


VIOLATIONS = """async () => {
  const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
  const { violations } = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 160)}`));
}"""


def violations(page: Any) -> list[str]:
    """Return the violations that axe-core finds in the current page, one line each.

    What it finds in order stays in the browser: on a page of many products, that is megabytes.
    """
    from axe_playwright_python.sync_playwright import Axe

    if not page.evaluate("'axe' in window"):
        page.evaluate(Axe().axe_script)
    found: list[str] = page.evaluate(VIOLATIONS)
    return found


def keep(page: Any, name: str) -> None:
    """Save a screenshot."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(ARTEFACTS / f"{name}.png"))
