"""The compatibility model in torch, and what of it needs no torch: its configuration and its record."""
