"""The flags that say which products may be shown: filter, rules, availability, the bare ranking."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from perfectlook.recommender import Rules


def add_choosing(parser: argparse.ArgumentParser) -> None:
    """Add `--where`, `--rules`, `--include-unavailable` and `--all`."""
    parser.add_argument(
        "--where",
        metavar="EXPR",
        help="only products that match a filter, such as 'price <= 50 EUR and brand in (Acme, Muji)'",
    )
    parser.add_argument(
        "--rules", metavar="FILE.toml", help="a shop's own rules: pin, boost, bury and exclude products"
    )
    parser.add_argument(
        "--include-unavailable",
        action="store_true",
        help="also show products whose availability is out_of_stock",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="the bare ranking: copies, variants and what is out of stock are not passed over, no rules, no "
        "spread, distances are not rounded",
    )


def check_choosing(arguments: argparse.Namespace) -> None:
    """Make sure that the bare ranking is asked for bare.

    Raises:
        UsageError: rules or a spread are to change it.
    """
    from perfectlook.errors import UsageError

    for flag in ("rules", "spread"):
        if arguments.all and getattr(arguments, flag, None):
            raise UsageError(f"--all shows the bare ranking: leave --{flag} out")


def chosen_rules(arguments: argparse.Namespace) -> "Rules":
    """Read the rules that `--rules` names.

    Raises:
        UsageError: the file cannot be read, or a rule is none.
    """
    from perfectlook.recommender.rules import NO_RULES, Rules

    return Rules.read(arguments.rules) if arguments.rules else NO_RULES
