"""The showroom: a set of rendered rooms and furniture that comes with the package (docs/showroom.md)."""

from pathlib import Path

FOLDER = Path(__file__).parent
