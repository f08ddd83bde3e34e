"""The command line: each module of this folder registers commands, and imports what is heavy inside them."""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, MissingArgumentError, UnknownOptionError

from perfectlook import __version__
from perfectlook.cli import catalogue, data, models, recommend, serve
from perfectlook.cli.options import group
from perfectlook.errors import PerfectLookError, UsageError

GROUPS = (serve, models, catalogue, recommend, data)
FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def build_app() -> App:
    """The application with every command."""
    app = group("perfectlook", "Complete the look: products that go with the photo of a real scene.")
    app.version = f"perfectlook {__version__}"
    app.result_action = "return_value"
    app.suppress_keyboard_interrupt = False
    for each in GROUPS:
        each.register(app)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # file names may not be text in the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except CycloptsError as error:
        return _misused(error)
    except PerfectLookError as error:
        return _fail(error, WRONG_USE if isinstance(error, UsageError) else FAILED)
    except KeyboardInterrupt:
        print("perfectlook: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`perfectlook ... | head`): there is nothing left to say, also at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # a file that cannot be written, a disk that is full
        place = f"{error.filename}: " if error.filename else ""
        return _fail(f"{place}{error.strerror or error}", FAILED)


def _run(words: Sequence[str]) -> int:
    app = build_app()
    chain, apps, more = app.parse_commands(words)
    if not more and apps[-1].default_command is None:  # a group of commands without one
        app.help_print(chain, console=app.error_console)
        return WRONG_USE
    code = app(words, exit_on_error=False, print_error=False)
    if sys.stdout is not None:
        sys.stdout.flush()
    return code or 0


def _misused(error: CycloptsError) -> int:
    if isinstance(error, UnknownOptionError) and error.token.value == "-":
        return _fail("-: there is no such file, and standard input is not read; name a file", WRONG_USE)
    command = " ".join(["perfectlook", *(error.command_chain or ()), "--help"])
    said = str(error)
    if isinstance(error, MissingArgumentError) and error.argument and error.keyword is None:
        said = said.replace("requires an argument", "is missing")
    return _fail(f"{said}\nRun `{command}` to list what it takes.", WRONG_USE)


def _fail(error: object, code: int) -> int:
    print(f"perfectlook: error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
