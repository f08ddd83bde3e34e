"""`perfectlook demo`, `serve` and `keys`: the page and the API."""

import inspect
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated, Any

from cyclopts import App, Parameter

from perfectlook.cli.options import JsonOut, Natural, group, whole
from perfectlook.cli.output import write_json
from perfectlook.errors import UsageError
from perfectlook.texts import plain, short_title

BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def register(app: App) -> None:
    """Add the commands. `serve` is built when it is needed, because its flags are slow to import."""
    app.command(demo)
    app.command(f"{__name__}:serve_with_flags", name="serve", help=serve.__doc__)
    keys = group("keys", "Manage API keys for `serve`.")
    keys.command(new)
    app.command(keys)
    feedback = group("feedback", "Read what shoppers did.")
    feedback.command(report)
    app.command(feedback)


def demo(
    *, port: Natural | None = None, locale: str = "en", no_browser: bool = False, check: bool = False
) -> int:
    """Open the page with the showroom, the example catalogue of the package.

    Nothing is downloaded, and you need no photo of your own.

    Args:
        port: port to listen on (default: 8000, or a free one if it is taken; 0: a free one)
        locale: language of the page: en, de, or a .js file with your texts
        no_browser: print the address without opening a browser
        check: ask the server for three rooms, print the answers, and exit

    Raises:
        PerfectLookError: a part of the showroom is missing, the port is taken, or the language is unknown.
    """
    from perfectlook.demo import PORT, Demo, serving
    from perfectlook.demo import check as checked
    from perfectlook.files import MODELS, SHOWROOM, cache_folder
    from perfectlook.progress import ProgressLine
    from perfectlook.service.appearance import check_locale

    try:
        check_locale(locale)
    except ValueError as error:
        raise UsageError(f"--locale {locale!r}: {error}.") from error
    showroom = Demo(SHOWROOM, MODELS / "rooms", cache_folder() / "demo", locale)
    report = showroom.prepare(ProgressLine)
    products = report.added + report.changed + report.unchanged
    print(f"{showroom.catalogue}: {products:,} products, {report.unchanged:,} of them unchanged")
    with serving(showroom, 0 if check and port is None else port) as url:
        if check:
            for room, answer in checked(url):
                print(f"{room}: {answer.timings['total']:.0f} ms")
                for section in answer.categories:
                    names = "; ".join(short_title(each.title or each.id) for each in section.products)
                    print(f"  {section.category.split('|')[-1]}: {names}")
            return 0
        if port is None and not url.endswith(f":{PORT}/"):
            print(f"port {PORT} is taken; using a free port instead")
        with _asked_to_stop() as stop:
            print(f"{url} shows the showroom. Press Ctrl-C to stop.", flush=True)
            if not no_browser and _has_windows():
                import webbrowser

                webbrowser.open(url)
            stop.get()
    return 0


@contextmanager
def _asked_to_stop() -> Iterator["SimpleQueue[None]"]:
    """Yield a queue that receives an item at Ctrl-C or SIGTERM, the two ways to stop a demo.

    A signal may arrive while the queue is being read. Only a SimpleQueue allows that.
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
    """Whether a graphical browser can open. A text browser would take over the terminal."""
    screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return screen or sys.platform in ("darwin", "win32")


def serve(*, config: str | None = None, show_config: bool = False, **flags: object) -> int:
    """Serve a model and a catalogue over HTTP: the API and the page.

    You can also set every flag by an environment variable (--max-upload: PERFECTLOOK_MAX_UPLOAD) or by a key
    of the TOML file (max_upload). Flags override the environment, and the environment overrides the file.

    Args:
        config: TOML file of settings
        show_config: print the resulting settings, and exit

    Raises:
        PerfectLookError: a setting, the model or the catalogue cannot be used.
    """
    from perfectlook.service.settings import Settings

    settings = Settings.of(flags, config)
    if show_config:
        print(settings.as_toml(), end="")
        return 0
    for name in BLAS:  # before numpy is loaded: each worker is one thread and must not start others
        os.environ.setdefault(name, "1")
    from perfectlook.service.server import run

    run(settings)
    return 0


def __getattr__(name: str) -> Callable[..., int]:
    """Return `serve` with a signature that has a flag for every setting. None means that it is not given."""
    if name != "serve_with_flags":
        raise AttributeError(name)
    from perfectlook.service.settings import Settings, flag_of

    flags = []
    for key, setting in Settings.model_fields.items():
        default = setting.default
        kind = tuple[str, ...] if isinstance(default, tuple) else type(default)
        shown = f" (default: {default})" if default not in ("", (), False) else ""
        about = Parameter(
            name=flag_of(key),
            help=f"{setting.description}{shown}",
            negative=(),
            converter=whole if kind is int else None,
        )
        flag = inspect.Parameter(
            key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, about]
        )
        flags.append(flag)
    own = inspect.signature(serve).parameters
    signature = inspect.Signature([*flags, own["config"], own["show_config"]], return_annotation=int)
    serve.__signature__ = signature  # type: ignore[attr-defined]
    return serve


def new(name: str, /, *, scope: tuple[str, ...] = (), public: bool = False) -> int:
    """Make an API key. Print the key to standard error, and its line for --keys to standard output.

    Append the line to the file of `serve --keys`. It holds only a hash of the key. To revoke a key,
    remove its line.

    Args:
        name: name of the key's owner, for logs and rate limits
        scope: what the key may do: read, write or feedback; repeatable (default: everything)
        public: a key for a shop's pages: it reads and reports feedback, and has the rate of its address

    Raises:
        UsageError: the name has invalid characters, a scope is unknown, or a public key has scopes.
    """
    from perfectlook.service.security import new_key

    key, line = new_key(name, scope, public=public)
    print(f"key: {key}", file=sys.stderr)
    print(line)
    return 0


def report(feedback: Path, /, *more: Path, json: JsonOut = None) -> int:
    """Compare the arms of each experiment: click-through, add-to-basket and revenue.

    A session counts if a product was shown in it. The 95 % intervals come from a bootstrap over sessions
    (1,000 resamples). With fewer than 100 sessions or 10 events in an arm, there are too few to compare.

    Args:
        feedback: the file of feedback (`serve --feedback`), or the folder of the catalogue
        more: the files of other servers of the same shop

    Raises:
        UsageError: there is no file of feedback.
    """
    from perfectlook.service.outcomes import outcomes

    found = outcomes(feedback, *more)
    if json is not None:
        write_json(json, found)
        return 0
    if not found:
        print(f"{feedback}: no event belongs to an experiment. Start one with: serve --experiment FILE")
    for each in found:
        unit = each["currencies"][0] if len(each["currencies"]) == 1 else "mixed currencies"
        print(f"experiment {plain(each['experiment'])}: 95 % intervals by bootstrap over sessions")
        for arm in each["arms"]:
            counts = f"{arm['sessions']:,} sessions, {arm['shown']:,} products shown"
            print(f"  {plain(arm['arm'])}: {counts}, {_rates(arm, unit)}")
        if difference := each["difference"]:
            pair = plain(f"{difference['of']} minus {difference['minus']}")
            print(f"  {pair}: {_rates(difference, unit)}")
    return 0


def _rates(figures: Mapping[str, Any], unit: str) -> str:
    parts = []
    for rate, name in (("click_through", "clicks"), ("add_to_basket", "baskets"), ("revenue", "revenue")):
        figure = figures[rate]
        scale, after = (1, f" {unit} a session") if rate == "revenue" else (100, " %")
        value, low, high = (f"{scale * each:.2f}" for each in (figure["value"], *figure["ci95"]))
        verdict = f": {figure['verdict']}" if "verdict" in figure else ""
        parts.append(f"{name} {value}{after} ({low} to {high}){verdict}")
    return "; ".join(parts)
