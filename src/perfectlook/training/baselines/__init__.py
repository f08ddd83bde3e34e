"""Baselines: what a compatibility model has to beat, each from its source, under the same protocol."""
