"""Filters: a small syntax, its tree, and what it matches."""

from perfectlook.filters.match import matches, text_matches
from perfectlook.filters.parser import parse_filter
from perfectlook.filters.printer import print_filter
from perfectlook.filters.tree import Filter

__all__ = ["Filter", "matches", "parse_filter", "print_filter", "text_matches"]
