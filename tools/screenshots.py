"""Takes the screenshots of the page for the README and the documentation, with the showroom.

    python tools/screenshots.py [--out docs/screenshots]

Serves the demo, as `perfectlook demo` does, and opens it in Chromium with playwright.
"""

import argparse
import io
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from chromium import ARGUMENTS, installed
from perfectlook.demo import Demo, serving
from perfectlook.files import MODELS, SHOWROOM, cache_folder

ROOT = Path(__file__).parents[1]
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 390, "height": 844}


def main() -> None:
    """Serve the showroom, open the page, and save the screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--room", default="colourful-living-room-1", help="the room to show")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    demo = Demo(SHOWROOM, MODELS / "rooms", cache_folder() / "demo")
    demo.prepare()
    with serving(demo, 0) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed(), args=ARGUMENTS)
        start = _opened(browser, url, DESK, "light")
        start.wait_for_selector(".sample img")
        _keep(start, options.out / "rooms.webp")
        rows = _opened(browser, f"{url}?sample={options.room}", DESK, "light")
        _keep(_answered(rows), options.out / "answer.webp")
        look = _answered(_opened(browser, f"{url}?sample={options.room}", DESK, "dark"))
        look.get_by_role("button", name="Whole look").click()
        look.wait_for_selector(".look[aria-busy=false] .slot .card-name")
        _keep(look, options.out / "look.webp")
        phone = _opened(browser, f"{url}?sample={options.room}", PHONE, "light")
        _keep(_answered(phone), options.out / "phone.webp")
        browser.close()


def _opened(browser: Any, address: str, size: dict[str, int], scheme: str) -> Any:
    page = browser.new_context(
        viewport=size, color_scheme=scheme, reduced_motion="reduce", device_scale_factor=1.25
    ).new_page()
    page.goto(address)
    return page


def _answered(page: Any) -> Any:
    page.wait_for_selector(".rows[aria-busy=false] .tile img.here")
    page.wait_for_load_state("networkidle")
    return page


def _keep(page: Any, file: Path) -> None:
    page.wait_for_timeout(600)
    Image.open(io.BytesIO(page.screenshot())).save(file, quality=82, method=6)


if __name__ == "__main__":
    main()
