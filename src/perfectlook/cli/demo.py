"""`perfectlook demo`: the showroom that comes with the package, on the page."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from perfectlook.cli.numbers import natural


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `demo`."""
    demo = subparsers.add_parser(
        "demo",
        help="open the page with the showroom that comes with the package",
        description="Serve rooms and furniture that come with the package, and open the page. Nothing is "
        "downloaded, and no photo of your own is needed; you can drop some, though.",
    )
    demo.add_argument(
        "--port", metavar="N", type=natural, help="the port to listen at (8000, or a free one; 0: a free one)"
    )
    demo.add_argument("--no-browser", action="store_true", help="print the address and open no window")
    demo.add_argument(
        "--check", action="store_true", help="ask the server for three rooms, print the answers, and stop"
    )
    demo.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve the showroom until interrupted; with `--check`, only ask for three rooms.

    Raises:
        PerfectLookError: something of the showroom is missing, or the port is taken.
    """
    from perfectlook.demo import PORT, Demo, check, serving
    from perfectlook.pretrained import FOLDER as MODELS
    from perfectlook.progress import ProgressLine
    from perfectlook.settings import cache_folder
    from perfectlook.showroom import FOLDER as SHOWROOM

    demo = Demo(SHOWROOM, MODELS / "showroom", cache_folder() / "demo")
    report = demo.prepare(ProgressLine)
    print(f"{demo.catalogue}: {report.embedded:,} products embedded, {report.unchanged:,} unchanged")
    with serving(demo, 0 if arguments.check and arguments.port is None else arguments.port) as url:
        if arguments.check:
            for room, answer in check(url):
                print(f"{room}: {answer.timings['total']:.0f} ms")
                for section in answer.categories:
                    names = "; ".join(each.title or each.id for each in section.products)
                    print(f"  {section.category.split('|')[-1]}: {names}")
            return 0
        if arguments.port is None and not url.endswith(f":{PORT}/"):
            print(f"port {PORT} is taken, so this is another one:")
        with _asked_to_stop() as stop:
            print(f"{url} shows the showroom; stop with Ctrl-C", flush=True)
            if not arguments.no_browser and _has_windows():
                import webbrowser

                webbrowser.open(url)
            stop.get()
    return 0


@contextmanager
def _asked_to_stop() -> Iterator["SimpleQueue[None]"]:
    """Yield where Ctrl-C and SIGTERM put something while the context lasts: they are how a demo ends.

    A signal may come at any moment, also while the queue is asked: only this kind bears that.
    """
    stop: SimpleQueue[None] = SimpleQueue()
    asking = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, lambda *_: stop.put(None)) for each in asking]
    try:
        yield stop
    finally:
        for each, handler in zip(asking, before, strict=True):
            signal.signal(each, handler)


def _has_windows() -> bool:
    """Whether a browser would open beside the terminal, not a text browser in it."""
    screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return screen or sys.platform in ("darwin", "win32")
