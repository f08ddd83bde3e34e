"""Numbers on the command line: anything else is wrong use."""

import argparse
import sys


def positive(text: str) -> int:
    """A whole number from 1, for `add_argument(type=...)`."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """A whole number from 0, for `add_argument(type=...)`."""
    return _at_least(0, text)


def share(text: str) -> float:
    """A number from 0 to 1, for `add_argument(type=...)`."""
    return _between(text, 1.0, "a number from 0 to 1")


def weight(text: str) -> float:
    """A number from 0, for `add_argument(type=...)`."""
    return _between(text, sys.float_info.max, "a number from 0")


def _between(text: str, most: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return number
