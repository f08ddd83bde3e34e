"""`perfectlook serve`: the recommender over HTTP, and the page."""

import argparse
import os

from perfectlook.service.settings import Settings, flag_of, settings_fields

BLAS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    serve.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
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
    from perfectlook.service.running import run as serve

    serve(settings)
    return 0
