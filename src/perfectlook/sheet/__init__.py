"""Answers as pictures: what a photo is answered with, on one page."""

from perfectlook.sheet.sheet import draw_explanation, draw_look, draw_lookalikes, draw_sheet

__all__ = ["draw_explanation", "draw_look", "draw_lookalikes", "draw_sheet"]
