"""`wto plan`: check, show, schema, new, forecast, draft.

Belongs here: commands about a plan file before it is run.
Does not: running it (`cli/commands/run`), the rules of a plan (`domain/plan`), drafting itself (`wiring/drafting`).
"""
