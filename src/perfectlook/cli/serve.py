"""`perfectlook serve`: the recommender over HTTP, and the page."""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

from perfectlook.cli.options import natural
from perfectlook.service.settings import Settings, flag_of, settings_fields


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
    from perfectlook.files import MODELS, SHOWROOM, cache_folder
    from perfectlook.progress import ProgressLine

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


def add_parser_keys(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `keys` and its sub-command."""
    keys = subparsers.add_parser("keys", help="make API keys for `serve`")
    commands = keys.add_subparsers(title="commands", metavar="COMMAND", required=True)
    new = commands.add_parser(
        "new",
        help="make a key",
        description="Print a new key, once, and the line that makes it known to a service: append it to the "
        "file of `serve --keys`. The line does not tell the key. To withdraw a key, remove its line.",
    )
    new.add_argument("name", metavar="NAME", help="whose key it is, for logs and limits")
    new.set_defaults(func=run_keys)


def run_keys(arguments: argparse.Namespace) -> int:
    """Print the key to standard error, and its line to standard output, so that `>> FILE` keeps the line.

    Raises:
        UsageError: the name is none.
    """
    import sys

    from perfectlook.service.security import new_key

    key, line = new_key(arguments.name)
    print(f"key: {key}", file=sys.stderr)
    print(line)
    return 0


BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def add_parser_serve(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `serve`, with a flag for every setting."""
    serve = subparsers.add_parser(
        "serve",
        help="answer over HTTP, and show the page",
        description="Serve a model and a catalogue over HTTP. Every flag can also be set by a variable of "
        "the environment (--max-upload: PERFECTLOOK_MAX_UPLOAD) and by a key of the TOML file (max_upload); "
        "flags come first, then the environment, then the file.",
    )
    for name, default, about in settings_fields():
        said = about["help"]
        if isinstance(default, bool):
            serve.add_argument(flag_of(name), action="store_true", default=None, help=said)
        elif isinstance(default, tuple):
            serve.add_argument(flag_of(name), metavar=about["metavar"], action="append", help=said)
        else:
            shown = f" (default: {default})" if default != "" else ""
            serve.add_argument(
                flag_of(name), metavar=about["metavar"], type=type(default), help=f"{said}{shown}"
            )
    serve.add_argument("--config", metavar="FILE.toml", help="the file of settings")
    serve.add_argument(
        "--show-config", action="store_true", help="print the settings as they would be used, and stop"
    )
    serve.set_defaults(func=run_serve)


def run_serve(arguments: argparse.Namespace) -> int:
    """Serve until a signal asks to stop; with `--show-config`, only print.

    Raises:
        PerfectLookError: a setting, the model or the catalogue cannot be used.
    """
    flags = {name: getattr(arguments, name) for name, _, _ in settings_fields()}
    if flags["allow_origin"] is not None:
        flags["allow_origin"] = tuple(flags["allow_origin"])
    settings = Settings.of(flags, os.environ, arguments.config)
    if arguments.show_config:
        print(settings.as_toml(), end="")
        return 0
    for name in BLAS:  # before numpy is loaded: each worker is one thread, and they must not start more
        os.environ.setdefault(name, "1")
    from perfectlook.service.server import run as serve

    serve(settings)
    return 0
