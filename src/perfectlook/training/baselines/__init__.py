"""The baselines that a compatibility model has to beat, under the same protocol; each names its source."""
