"""The data-size study: how accuracy, time and memory grow with a set, and how much of it a budget allows."""
