"""Git as commands with machine output: the user's repository on one side, the vault on the other.

Every command goes through `runner.py`, in an environment made from scratch. Only `landing.py` acts as the user, through
GitPython, because there the user's own configuration and hooks are wanted.
"""
