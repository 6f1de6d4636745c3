"""The seams to git: the user's repository, and the vault by what is done in it.

Belongs here: what the engine asks of git, one small port a subject, with the values that cross it. As everywhere in the
ports, a method that changes something is safe to call twice, foreseen ends are return values, and a port raises `WtError` for
what its caller cannot go on from. Paths are absolute text.
Does not: git's own commands and output (`adapters/gitrepo`), values that are stored (`domain/events`).
"""
