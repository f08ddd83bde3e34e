"""A text with control characters of every kind, and what is stored of it."""

DIRTY = "a\0b\x1b[31mc\x07\x0bd\x9b2Je\u202ef\u2066g\x7f\u200eh"
CLEAN = "ab[31mc d2Jefg\u200eh"
IN_XML = "a&#x9b;b&#x202e;c&#x2066;d"
"""XML may hold no other control characters."""
