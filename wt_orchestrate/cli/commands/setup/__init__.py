"""`wto init`, `doctor`, `hook`, `mcp` and the tools of agents: set up this machine, a repository or a client.

Belongs here: commands that are called once, or by a client's configuration.
Does not: what the MCP server does (`mcp_server`), what the hooks check (`gitrepo/hooks`).
"""
