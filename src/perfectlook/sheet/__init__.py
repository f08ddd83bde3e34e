"""Answers as pictures: what a photo is answered with, on one page."""

from perfectlook.sheet.explained import draw_explanation
from perfectlook.sheet.look import draw_look
from perfectlook.sheet.lookalikes import draw_lookalikes
from perfectlook.sheet.sheet import draw_sheet

__all__ = ["draw_explanation", "draw_look", "draw_lookalikes", "draw_sheet"]
