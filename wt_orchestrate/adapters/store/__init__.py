"""What is kept on disk: the event log with its journal, the lock that says who may write it, and the memory.

Belongs here: databases, journals, migrations, stored states and views.
Does not: what an event means (`domain/events`, `domain/fold`), files that people write (`adapters/planfile`).
"""
