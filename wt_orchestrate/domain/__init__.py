"""Pure rules of the trade: no files, no processes, no clock, no third-party package."""
