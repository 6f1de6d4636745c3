"""A small ledger: lines of text to entries, entries to sums."""
