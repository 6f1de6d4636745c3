"""Commands that set up this machine, this repository or a client: `wto init`, `doctor`, `hook`, `mcp`, and the tools of
agents.
"""
