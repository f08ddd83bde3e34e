"""The command line: one command per file of this folder; heavy imports inside the command they serve."""

import argparse
import os
import sys
from collections.abc import Sequence

from perfectlook import __version__
from perfectlook.cli import catalogue, data, models, recommend, serve
from perfectlook.errors import PerfectLookError, UsageError

COMMANDS = (
    serve.add_parser,
    models.add_parser,
    models.add_parser_evaluate,
    models.add_parser_compare,
    models.add_parser_report,
    catalogue.add_parser_catalogue,
    catalogue.add_parser,
    recommend.add_parser,
    recommend.add_parser_similar,
    recommend.add_parser_explain,
    data.add_parser_data,
    models.add_parser_backbones,
    serve.add_parser_serve,
    serve.add_parser_keys,
)
FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = argparse.ArgumentParser(
        prog="perfectlook",
        description="Complete the look: products that go with the photo of a real scene.",
    )
    parser.add_argument("--version", action="version", version=f"perfectlook {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add_parser in COMMANDS:
        add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be text in the terminal's encoding
            stream.reconfigure(errors="backslashreplace")
    arguments = build_parser().parse_args(argv)
    try:
        code: int = arguments.func(arguments)
        sys.stdout.flush()
    except UsageError as error:
        return _fail(error, WRONG_USE)
    except PerfectLookError as error:
        return _fail(error, FAILED)
    except KeyboardInterrupt:
        print("perfectlook: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`perfectlook ... | head`): nothing left to say, also not at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:  # a file that cannot be written, a disk that is full
        place = f"{error.filename}: " if error.filename else ""
        print(f"perfectlook: error: {place}{error.strerror or error}", file=sys.stderr)
        return FAILED
    return code


def _fail(error: PerfectLookError, code: int) -> int:
    print(f"perfectlook: error: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
