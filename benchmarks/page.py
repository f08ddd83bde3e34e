"""Measures the page and the widget in Chromium: sizes, and the time from an answer to products on the screen.

    python benchmarks/page.py [--times 20] [--quick] [--json FILE]

A thread of this process serves the demo: the showroom, the model `rooms` and the example shop. Each time is
the median over fresh contexts of the browser, without a cache. Without Chromium, nothing is measured.

- `widget_first_over_answer`, `page_first_over_answer`: from the start of the shop's page, or of the page, to
  the first frame with products, over the time in which the service answers the same request of this process.
- `figures.*_ms_first`: that time. Pictures may follow.
- `figures.*_ms_drawn`: from the end of the answer to that frame.
- `figures.*_ms_answer`: the request of this process, a product for the widget and a room for the page.
- `figures.widget_bytes`, `widget_bytes_gzip`: the module. `figures.page_bytes`: scripts, styles and HTML.
"""

import argparse
import faulthandler
import sys
import time
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright

sys.path.append(str(Path(__file__).parents[1] / "tools"))
from chromium import ARGUMENTS, installed
from machine import add_json_option, add_quick_option, report
from perfectlook.demo import Demo, serving
from perfectlook.files import MODELS, SHOWROOM, cache_folder
from perfectlook.service.appearance import FOLDER

SECONDS = 60
"""The limit of every wait."""
PRODUCT = "armchair-bentwood-nordic-1"
WATCH = """
const watch = () => {
  const root = ROOT;
  const answer = performance.getEntriesByType("resource").find(each => each.name.endsWith("/v1/complete"));
  if (!answer?.responseEnd || !root?.querySelector("CARD")) return requestAnimationFrame(watch);
  requestAnimationFrame(() => {
    const now = performance.now();
    window.drawn = { first: now, drawn: now - answer.responseEnd };
  });
};
watch();
"""
"""Notes in `drawn` the milliseconds to the first frame with products, and from the answer to it."""
WIDGET = WATCH.replace("ROOT", 'document.querySelector("perfect-look")?.shadowRoot').replace(
    "CARD", ".card:not(.bone)"
)
PAGE = WATCH.replace("ROOT", "document").replace("CARD", ".row:not(.skeleton) .card")


def measured(browser: Browser, address: str, script: str, times: int) -> tuple[float, float]:
    """Return the median milliseconds to the first products, and from the answer to them."""
    found = []
    for _ in range(times):
        context = browser.new_context(viewport={"width": 1440, "height": 1600}, reduced_motion="reduce")
        context.set_default_timeout(1000 * SECONDS)
        page = context.new_page()
        page.add_init_script(script)
        page.goto(address, wait_until="commit")
        page.wait_for_function("() => window.drawn", polling=100)
        found.append(page.evaluate("() => window.drawn"))
        context.close()
    return median(each["first"] for each in found), median(each["drawn"] for each in found)


def answered(url: str, body: dict[str, object], times: int) -> float:
    """Return the median milliseconds of a request from this process."""
    spent = []
    with httpx.Client(base_url=url, timeout=SECONDS) as client:
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
    chromium = installed()
    if chromium is None:
        print("skipped: there is no Chromium. Install it, on Debian with: apt-get install chromium")
        return
    faulthandler.dump_traceback_later(5 * SECONDS + 10 * times, exit=True)  # if a wait without a limit hangs
    demo = Demo(SHOWROOM, MODELS / "rooms", cache_folder() / "demo")
    demo.prepare()
    room = min(each.stem for each in demo.samples.iterdir()).partition("-")[2]
    with serving(demo, 0) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS, timeout=1000 * SECONDS)
        about = httpx.get(f"{url}widget.json", timeout=SECONDS).json()
        widget_answer = answered(url, {"product": PRODUCT, "k": 8, "limit_categories": 6}, times)
        page_answer = answered(url, {"sample": room, "k": 16, "attention": True}, times)
        widget = measured(browser, f"{url}shop/product.html", WIDGET, times)
        page = measured(browser, f"{url}?sample={room}", PAGE, times)
        browser.close()
    faulthandler.cancel_dump_traceback_later()
    code = [each for each in FOLDER.rglob("*") if each.suffix in (".js", ".css", ".html")]
    ratios = {
        "widget_first_over_answer": widget[0] / widget_answer,
        "page_first_over_answer": page[0] / page_answer,
    }
    figures = {
        "widget_ms_first": widget[0],
        "widget_ms_drawn": widget[1],
        "widget_ms_answer": widget_answer,
        "page_ms_first": page[0],
        "page_ms_drawn": page[1],
        "page_ms_answer": page_answer,
        "widget_bytes": about["bytes"],
        "widget_bytes_gzip": about["bytes_gzip"],
        "page_bytes": sum(each.stat().st_size for each in code),
        "times": times,
    }
    report("page", ratios, figures, arguments.json)


if __name__ == "__main__":
    main()
