"""Git as commands with machine-readable output: the user's repository on one side, the vault on the other.

Every command goes through `runner`, in an environment made from scratch. Only `target` acts as the user, through GitPython,
because landing needs the user's own configuration and hooks. `repository` and `remotes` implement their ports; `vault`
makes the vault, whose ports are implemented by the districts.
Belongs here: anything that runs git or reads its files, in the folder of its subject.
Does not: a decision (`domain`), forges (`adapters/forge`).
"""
