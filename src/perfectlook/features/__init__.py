"""Features: extracted once by several processes, kept in a store on disk, read in the order of a set."""
