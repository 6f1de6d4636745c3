"""The MCP server: how Claude Desktop, Claude Code or another client leads runs, and how agents report while they work.

Belongs here: tools, resources and prompts; each reads the log or puts a request, as a command does.
Does not: a rule (`domain`), the choice of an adapter (`wiring`), text for a terminal (`cli`).
"""
