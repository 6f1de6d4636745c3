"""The proof that a merge lost nothing, worked out apart from git's own merge.

Belongs here: judging one merge or one resolution.
Does not: making merges (`gitrepo/merge`), settling conflicts (`gitrepo/conflict`).
"""
