"""Git as commands with machine output: the user's repository on one side, the vault on the other.

Every command goes through `runner.py`, in an environment made from scratch. Only `target.py` acts as the user, through
GitPython, because there the user's own configuration and hooks are wanted. `repository` is the port of the user's repository;
`vault` makes the vault, whose ports are implemented by the districts: refs and commits and objects in `objects`, merges in
`merge`, conflicts in `conflict`, checkouts in `worktree`, forecasts in `forecast`.
"""
