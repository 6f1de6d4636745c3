"""The target and the user's checkout of it: moved forward when landing, and compared with what they were when the run started.

Belongs here: what a landing looks at and writes in the user's repository.
Does not: which commit lands (`engine/effects/landing`), worktrees of agents (`gitrepo/worktree`).
"""
