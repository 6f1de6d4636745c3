"""What earlier releases left on disk, kept for good, so that every later release is tested to open it.

Belongs here: one folder for each release, named by version and commit, made once by `make.py` from a checkout of that
release and never changed: `finished.tar.gz` and `interrupted.tar.gz` (a repository, its worktrees and its state folder), and
`events.jsonl` (one stored row of each kind of event). Does not: tests (`tests/e2e/test_earlier_releases.py`).
"""
