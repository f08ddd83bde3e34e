"""`perfectlook keys`: the API keys of a service."""

import argparse


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    new.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the key to standard error, and its line to standard output, so that `>> FILE` keeps the line.

    Raises:
        UsageError: the name is none.
    """
    import sys

    from perfectlook.service.keys import new_key

    key, line = new_key(arguments.name)
    print(f"key: {key}", file=sys.stderr)
    print(line)
    return 0
