"""Draws an answer as a picture."""

from perfectlook.sheet.sheet import draw_sheet

__all__ = ["draw_sheet"]
