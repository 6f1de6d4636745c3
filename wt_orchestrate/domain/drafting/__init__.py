"""Before a run: a plan drafted by an agent and checked, conflicts that are likely, what parallel work would save.

Belongs here: rules about a plan that does not run yet, and about the drafting of it.
Does not: the plan's own values and validation (`plan`), the loop around the drafting agent (`engine/drafting`).
"""
