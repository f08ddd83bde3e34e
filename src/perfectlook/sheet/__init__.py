"""Draws an answer, or an explanation, as a picture."""

from perfectlook.sheet.explained import draw_explanation
from perfectlook.sheet.sheet import draw_sheet

__all__ = ["draw_explanation", "draw_sheet"]
