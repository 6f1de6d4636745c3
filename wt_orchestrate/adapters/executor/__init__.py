"""Processes: started once, owned by a keeper that outlives the supervisor, stopped with all their descendants.

Belongs here: starting, watching, messaging and stopping a process. `keeper` is the program that owns one process.
Does not: which command to run (`adapters/agents`, `domain/effects`), git's own commands (`gitrepo/runner`).
"""
