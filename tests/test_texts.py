"""Texts of others lose the characters that command a terminal or turn the direction of writing."""

import unicodedata

import pytest

from dirty import CLEAN, DIRTY
from perfectlook.taxonomy import normalise
from perfectlook.texts import clean_line, clean_text, escaped, plain


def test_a_dirty_text_becomes_clean():
    assert clean_text(DIRTY) == CLEAN
    assert clean_text(CLEAN) is CLEAN


@pytest.mark.parametrize("kind", ["Cc", "Cs"])
def test_no_control_character_and_no_surrogate_stays(kind: str):
    characters = [chr(code) for code in range(0x11000) if unicodedata.category(chr(code)) == kind]
    assert set(clean_text("".join(characters))) <= {"\t", "\n", "\r", " ", "\ufffd"}


def test_words_stay_apart():
    assert clean_text("one\x0btwo\x1cthree\x85four") == "one two three four"
    assert clean_text("a\tb\r\nc") == "a\tb\r\nc"
    assert clean_line(" a\tb\r\n\x85 c\xa0d ") == "a b c d"


def test_marks_of_arabic_and_joined_emoji_stay():
    for text in ("كرسي\u200f 2", "👩\u200d🎨", "می\u200cخواهم", "soft\u00adhyphen"):
        assert clean_text(text) == text


def test_a_category_is_one_line_without_control_characters():
    assert normalise("A|\x1b[31mb\n c\0|\u202e") == "A|[31mb c"
    assert normalise("\x1b|\0") == ""


def test_messages_show_what_cannot_be_printed():
    assert escaped("a\x1b\ud800é") == "a\\x1b\\ud800é"
    assert plain("a\x1b]0;title\x07b\u202ec\x9b31m\nd") == "a\\x1b]0;title\\x07b\\u202ec\\x9b31m\nd"
