"""Parse what agents hand over into values: output, handoff, notes, review findings, commits. Tolerant, and trusted by nobody.

Belongs here: parsing one kind of agent output, with its bounds.
Does not: what an output means for its workstream (`verdict`), what an agent is told (`brief`), client-specific formats
(`adapters/agents`).
"""
