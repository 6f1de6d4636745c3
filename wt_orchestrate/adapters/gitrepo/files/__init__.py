"""Files below folders that others write in: no link is followed; locks; safe copies.

Belongs here: reading and writing files of worktrees and state folders for git.
Does not: git objects (`gitrepo/objects`).
"""
