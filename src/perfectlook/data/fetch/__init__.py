"""Where sets come from: public ones, fetched into the set layout, and one's own, made of a table."""
