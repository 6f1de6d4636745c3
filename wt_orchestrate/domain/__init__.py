"""The rules of the trade as pure functions over values: plan, events, state, decisions. It knows no files, no processes
and no clock.

One folder a subject ("district"); the import contract in pyproject.toml says which may use which. From the bottom:
text, plan and agent (values that others wrote), events and effects, state, fold, then the rules (brief, schedule,
review, train, verdict), then what is shown (status, report). Single files here are doors: `machine` (what should be
done now), `observation` (readings in), `steering` (requests in).
Belongs here: a rule or a value that can be tested without the outside world. Does not: anything that reads, writes,
waits or prints.
"""
