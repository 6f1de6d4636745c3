"""Git data read and written in bulk, one git command each: refs, blobs, history, raw diffs, fetch, fast-import, quarantine.

Belongs here: one question to git's object database or refs, for many ids at once.
Does not: files on disk (`gitrepo/worktree`, `gitrepo/files`), merges (`gitrepo/merge`).
"""
