"""What outlives runs: entries, their ranking, their markdown form, and what is recalled into a run.

Belongs here: rules about remembered entries.
Does not: their storage (`adapters/store`), lessons learned from one run's end (`report/lessons`).
"""
