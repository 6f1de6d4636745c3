"""Merges in memory, one or a whole chain, each proven. No checkout is touched.

Belongs here: making merge commits and proving a chain of them.
Does not: settling conflicts (`gitrepo/conflict`), the proof of one merge (`gitrepo/proof`).
"""
