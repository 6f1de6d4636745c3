"""The command line: parses, asks the engine, shows. No rules of the trade live here."""
