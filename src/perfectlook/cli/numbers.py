"""Whole numbers on the command line: anything else is wrong use."""

import argparse


def positive(text: str) -> int:
    """A whole number from 1, for `add_argument(type=...)`."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """A whole number from 0, for `add_argument(type=...)`."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return number
