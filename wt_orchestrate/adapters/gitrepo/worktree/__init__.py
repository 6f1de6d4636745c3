"""Worktrees on the disk: made, listed, compared, filled, removed; and the throwaway trees of checks.

Belongs here: files of a worktree, and git's records of worktrees.
Does not: the user's checkout when landing (`gitrepo/target`), hooks (`gitrepo/hooks`).
"""
