"""wt-orchestrate: many agents work on one repository, each in its own git worktree.

Belongs here: the floors, from the top: `cli` and `mcp_server`, `wiring`, `engine` and `adapters`, `ports`, `domain`; and
what all of them use, `errors` and `resources`. CONTRIBUTING.md has the map.
Does not: anything else. A module belongs in a folder that says what it is about.
"""

__version__ = "0.1.0"
