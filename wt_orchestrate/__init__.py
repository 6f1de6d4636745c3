"""wt-orchestrate: many agents at work on one repository, each in its own git worktree."""

__version__ = "0.1.0"
