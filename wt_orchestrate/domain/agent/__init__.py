"""What agents hand over, as values: stream events, handoff, notes, review findings, commits. Parsed tolerantly, trusted
by nobody.

Belongs here: parsing one kind of agent output, with its bounds.
Does not: what an output means for its workstream (`verdict`), what an agent is told (`brief`), client-specific formats
(`adapters/agents`).
"""
