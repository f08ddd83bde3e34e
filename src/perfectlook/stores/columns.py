"""One field of a block's products, kept so that a filter of it is one look-up a product."""

import operator
from collections.abc import Callable, Sequence
from copy import copy
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from perfectlook.filters.match import Leaf, folded, read_number, text_matches
from perfectlook.filters.tree import Comparison, Has, Money, OneOf, Value
from perfectlook.types import BoolArray, Float64Array, IntArray

_NUMERIC: dict[str, Callable[[Float64Array, float], BoolArray]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ANSWERS_KEPT = 64


class Column:
    """The texts of a field at the places of a block, as codes [n] of the distinct texts; code 0 is "no text".

    A filter is answered once for each distinct text, and that answer looked up for each place. It is
    `filters.text_matches` itself that answers, or arithmetic that only leaves out what it would deny, so a
    column agrees with it to the last digit. A column never changes: `extended` and `rearranged` return
    the next.
    """

    def __init__(self, field: str) -> None:
        """Start without places."""
        self.field = field
        self.codes: NDArray[np.int32] = np.empty(0, np.int32)
        self._texts: list[str] = [""]
        self._code_of: dict[str, int] = {"": 0}
        self._numbers: Float64Array = np.full(1, np.nan)
        self._currencies: NDArray[np.str_] = np.array([""], "U3")
        self._folded: dict[str, list[int]] | None = None
        self._answers: dict[Leaf, BoolArray] = {}

    def extended(self, texts: Sequence[str | None]) -> "Column":
        """Return this column with the texts of more places at its end."""
        longer = Column(self.field)
        longer._code_of, longer._texts = self._code_of, self._texts
        new = {text: None for text in texts if text and text not in self._code_of}
        if new:
            longer._code_of = self._code_of | {t: c for c, t in enumerate(new, len(self._texts))}
            longer._texts = [*self._texts, *new]
        code_of = longer._code_of
        codes = np.fromiter((code_of[text or ""] for text in texts), np.int32, len(texts))
        longer.codes = np.concatenate([self.codes, codes])
        longer._numbers, longer._currencies = self._numbers_with(list(new))
        return longer

    def rearranged(self, places: IntArray) -> "Column":
        """Return the column whose place i has the text of `places[i]` here."""
        other = copy(self)
        other.codes = self.codes[places]
        return other

    def mask(self, leaf: Leaf) -> BoolArray:
        """Return for each place whether its text matches a filter of this field."""
        answers = self._answers.get(leaf)
        if answers is None:
            answers = self._answered(leaf)
            if len(self._answers) >= _ANSWERS_KEPT:
                self._answers = {}
            self._answers[leaf] = answers
        taken: BoolArray = answers.take(self.codes)
        return taken

    def _numbers_with(self, new: list[str]) -> tuple[Float64Array, NDArray[np.str_]]:
        if not new:
            return self._numbers, self._currencies
        read = [read_number(text) for text in new]
        numbers = np.array([np.nan if number is None else float(number.amount) for number in read])
        currencies = np.array(["" if number is None else number.currency or "" for number in read], "U3")
        return np.concatenate([self._numbers, numbers]), np.concatenate([self._currencies, currencies])

    def _answered(self, leaf: Leaf) -> BoolArray:
        answers = np.zeros(len(self._texts), bool)
        match leaf:
            case Has():
                answers[1:] = True
            case OneOf(_, values):
                for value in values:
                    answers[self._equal_to(value)] = True
            case Comparison(_, "=", value):
                answers[self._equal_to(value)] = True
            case Comparison(_, "!=", value):
                answers[:] = True
                answers[self._equal_to(value)] = False
            case Comparison(_, sign, Decimal() as amount):
                answers = _NUMERIC[sign](self._numbers, float(amount))
                self._settle(answers, leaf, float(amount))
            case Comparison(_, sign, Money(amount, currency)):
                answers = _NUMERIC[sign](self._numbers, float(amount))
                answers &= self._currencies == currency.upper()
                self._settle(answers, leaf, float(amount))
            case Comparison():
                answers[1:] = [text_matches(leaf, text) for text in self._texts[1:]]
        return answers

    def _settle(self, answers: BoolArray, leaf: Leaf, amount: float) -> None:
        """Decide by every digit what is equal as far as float64 can tell."""
        for code in np.flatnonzero(self._numbers == amount):
            answers[code] = text_matches(leaf, self._texts[code])

    def _equal_to(self, value: Value) -> list[int]:
        if isinstance(value, str):
            if self._folded is None:
                by_text: dict[str, list[int]] = {}
                for code, text in enumerate(self._texts[1:], 1):
                    by_text.setdefault(folded(self.field, text), []).append(code)
                self._folded = by_text
            return self._folded.get(folded(self.field, value), [])
        amount = float(value.amount if isinstance(value, Money) else value)
        leaf = Comparison(self.field, "=", value)
        near = np.flatnonzero(self._numbers == amount).tolist()
        return [code for code in near if text_matches(leaf, self._texts[code])]
