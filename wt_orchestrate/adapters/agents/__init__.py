"""The programs that do the work: how each is started, told something, and how its output is read.

Belongs here: one module for each type of agent, and its line in `registry`.
Does not: the process that runs it (`adapters/executor`), what its output means for a workstream (`domain/verdict`).
"""
