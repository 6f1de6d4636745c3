"""Which workstream may start now: needs, slots, accounts, budgets, disk and memory, stages; and work added during a run.

Belongs here: a rule that starts, holds or adds work.
Does not: what an ended attempt means (`verdict`), the order of landing (`train`).
"""
