"""Git as commands with machine output: the user's repository on one side, the vault on the other.

Every command goes through `runner.py`, in an environment made from scratch. Only `landing.py` acts as the user, through
GitPython, because there the user's own configuration and hooks are wanted. The rest, by what it is about:

- the user's repository: `discovery` finds it, `repository` is its port, `worktrees` lists and recognises its worktrees,
  `making` adds, `filling` writes their files, `removing` takes away, `included` brings ignored files along;
- the vault: `vault` is its port, `refs` its refs, `fetching` what comes in, `changes` what commits say, `merging` and
  `proof` the merges, `slots` its throwaway trees;
- both: `apart` (a git directory of ours on somebody's objects), `comparing` (a worktree against a commit), `locks`.
"""
