"""Measures the page and the widget in Chromium: sizes, and the time from an answer to products on the screen.

    python benchmarks/page.py [--times 20] [--quick] [--json FILE]

The server runs the demo in this process: the showroom, the model `rooms` and the example shop. Each time is
of a fresh context of the browser, without a cache.

- `widget_first_over_answer`: from the start of the shop's page to the widget's first products, over the time
  that the service takes for the same answer, asked from this process.
- `figures.widget_ms_drawn`, `page_ms_drawn`: from the end of the answer to the first frame with its products.
- `figures.widget_ms_first`, `page_ms_first`: from the start of the page to that frame. Pictures may follow.
- `figures.widget_bytes`, `widget_bytes_gzip`, `page_bytes`: sizes of the scripts and styles.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright

from machine import add_json_option, add_quick_option, report
from perfectlook.demo import Demo, serving
from perfectlook.files import MODELS, SHOWROOM
from perfectlook.service.appearance import FOLDER

SCRIPT = """
window.drawn = new Promise(done => {
  const cards = () => {
    const widget = document.querySelector("perfect-look");
    const found = (widget ? widget.shadowRoot : document)?.querySelector(".card:not(.bone)");
    if (!found) return requestAnimationFrame(cards);
    requestAnimationFrame(() => {
      const calls = performance.getEntriesByType("resource");
      const answer = calls.find(each => each.name.endsWith("/v1/complete"));
      done([performance.now(), answer ? performance.now() - answer.responseEnd : 0]);
    });
  };
  cards();
})
"""
PRODUCT = "armchair-bentwood-nordic-1"


def measured(browser: Browser, address: str, times: int) -> tuple[float, float]:
    """Return the median milliseconds to the first products, and from the answer to them."""
    found = []
    for _ in range(times):
        context = browser.new_context(viewport={"width": 1440, "height": 1600}, reduced_motion="reduce")
        page = context.new_page()
        page.add_init_script(SCRIPT)
        page.goto(address, wait_until="commit")
        found.append(page.evaluate("drawn"))
        context.close()
    return median(each[0] for each in found), median(each[1] for each in found)


def answered(url: str, body: dict[str, Any], times: int) -> float:
    """Return the median milliseconds of a request from this process."""
    spent = []
    with httpx.Client(base_url=url, timeout=60) as client:
        for _ in range(times):
            began = time.perf_counter()
            client.post("/v1/complete", json=body).raise_for_status()
            spent.append(1000 * (time.perf_counter() - began))
    return median(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="how often each page is opened")
    add_quick_option(parser)
    add_json_option(parser)
    arguments = parser.parse_args()
    times = 2 if arguments.quick else arguments.times
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("There is no Chromium. Install it, on Debian with: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(SHOWROOM, MODELS / "rooms", Path(folder))
        demo.prepare()
        room = sorted(each.stem.partition("-")[2] for each in demo.samples.iterdir())[0]
        with serving(demo, 0) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            about = httpx.get(f"{url}widget.json").json()
            widget = measured(browser, f"{url}shop/product.html", times)
            page = measured(browser, f"{url}?sample={room}", times)
            answer = answered(url, {"product": PRODUCT, "k": 8, "limit_categories": 6}, times)
            browser.close()
    code = [each for each in FOLDER.rglob("*") if each.suffix in (".js", ".css", ".html")]
    figures = {
        "widget_ms_first": widget[0],
        "widget_ms_drawn": widget[1],
        "page_ms_first": page[0],
        "page_ms_drawn": page[1],
        "answer_ms": answer,
        "widget_bytes": about["bytes"],
        "widget_bytes_gzip": about["bytes_gzip"],
        "page_bytes": sum(each.stat().st_size for each in code),
        "times": times,
    }
    report("page", {"widget_first_over_answer": widget[0] / answer}, figures, arguments.json)


if __name__ == "__main__":
    main()
