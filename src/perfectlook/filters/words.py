"""The words of a filter's text, each with its place, so that an error can point at it."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from perfectlook.errors import UsageError

Kind: TypeAlias = Literal["word", "number", "quoted", "sign", "end"]

KEYWORDS = frozenset({"and", "or", "not", "in", "has", "under"})
"""Words of the syntax, in any case; a field or a value that is spelled like one stands in quotes."""

MAX_LENGTH = 65_536
BARE = re.compile(r"[\w./:+\-#@&%|]+")
"""What may stand without quotes: letters and digits of any script, and a few marks."""

NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_SIGN = re.compile(r"<=|>=|!=|[=<>(),]")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One word: what it is, what it says (without quotes), as it was written, and its column, from 1."""

    kind: Kind
    text: str
    written: str
    column: int

    def is_keyword(self, *names: str) -> bool:
        """Whether this is one of these words of the syntax; one in quotes never is."""
        return self.kind == "word" and self.text.lower() in names

    def is_sign(self, *signs: str) -> bool:
        """Whether this is one of these signs."""
        return self.kind == "sign" and self.text in signs

    def described(self) -> str:
        """The word as an error quotes it."""
        if self.kind == "end":
            return "the end"
        shown = self.written if len(self.written) <= 40 else self.written[:37] + "..."
        return shown if self.kind == "quoted" else f"'{shown}'"


def wrong(source: str, column: int, what: str) -> UsageError:
    """The error that something about the text at a column is wrong."""
    return UsageError(f"{source}: column {column}: {what}")


def split_words(text: str, source: str) -> list[Word]:
    """Split a filter's text into words, the last of which is the end; UsageError where it cannot be."""
    if len(text) > MAX_LENGTH:
        raise wrong(
            source, MAX_LENGTH + 1, f"a filter has at most {MAX_LENGTH} characters, this one {len(text)}"
        )
    words, place = [], 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        word = _word_at(text, place, source)
        words.append(word)
        place += len(word.written)
    return [*words, Word("end", "", "", len(text) + 1)]


def _word_at(text: str, place: int, source: str) -> Word:
    column = place + 1
    if found := _QUOTED.match(text, place):
        inner = found[1] if found[1] is not None else found[2]
        return Word("quoted", _ESCAPE.sub(r"\1", inner), found[0], column)
    if text[place] in "\"'":
        raise wrong(source, column, f"this {text[place]} is never closed")
    if found := _SIGN.match(text, place):
        return Word("sign", found[0], found[0], column)
    if found := BARE.match(text, place):
        return Word("number" if NUMBER.fullmatch(found[0]) else "word", found[0], found[0], column)
    raise wrong(source, column, f"unexpected '{text[place]}'; put text with such characters in quotes")
