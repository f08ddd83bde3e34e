"""The few colours of a sheet."""

from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]

PAPER: Colour = (246, 243, 238)
CARD: Colour = (255, 255, 255)
INK: Colour = (38, 35, 32)
QUIET: Colour = (125, 118, 110)
LINE: Colour = (226, 221, 213)
GLOBAL: Colour = (52, 97, 116)
LOCAL: Colour = (228, 141, 66)
