"""The command line. Each module of this folder registers commands. Heavy modules are imported inside them."""

import os
import sys
from collections.abc import Sequence

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from perfectlook import __version__
from perfectlook.cli import catalogue, data, mcp, models, recommend, serve
from perfectlook.cli.options import group
from perfectlook.errors import PerfectLookError, UsageError
from perfectlook.texts import plain

GROUPS = (serve, models, catalogue, recommend, data, mcp)
FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def build_app() -> App:
    """Return the application with every command."""
    app = group("perfectlook", "Complete the look: products that go with a photo of a real scene.")
    app.version = f"perfectlook {__version__}"
    app.result_action = "return_value"
    app.suppress_keyboard_interrupt = False
    for each in GROUPS:
        each.register(app)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name may hold characters that the terminal cannot encode
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except CycloptsError as error:
        return _report_wrong_use(error)
    except PerfectLookError as error:
        return _fail(error, WRONG_USE if isinstance(error, UsageError) else FAILED)
    except KeyboardInterrupt:
        print("perfectlook: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader closed the pipe (`perfectlook ... | head`). Python must not write to it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # for example, a full disk
        place = f"{error.filename}: " if error.filename else ""
        return _fail(
            f"{place}{error.strerror or error}. Check the path, its permissions and the disk.", FAILED
        )


def _run(words: Sequence[str]) -> int:
    app = build_app()
    chain, apps, more = app.parse_commands(words)
    if not more and apps[-1].default_command is None:  # a group of commands, without a command
        app.help_print(chain, console=app.error_console)
        return WRONG_USE
    code = app(words, exit_on_error=False, print_error=False)
    if sys.stdout is not None:
        sys.stdout.flush()
    return code or 0


def _report_wrong_use(error: CycloptsError) -> int:
    if isinstance(error, UnknownOptionError) and error.token.value == "-":
        return _fail("-: standard input is not read. Give the path of a file.", WRONG_USE)
    command = " ".join(["perfectlook", *(error.command_chain or ()), "--help"])
    return _fail(f"{_message(error)}\nRun `{command}` to see its arguments and flags.", WRONG_USE)


def _message(error: CycloptsError) -> str:
    """Return the text of an error. Wrong numbers read like the project's own errors: `-k 0: must be ...`."""
    if isinstance(error, ValidationError) and error.argument and error.argument.tokens:
        token = error.argument.tokens[-1]
        return f"{token.keyword or error.argument.name} {token.value}: {error.exception_message}"
    if isinstance(error, CoercionError) and error.token and error.token.keyword and error.msg:
        return f"{error.token.keyword} {error.token.value}: {error.msg}"
    if isinstance(error, UnusedCliTokensError):
        return f"unexpected arguments: {' '.join(error.unused_tokens or ())}. Leave them out."
    if isinstance(error, MissingArgumentError) and error.argument and error.keyword is None:
        return str(error).replace("requires an argument", "is missing")
    return str(error)


def _fail(error: object, code: int) -> int:
    print(f"perfectlook: error: {plain(error)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
