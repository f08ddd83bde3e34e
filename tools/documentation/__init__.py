"""Writes the generated pages of the documentation: `make docs-pages`."""
