"""The rules as pure functions over values: plan, events, state, decisions. Knows no files, processes or clock.

One folder is one subject; the import contract in pyproject.toml says which may use which. Single modules are entrances:
`machine` (what should be done now), `observation` (readings to events), `steering` (which requests are allowed).
Belongs here: a rule or a value that can be tested without the outside world.
Does not: anything that reads, writes, waits or prints.
"""
