"""Effects to port calls, one file a subject: each looks first whether it already happened, does it, and returns what is
now a fact.

Belongs here: the handler of an effect of `domain/effects.py`. `perform` picks the handler.
Does not: whether an effect is wanted (`domain/machine`), how git or a process does it (`adapters`).
"""
