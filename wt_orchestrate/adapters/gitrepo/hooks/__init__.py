"""Our git hooks: in agents' worktrees, and in a person's main worktree.

Belongs here: installing, chaining and removing hooks, and what a hook reads.
Does not: the hook scripts themselves (top-level `hooks/`).
"""
