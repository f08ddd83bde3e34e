"""Pieces this tool models itself, from boxes, bars and turned profiles."""

from showroom.drawn import beds, flat, lamps, storage, tables
from showroom.drawn.joinery import SIZES, make

__all__ = ["SIZES", "beds", "flat", "lamps", "make", "storage", "tables"]
