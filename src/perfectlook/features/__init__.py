"""Features: extract them once in several processes, keep them in a store on disk, and read them for a set."""
