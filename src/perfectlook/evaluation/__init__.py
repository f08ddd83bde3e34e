"""Measure models: the protocol, its figures, comparisons and reports."""
