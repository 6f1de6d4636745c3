"""The MCP server: how Claude Desktop, Claude Code or any other client leads runs. A face like the command line; no
rules here.
"""
