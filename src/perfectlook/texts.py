"""Texts that others wrote: without control characters, and as terminals and messages show them."""

import html
import re
from reprlib import Repr


def clean_text(text: str) -> str:
    """Return a text without the control characters of terminals and of the direction of writing.

    Those that separate words become spaces. Tabs and line breaks stay. A lone surrogate, which cannot be
    stored, becomes U+FFFD.
    """
    return text if text.isprintable() else _CONTROL.sub(_replacement, text)


def clean_line(text: str) -> str:
    """Return a text as `clean_text` does, in one line, with single spaces."""
    return " ".join(clean_text(text).split())


def plain(text: object) -> str:
    """Return a text for a terminal. Control characters, which could be commands to it, become escapes."""
    return _OF_TERMINALS.sub(lambda found: ascii(found[0])[1:-1], str(text))


def escaped(text: str) -> str:
    """Return a text as messages show it: every character that cannot be printed becomes an escape."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def shown(value: object) -> str:
    """Return a value of a file as text for messages, shortened."""
    return _shortened.repr(value)


def plain_text(text: str) -> str:
    """Return a text without HTML: entities, escaped once or twice, are characters, and tags are gone."""
    for _ in range(2):
        if "&" in text:
            text = html.unescape(text)
    return " ".join(_TAG.sub(" ", text).split()) if "<" in text else text


def short_title(title: str | None, most: int = 60) -> str:
    """Return a title for a terminal, in one line of at most `most` characters. Without a title, return ""."""
    line = plain(" ".join((title or "").split()))
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


_shortened = Repr()
_shortened.maxstring = _shortened.maxother = 60
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^<>]*>", re.DOTALL)
_DIRECTIONS = "\\u202a-\\u202e\\u2066-\\u2069"
_CONTROL = re.compile(f"[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f{_DIRECTIONS}\ud800-\udfff]")
_OF_TERMINALS = re.compile(f"[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f{_DIRECTIONS}]")


def _replacement(found: re.Match[str]) -> str:
    if "\ud800" <= found[0] <= "\udfff":
        return "\ufffd"
    return " " if found[0].isspace() else ""
