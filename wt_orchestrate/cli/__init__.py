"""The command line. `app` is the table of commands; `boundary` turns errors into messages and exit codes.

Belongs here: parsing, asking the engine through the wiring, showing. A module is imported when its command is called.
Does not: a rule (`domain`), the choice of an adapter (`wiring`), the MCP server (`mcp_server`).
"""
